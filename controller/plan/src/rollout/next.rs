//! What to do next: a frozen plan against what is seen now. Where nodes stand is never remembered, so whoever resumes, wherever,
//! decides the same.

use std::collections::BTreeMap;

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::{Upgrade, UpgradePart};
use hactl_proto::version::KubernetesVersion;

use super::done::{EtcdOf, Known, done, etcd, hop_begun, hops_left, through_but_ready};
use super::gate::{control_planes_unwell, rotations, unavailable};
use super::memory::{Memory, Soak};
use super::window::closed;
use super::{Hop, Phase, PhaseKind, RolloutPlan, Seen, SeenNode};

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// All that the plan says is there.
    Done,
    /// Not now: what is not well, each in a line.
    Wait(Vec<String>),
    /// Bring a version to these nodes, all at once.
    Stage {
        /// The version.
        target: KubernetesVersion,
        /// The nodes.
        nodes: Vec<NodeName>,
    },
    /// Have this control plane take a snapshot of etcd.
    Snapshot(NodeName),
    /// All gates are open this moment: one look more of those that a canary's soak asks for in a row.
    Soak(Soak),
    /// Upgrade these nodes together.
    Upgrade(Vec<Work>),
}

/// One node's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The node.
    pub node: NodeName,
    /// What it is.
    pub role: NodeRole,
    /// What is ordered.
    pub upgrade: Upgrade,
}

/// What a decision looks at.
struct Look<'a> {
    plan: &'a RolloutPlan,
    seen: &'a Seen,
    known: Known<'a>,
    memory: &'a Memory,
    /// What is waited for where no window is open.
    closed: Option<String>,
}

/// Decides.
pub fn decide(plan: &RolloutPlan, seen: &Seen, memory: &Memory) -> Decision {
    let known: Known<'_> = match &seen.cluster {
        Ok(cluster) => cluster
            .nodes
            .iter()
            .map(|node| (&node.name, node))
            .collect(),
        Err(_) => BTreeMap::new(),
    };
    let look = Look {
        plan,
        seen,
        known,
        memory,
        closed: closed(&plan.policy.windows, seen.at),
    };
    let nodes = seen.by_name();
    let hops = hops_left(plan, seen);
    for (index, hop) in hops.iter().enumerate() {
        let place = Place {
            hop,
            later: &hops[index + 1..],
        };
        for (at, phase) in hop.phases.iter().enumerate() {
            let found = if phase.kind == PhaseKind::Soak {
                look.soak(&place, at, &nodes)
            } else {
                look.phase(&place, phase, &nodes)
            };
            if let Some(decision) = found {
                return decision;
            }
        }
    }
    Decision::Done
}

/// Where in the plan.
struct Place<'a> {
    hop: &'a Hop,
    later: &'a [Hop],
}

impl Look<'_> {
    /// What is left to do of a phase.
    fn phase(
        &self,
        place: &Place<'_>,
        phase: &Phase,
        nodes: &BTreeMap<&NodeName, &SeenNode>,
    ) -> Option<Decision> {
        let Place { hop, later } = *place;
        for batch in &phase.batches {
            let left: Vec<&SeenNode> = batch
                .iter()
                .filter_map(|name| nodes.get(name).copied())
                .filter(|node| !done(phase.kind, hop, later, node, &self.known))
                .collect();
            if left.is_empty() {
                continue;
            }
            let found = match phase.kind {
                PhaseKind::Stage => self.stage(hop, &left),
                PhaseKind::Snapshot => self.snapshot(hop, left[0]),
                PhaseKind::Workers => Some(self.workers(hop, &left)),
                PhaseKind::Etcd => Some(self.etcd_turn(place, left[0])),
                kind => Some(self.control_plane(hop, kind, left[0])),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Brings the version to who lacks it. Before a hop is begun every node has it; a worker that falls silent later holds up its
    /// own turn only, and is staged when it is back.
    fn stage(&self, hop: &Hop, left: &[&SeenNode]) -> Option<Decision> {
        let later = hop_begun(hop, self.seen);
        let (answer, silent): (Vec<&SeenNode>, Vec<&SeenNode>) =
            left.iter().partition(|node| node.survey.said().is_some());
        let waited = silent
            .into_iter()
            .filter(|node| !later || node.role == NodeRole::ControlPlane);
        let waited: Vec<String> = waited
            .map(|node| format!("{} does not answer", node.name))
            .collect();
        if !waited.is_empty() {
            return Some(Decision::Wait(waited));
        }
        (!answer.is_empty()).then(|| Decision::Stage {
            target: hop.to.clone(),
            nodes: answer.iter().map(|node| node.name.clone()).collect(),
        })
    }

    /// Before the first API server of a hop is touched.
    fn snapshot(&self, hop: &Hop, node: &SeenNode) -> Option<Decision> {
        let begun = self
            .seen
            .control_planes()
            .any(|node| node.api_server().is_some_and(|version| version >= hop.to));
        if begun || self.memory.has_snapshot(&hop.to, &node.name) {
            return None;
        }
        if let Some(window) = &self.closed {
            return Some(Decision::Wait(vec![window.clone()]));
        }
        let go = || Decision::Snapshot(node.name.clone());
        Some(gated(self.seen, None, go))
    }

    /// Canaries are looked at until so many looks in a row found all gates open. Where another of the same work was begun they
    /// were, by this run or an earlier one.
    fn soak(
        &self,
        place: &Place<'_>,
        at: usize,
        nodes: &BTreeMap<&NodeName, &SeenNode>,
    ) -> Option<Decision> {
        let Place { hop, later } = *place;
        let kind = hop.phases.get(at.checked_sub(1)?)?.kind;
        let soak = Soak {
            to: hop.to.clone(),
            kind,
            nodes: hop.phases[at].batches.concat(),
        };
        let others = hop.phases[at + 1..].iter().filter(|one| one.kind == kind);
        let followed = others
            .flat_map(|phase| phase.batches.iter().flatten())
            .filter_map(|name| nodes.get(name))
            .any(|node| self.begun(node) || done(kind, hop, later, node, &self.known));
        if followed || self.memory.soaked(&soak) {
            return None;
        }
        Some(gated(self.seen, None, || Decision::Soak(soak)))
    }

    /// Whether a node's turn has begun: it is finished whatever the hour is.
    fn begun(&self, node: &SeenNode) -> bool {
        let unfinished = node
            .survey
            .said()
            .is_some_and(|survey| survey.unfinished.is_some());
        let found = self.known.get(&node.name);
        unfinished || found.is_some_and(|found| found.cordoned_by_hactl)
    }

    /// What keeps a node from being begun by the hour.
    fn not_now(&self, node: &SeenNode) -> Option<&String> {
        self.closed.as_ref().filter(|_| !self.begun(node))
    }

    fn control_plane(&self, hop: &Hop, kind: PhaseKind, node: &SeenNode) -> Decision {
        let Some(survey) = node.survey.said() else {
            return Decision::Wait(vec![format!("{} does not answer", node.name)]);
        };
        if let Some(window) = self.not_now(node) {
            return Decision::Wait(vec![window.clone()]);
        }
        // One that was begun may be unwell itself; the way out is forward.
        let begun = survey.unfinished.is_some();
        let first = kind != PhaseKind::Kubelets && is_first(hop, kind, &node.name);
        gated(self.seen, begun.then_some(&node.name), || {
            Decision::Upgrade(vec![work(node, hop, kind, first)])
        })
    }

    /// A node's etcd. Where it is not known which one the target brings, the node is asked to tell it: staging again asks the
    /// target's kubeadm, which every control plane has by then. Not known is never taken for none.
    fn etcd_turn(&self, place: &Place<'_>, node: &SeenNode) -> Decision {
        let Place { hop, later } = *place;
        let Some(survey) = node.survey.said() else {
            return Decision::Wait(vec![format!("{} does not answer", node.name)]);
        };
        if etcd(survey, hop, later) != EtcdOf::Unknown {
            return self.control_plane(hop, PhaseKind::Etcd, node);
        }
        let kubeadm = survey.installed.versions.kubeadm.as_ref();
        if kubeadm == Some(&hop.to) {
            return Decision::Stage {
                target: hop.to.clone(),
                nodes: vec![node.name.clone()],
            };
        }
        let has = kubeadm.map_or_else(|| "unknown".to_owned(), ToString::to_string);
        Decision::Wait(vec![format!(
            "which etcd {} brings to {} is not known, and its kubeadm, {has}, can't tell",
            hop.to, node.name
        )])
    }

    /// As many of a batch as may be away, others that are away already counted.
    fn workers(&self, hop: &Hop, left: &[&SeenNode]) -> Decision {
        let servers = self.seen.control_planes().filter_map(SeenNode::api_server);
        if servers.min().is_none_or(|version| version < hop.to) {
            return Decision::Wait(vec![format!("an API server is older than {}", hop.to)]);
        }
        let mut reasons = Vec::new();
        let most = usize::try_from(self.plan.policy.max_unavailable)
            .unwrap_or(1)
            .max(1);
        let of_batch = |node: &SeenNode| left.iter().any(|one| one.name == node.name);
        for node in &self.seen.nodes {
            if unavailable(node, &self.known) && !of_batch(node) {
                reasons.push(format!("{} is away, and at most {most} may be", node.name));
            }
        }
        let mut next = Vec::new();
        for node in left {
            // What is through but for being Ready is not upgraded once more.
            if through_but_ready(hop, node, &self.known) {
                reasons.push(format!("{} to be Ready at {}", node.name, hop.to));
            } else if node.survey.said().is_some() {
                next.push(*node);
            } else {
                reasons.push(format!("{} does not answer", node.name));
            }
        }
        let free = most.saturating_sub(reasons.len());
        let open: Vec<&SeenNode> = next
            .iter()
            .copied()
            .filter(|node| self.not_now(node).is_none())
            .collect();
        if free == 0 || open.is_empty() {
            if free > 0 && !next.is_empty() {
                reasons.extend(self.closed.clone());
            }
            return Decision::Wait(reasons);
        }
        gated(self.seen, None, || {
            let turn = open.iter().take(free);
            Decision::Upgrade(
                turn.map(|node| work(node, hop, PhaseKind::Workers, false))
                    .collect(),
            )
        })
    }
}

/// Every control plane but the one under work has to be well (I2, I3), and no CA be rotated before a node is begun.
fn gated(seen: &Seen, under_work: Option<&NodeName>, go: impl FnOnce() -> Decision) -> Decision {
    let mut reasons = control_planes_unwell(seen, under_work);
    if under_work.is_none() {
        reasons.extend(rotations(seen));
    }
    if reasons.is_empty() {
        go()
    } else {
        Decision::Wait(reasons)
    }
}

/// The first of its phase runs `kubeadm upgrade apply`, again and again if it has to: it may be repeated.
fn is_first(hop: &Hop, kind: PhaseKind, node: &NodeName) -> bool {
    let phase = hop.phases.iter().find(|phase| phase.kind == kind);
    phase.and_then(|phase| phase.batches.first()?.first()) == Some(node)
}

fn work(node: &SeenNode, hop: &Hop, kind: PhaseKind, first: bool) -> Work {
    Work {
        node: node.name.clone(),
        role: node.role,
        upgrade: Upgrade {
            target: hop.to.clone(),
            first,
            part: kind.part(hop.minor_changes()).unwrap_or(UpgradePart::Whole),
            // Never both at once: etcd has a phase of its own.
            keep_etcd: kind != PhaseKind::Etcd,
        },
    }
}
