//! The plan: hops, phases, batches. A plan with a reason against it is none.

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::EtcdTopology;
use hactl_proto::version::KubernetesVersion;

use super::{Blocker, Hop, Phase, PhaseKind, Request, RolloutPlan, Seen, SeenNode, blockers, hops};

/// Makes a plan, or gives every reason against one at once. Where everything is at the target the plan has no hops.
pub fn plan(seen: &Seen, request: &Request, number: u64) -> Result<RolloutPlan, Vec<Blocker>> {
    let from = lowest(seen).ok_or_else(|| vec![blockers::no_version(seen)])?;
    let (versions, missing) = hops::path(seen, &from, &request.to);
    let finished = all_at(seen, request);
    let mut reasons = blockers::of(seen, request, &from, &versions, &missing);
    if finished {
        // Nothing will be touched; what is not well is `status`'s to say.
        reasons.clear();
    }
    if !reasons.is_empty() {
        reasons.sort();
        reasons.dedup();
        return Err(reasons);
    }
    let mut planned = Vec::new();
    let mut before = from.clone();
    // Nodes may be behind where every API server is there already.
    let versions = if versions.is_empty() && !finished {
        vec![request.to.clone()]
    } else {
        versions
    };
    for to in versions {
        planned.push(hop(seen, request, before.clone(), to.clone()));
        before = to;
    }
    if finished {
        planned.clear();
    }
    Ok(RolloutPlan {
        number,
        cluster: seen.spec.name.clone(),
        from,
        to: request.to.clone(),
        made: seen.at,
        policy: request.policy.clone(),
        hops: planned,
    })
}

/// The lowest version of all API servers; `None` where one of them does not say.
pub(super) fn lowest(seen: &Seen) -> Option<KubernetesVersion> {
    let versions: Option<Vec<KubernetesVersion>> =
        seen.control_planes().map(SeenNode::api_server).collect();
    versions?.into_iter().min()
}

fn all_at(seen: &Seen, request: &Request) -> bool {
    let Ok(cluster) = &seen.cluster else {
        return false;
    };
    let kubelets: std::collections::BTreeMap<_, _> = cluster
        .nodes
        .iter()
        .map(|node| (&node.name, node))
        .collect();
    let servers = seen
        .control_planes()
        .all(|node| node.api_server().as_ref() == Some(&request.to));
    let chosen = seen.nodes.iter().filter(|node| chosen(node, request));
    let nodes = chosen.into_iter().all(|node| {
        let unfinished = node
            .survey
            .said()
            .is_none_or(|survey| survey.unfinished.is_some());
        !unfinished
            && kubelets.get(&node.name).is_some_and(|found| {
                found.kubelet.as_ref() == Some(&request.to) && !found.cordoned_by_hactl
            })
    });
    servers && nodes && cluster.version.as_ref() == Some(&request.to)
}

/// Whether a node is part of what was asked for: control planes always, workers by choice.
pub(super) fn chosen(node: &SeenNode, request: &Request) -> bool {
    node.role == NodeRole::ControlPlane
        || ((request.zones.is_empty() || request.zones.contains(&node.zone))
            && (request.nodes.is_empty() || request.nodes.contains(&node.name)))
}

fn hop(seen: &Seen, request: &Request, from: KubernetesVersion, to: KubernetesVersion) -> Hop {
    let control_planes = ordered(seen, request);
    let all: Vec<NodeName> = seen
        .nodes
        .iter()
        .filter(|node| chosen(node, request))
        .map(|node| node.name.clone())
        .collect();
    let stacked = matches!(seen.spec.etcd, EtcdTopology::Stacked { .. });
    let mut phases = vec![Phase {
        kind: PhaseKind::Stage,
        batches: vec![all],
    }];
    if stacked {
        let keepers = keepers(seen, &control_planes);
        phases.push(Phase {
            kind: PhaseKind::Snapshot,
            batches: keepers.into_iter().map(|keeper| vec![keeper]).collect(),
        });
    }
    let mut one_by_one = |kind| {
        let (canary, others) = control_planes.split_at(control_planes.len().min(1));
        let alone = |names: &[NodeName]| names.iter().map(|name| vec![name.clone()]).collect();
        phases.extend(canary_first(kind, alone(canary), alone(others)));
    };
    one_by_one(PhaseKind::ControlPlanes);
    if from.minor != to.minor {
        one_by_one(PhaseKind::Kubelets);
    }
    if stacked {
        one_by_one(PhaseKind::Etcd);
    }
    let (canaries, others) = workers(seen, request);
    phases.extend(canary_first(PhaseKind::Workers, canaries, others));
    Hop { from, to, phases }
}

/// Who takes a snapshot: the member that is touched last, since it surely runs while the first ones are done; and one more, in
/// another zone where there is one, so that it is there when that node is lost. Each is of the keeper's own member: no secret of
/// the cluster travels, and what one member's disk damaged is not in the other's.
fn keepers(seen: &Seen, control_planes: &[NodeName]) -> Vec<NodeName> {
    let Some((last, others)) = control_planes.split_last() else {
        return Vec::new();
    };
    let nodes = seen.by_name();
    let zone = |name: &NodeName| nodes.get(name).map(|node| &node.zone);
    let elsewhere = others.iter().rev().find(|name| zone(name) != zone(last));
    let second = elsewhere.or(others.last());
    [Some(last), second]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
}

/// The canaries' batches, a soak where others follow them, the others' batches.
fn canary_first(
    kind: PhaseKind,
    canaries: Vec<Vec<NodeName>>,
    others: Vec<Vec<NodeName>>,
) -> Vec<Phase> {
    let soak = Phase {
        kind: PhaseKind::Soak,
        batches: vec![canaries.concat()],
    };
    let soaks = !canaries.is_empty() && !others.is_empty();
    let mut phases = vec![Phase {
        kind,
        batches: canaries,
    }];
    if soaks {
        phases.push(soak);
    }
    phases.push(Phase {
        kind,
        batches: others,
    });
    phases.retain(|phase| !phase.batches.is_empty());
    phases
}

/// The canary first: the policy's, else the spec's candidate; then the others as the spec has them.
fn ordered(seen: &Seen, request: &Request) -> Vec<NodeName> {
    let mut names: Vec<NodeName> = seen
        .control_planes()
        .map(|node| node.name.clone())
        .collect();
    let wanted = request.policy.canary.control_plane.as_ref();
    if let Some(canary) = wanted.or_else(|| seen.spec.candidate()) {
        names.sort_by_key(|name| name != canary);
    }
    names
}

/// Batches of workers: the canaries', and the others' zone by zone, so that no two zones lose workers at a time; so many together
/// as may be away.
fn workers(seen: &Seen, request: &Request) -> (Vec<Vec<NodeName>>, Vec<Vec<NodeName>>) {
    let size = usize::try_from(request.policy.max_unavailable.max(1)).unwrap_or(1);
    let canaries = &request.policy.canary.workers;
    let (mut first, mut others) = (Vec::new(), Vec::new());
    let mut zones: Vec<_> = seen.spec.zones.iter().collect();
    for node in &seen.nodes {
        if !zones.contains(&&node.zone) {
            zones.push(&node.zone);
        }
    }
    for zone in zones {
        let (canary, other): (Vec<NodeName>, Vec<NodeName>) = seen
            .nodes
            .iter()
            .filter(|node| node.role == NodeRole::Worker && node.zone == *zone)
            .filter(|node| chosen(node, request))
            .map(|node| node.name.clone())
            .partition(|name| canaries.contains(name));
        first.extend(canary.chunks(size).map(<[NodeName]>::to_vec));
        others.extend(other.chunks(size).map(<[NodeName]>::to_vec));
    }
    (first, others)
}
