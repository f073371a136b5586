//! Policies against the nodes and the ports.

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;

use super::Draft;
use super::endpoint::TAKEN;
use crate::spec::problem::Problems;
use crate::spec::suggest;

/// `initNode` is a declared control plane.
pub(super) fn init_node(draft: &Draft<'_>, problems: &mut Problems) {
    let Some(wanted) = &draft.policies.init_node else {
        return;
    };
    let lists = [draft.control_planes, draft.workers];
    let declared = |role| {
        let lists = lists.iter().filter(move |list| list.role == role);
        lists
            .flat_map(|list| &list.nodes)
            .filter_map(|node| node.name.as_ref())
            .map(|name| &name.value)
    };
    let whole = draft.control_planes.whole
        && draft
            .control_planes
            .nodes
            .iter()
            .all(|node| node.name.is_some());
    if !whole || declared(NodeRole::ControlPlane).any(|name| *name == wanted.value) {
        return;
    }
    let what = if declared(NodeRole::Worker).any(|name| *name == wanted.value) {
        format!("{} is a worker", wanted.value)
    } else {
        format!("{} is not declared", wanted.value)
    };
    let names = || declared(NodeRole::ControlPlane).map(NodeName::as_str);
    let remedy = match suggest::nearest(wanted.value.as_str(), names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("name one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    let why = "only a declared control plane may run kubeadm init";
    problems.error(wanted.at, &wanted.path, what, why, remedy);
}

/// The agents' port is free on every node.
pub(super) fn agent_port(draft: &Draft<'_>, problems: &mut Problems) {
    let Some(port) = &draft.policies.agent_port else {
        return;
    };
    let balancer = draft
        .endpoint
        .filter(|endpoint| endpoint.managed)
        .and_then(|endpoint| endpoint.port.as_ref());
    let owner = match TAKEN.iter().find(|(taken, _)| *taken == port.value) {
        Some((_, owner)) => owner,
        None if balancer.is_some_and(|balancer| balancer.value == port.value) => {
            "the endpoint's HAProxy"
        }
        None => return,
    };
    let why = format!(
        "{owner} binds it; the agents need a TCP and UDP port of their own, the same on every node"
    );
    problems.error(
        port.at,
        &port.path,
        format!("port {} is taken", port.value),
        why,
        "choose another, such as 7470",
    );
}
