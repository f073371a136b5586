//! What to do next: a frozen plan against what is seen now. Nothing is remembered, so whoever resumes, wherever, decides the same.

use std::collections::BTreeMap;

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::{Upgrade, UpgradePart};
use hactl_proto::version::KubernetesVersion;

use super::done::{EtcdOf, Known, done, etcd, hops_left};
use super::gate::{control_planes_unwell, unavailable};
use super::{Hop, PhaseKind, RolloutPlan, Seen, SeenNode};

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

/// Decides. `snapshot` says whether this run of the controller has a verified snapshot of the present hop.
pub fn decide(plan: &RolloutPlan, seen: &Seen, snapshot: Option<&KubernetesVersion>) -> Decision {
    let nodes = seen.by_name();
    let known: Known<'_> = match &seen.cluster {
        Ok(cluster) => cluster
            .nodes
            .iter()
            .map(|node| (&node.name, node))
            .collect(),
        Err(_) => BTreeMap::new(),
    };
    let hops = hops_left(plan, seen);
    for (index, hop) in hops.iter().enumerate() {
        let later = &hops[index + 1..];
        for phase in &hop.phases {
            for batch in &phase.batches {
                let left: Vec<&SeenNode> = batch
                    .iter()
                    .filter_map(|name| nodes.get(name).copied())
                    .filter(|node| !done(phase.kind, hop, later, node, &known))
                    .collect();
                if left.is_empty() {
                    continue;
                }
                let found = match phase.kind {
                    PhaseKind::Stage => stage(hop, &left),
                    PhaseKind::Snapshot => {
                        let begun = seen
                            .control_planes()
                            .any(|node| node.api_server().is_some_and(|version| version >= hop.to));
                        if begun || snapshot == Some(&hop.to) {
                            continue;
                        }
                        gated(seen, None, || Decision::Snapshot(left[0].name.clone()))
                    }
                    PhaseKind::Workers => workers(plan, hop, seen, &known, &left),
                    PhaseKind::Etcd => etcd_turn(hop, later, seen, left[0]),
                    kind => control_plane(hop, kind, seen, left[0]),
                };
                return found;
            }
        }
    }
    Decision::Done
}

fn stage(hop: &Hop, left: &[&SeenNode]) -> Decision {
    let silent: Vec<String> = left
        .iter()
        .filter(|node| node.survey.said().is_none())
        .map(|node| format!("{} does not answer", node.name))
        .collect();
    if !silent.is_empty() {
        return Decision::Wait(silent);
    }
    Decision::Stage {
        target: hop.to.clone(),
        nodes: left.iter().map(|node| node.name.clone()).collect(),
    }
}

/// Every control plane but the one under work has to be well (I2, I3).
fn gated(seen: &Seen, under_work: Option<&NodeName>, go: impl FnOnce() -> Decision) -> Decision {
    let reasons = control_planes_unwell(seen, under_work);
    if reasons.is_empty() {
        go()
    } else {
        Decision::Wait(reasons)
    }
}

fn control_plane(hop: &Hop, kind: PhaseKind, seen: &Seen, node: &SeenNode) -> Decision {
    let Some(survey) = node.survey.said() else {
        return Decision::Wait(vec![format!("{} does not answer", node.name)]);
    };
    // One that was begun may be unwell itself; the way out is forward.
    let begun = survey.unfinished.is_some();
    let first = kind != PhaseKind::Kubelets && is_first(hop, kind, &node.name);
    gated(seen, begun.then_some(&node.name), || {
        Decision::Upgrade(vec![work(node, hop, kind, first)])
    })
}

/// A node's etcd. Where it is not known which one the target brings, the node is asked to tell it: staging again asks the
/// target's kubeadm, which every control plane has by then. Not known is never taken for none.
fn etcd_turn(hop: &Hop, later: &[Hop], seen: &Seen, node: &SeenNode) -> Decision {
    let Some(survey) = node.survey.said() else {
        return Decision::Wait(vec![format!("{} does not answer", node.name)]);
    };
    if etcd(survey, hop, later) != EtcdOf::Unknown {
        return control_plane(hop, PhaseKind::Etcd, seen, node);
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

/// As many of a batch as may be away, others that are away already counted.
fn workers(
    plan: &RolloutPlan,
    hop: &Hop,
    seen: &Seen,
    known: &Known<'_>,
    left: &[&SeenNode],
) -> Decision {
    let oldest = seen.control_planes().filter_map(SeenNode::api_server).min();
    if oldest.as_ref().is_none_or(|version| *version < hop.to) {
        return Decision::Wait(vec![format!("an API server is older than {}", hop.to)]);
    }
    let of_batch = |node: &SeenNode| left.iter().any(|one| one.name == node.name);
    let away: Vec<&SeenNode> = seen
        .nodes
        .iter()
        .filter(|node| unavailable(node, known) && !of_batch(node))
        .collect();
    let most = usize::try_from(plan.policy.max_unavailable)
        .unwrap_or(1)
        .max(1);
    let free = most.saturating_sub(away.len());
    let ready: Vec<&SeenNode> = left
        .iter()
        .copied()
        .filter(|node| node.survey.said().is_some())
        .collect();
    if free == 0 || ready.is_empty() {
        let mut reasons: Vec<String> = away
            .iter()
            .map(|node| format!("{} is away, and at most {most} may be", node.name))
            .collect();
        let silent = left.iter().filter(|node| node.survey.said().is_none());
        reasons.extend(silent.map(|node| format!("{} does not answer", node.name)));
        return Decision::Wait(reasons);
    }

    gated(seen, None, || {
        let turn = ready.iter().take(free);
        Decision::Upgrade(
            turn.map(|node| work(node, hop, PhaseKind::Workers, false))
                .collect(),
        )
    })
}
