//! What a run that died left on nodes: a load balancer that let go, a cordon. Between two turns nobody is let go of; so whoever
//! is, and is not in the middle of its upgrade, was left so.

use std::collections::BTreeSet;

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::version::KubernetesVersion;

use super::{Seen, SeenNode};

/// What is to be put right on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The node.
    pub node: NodeName,
    /// Load balancers are to take it back.
    pub back: bool,
    /// It is to be made schedulable.
    pub uncordon: bool,
}

/// While a rollout goes on: nodes that are through, and those that were let go of and not cordoned yet. One that is cordoned and
/// behind has its turn.
pub fn leftovers(seen: &Seen, to: &KubernetesVersion) -> Vec<Leftover> {
    let held = held(seen);
    settled(seen, |node, mark| match mark {
        // Agents of before do not tell of load balancers.
        Mark::Cordoned { at, ready } if ready && at.as_ref() == Some(to) => Some((true, true)),
        Mark::Cordoned { .. } => None,
        Mark::None => held.contains(&node.name).then_some((true, false)),
    })
}

/// Once it was given up: all but the nodes that are in the middle of their upgrades.
pub fn abandoned(seen: &Seen) -> Vec<Leftover> {
    let held = held(seen);
    settled(seen, |node, mark| {
        let cordoned = matches!(mark, Mark::Cordoned { .. });
        (cordoned || held.contains(&node.name)).then_some((true, cordoned))
    })
}

/// Nodes in the middle of their upgrades, and those that do not say whether they are.
pub fn in_the_middle(seen: &Seen) -> Vec<NodeName> {
    let middle = |node: &&SeenNode| {
        let survey = node.survey.said();
        survey.is_none_or(|survey| survey.unfinished.is_some())
    };
    let found = seen.nodes.iter().filter(middle);
    found.map(|node| node.name.clone()).collect()
}

enum Mark {
    None,
    Cordoned {
        at: Option<KubernetesVersion>,
        ready: bool,
    },
}

/// Control planes whose load balancer does not tell whom it lets go of, and why.
pub fn untold(seen: &Seen) -> Vec<(NodeName, String)> {
    let surveys = seen.control_planes().filter_map(|node| {
        let why = node.survey.said()?.released_unknown.as_ref()?;
        Some((node.name.clone(), why.clone()))
    });
    surveys.collect()
}

/// Whom some load balancer was told to let go of.
fn held(seen: &Seen) -> BTreeSet<NodeName> {
    let surveys = seen.control_planes().filter_map(|node| node.survey.said());
    surveys
        .flat_map(|survey| survey.released.iter().cloned())
        .collect()
}

/// Those of the nodes that are not in the middle of something for which `left` tells `(back, uncordon)`.
fn settled(seen: &Seen, left: impl Fn(&SeenNode, Mark) -> Option<(bool, bool)>) -> Vec<Leftover> {
    let Ok(cluster) = &seen.cluster else {
        return Vec::new();
    };
    let middle = in_the_middle(seen);
    let nodes = seen
        .nodes
        .iter()
        .filter(|node| !middle.contains(&node.name));
    nodes
        .filter_map(|node| {
            let found = cluster.nodes.iter().find(|one| one.name == node.name)?;
            let mark = if found.cordoned_by_hactl {
                Mark::Cordoned {
                    at: found.kubelet.clone(),
                    ready: found.ready,
                }
            } else {
                Mark::None
            };
            let (back, uncordon) = left(node, mark)?;
            Some(Leftover {
                node: node.name.clone(),
                back: back && node.role == NodeRole::ControlPlane,
                uncordon,
            })
        })
        .collect()
}
