//! The canaries of upgrades against the nodes.

use std::collections::BTreeSet;

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;

use super::Draft;
use crate::spec::position::Located;
use crate::spec::problem::Problems;
use crate::spec::suggest;

/// Canaries are declared nodes of their role, each named once. Where workers may enrol, one may be meant that the spec does
/// not name: whether it is there is then the plan's to say.
pub(super) fn canaries(draft: &Draft<'_>, problems: &mut Problems) {
    if let Some(node) = &draft.upgrade.control_plane {
        declared(draft, node, NodeRole::ControlPlane, problems);
    }
    let mut seen = BTreeSet::new();
    for node in &draft.upgrade.workers {
        if !seen.insert(&node.value) {
            problems.error(
                node.at,
                &node.path,
                format!("{} is named twice", node.value),
                "a node goes once",
                "remove one of them",
            );
        }
        declared(draft, node, NodeRole::Worker, problems);
    }
}

fn declared(
    draft: &Draft<'_>,
    wanted: &Located<NodeName>,
    role: NodeRole,
    problems: &mut Problems,
) {
    let lists = [draft.control_planes, draft.workers];
    let names = |role| {
        let lists = lists.iter().filter(move |list| list.role == role);
        let nodes = lists.flat_map(|list| &list.nodes);
        nodes
            .filter_map(|node| node.name.as_ref())
            .map(|name| &name.value)
    };
    let whole = lists
        .iter()
        .filter(|list| list.role == role)
        .all(|list| list.whole && list.nodes.iter().all(|node| node.name.is_some()));
    if !whole || names(role).any(|name| *name == wanted.value) {
        return;
    }
    let (other, word, own) = match role {
        NodeRole::ControlPlane => (NodeRole::Worker, "a worker", "control plane"),
        NodeRole::Worker => (NodeRole::ControlPlane, "a control plane", "worker"),
    };
    let elsewhere = names(other).any(|name| *name == wanted.value);
    if role == NodeRole::Worker && !elsewhere && draft.policies.worker_enrolment {
        return;
    }
    let what = if elsewhere {
        format!("{} is {word}", wanted.value)
    } else {
        format!("{} is not declared", wanted.value)
    };
    let known: Vec<&str> = names(role).map(NodeName::as_str).collect();
    let remedy = match suggest::nearest(wanted.value.as_str(), known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => "leave it out".to_owned(),
        None => format!("name one of {}", known.join(", ")),
    };
    let why = format!("upgrades begin with it, as a {own}");
    problems.error(wanted.at, &wanted.path, what, why, remedy);
}
