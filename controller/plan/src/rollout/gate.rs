//! The gate between two nodes: who has to be well before the next one is touched.

use std::collections::BTreeMap;

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::survey::NodeSeen;
use hactl_proto::spec::EtcdTopology;

use super::{Seen, SeenNode};

/// What keeps control planes from being touched now, for the gate between two nodes.
pub(super) fn control_planes_unwell(seen: &Seen, except: Option<&NodeName>) -> Vec<String> {
    let cluster = match &seen.cluster {
        Ok(cluster) => cluster,
        Err(why) => return vec![format!("no control plane tells of the cluster: {why}")],
    };
    let mut reasons = Vec::new();
    for node in seen
        .control_planes()
        .filter(|node| Some(&node.name) != except)
    {
        if let Some(silence) = node.survey.silence() {
            reasons.push(format!("{} does not answer: {}", node.name, silence.reason));
        }
        if let Some(why) = node
            .survey
            .said()
            .and_then(|survey| survey.released_unknown.as_ref())
        {
            reasons.push(format!(
                "{}'s load balancer does not tell whom it lets go of: {why}",
                node.name
            ));
        }
        let ready = cluster
            .nodes
            .iter()
            .any(|found| found.name == node.name && found.ready);
        if !ready {
            reasons.push(format!("Node {} is not Ready", node.name));
        }
    }
    if matches!(seen.spec.etcd, EtcdTopology::Stacked { .. }) {
        let own = |member: &str| except.is_some_and(|node| node.as_str() == member);
        for member in cluster.etcd.iter().filter(|member| !own(&member.name)) {
            if let Some(wrong) = &member.complaint {
                reasons.push(format!("etcd member {}: {wrong}", member.name));
            } else if !member.voter {
                reasons.push(format!("etcd member {} is a learner", member.name));
            }
        }
        if cluster.etcd.is_empty() {
            reasons.push("etcd's member list is empty".to_owned());
        }
        reasons.extend(
            cluster
                .alarms
                .iter()
                .map(|alarm| format!("etcd alarm: {alarm}")),
        );
    }
    reasons
}

/// Rotations of CAs that were begun since the plan was made: no node is begun in the midst of one.
pub(super) fn rotations(seen: &Seen) -> Vec<String> {
    let found = seen.nodes.iter().filter_map(|node| {
        let authorities = node.survey.said()?.rotating.as_ref().ok()?;
        Some((&node.name, authorities))
    });
    found
        .flat_map(|(name, authorities)| {
            let line = move |authority| {
                format!(
                    "the rotation of the CA {authority} to end: two lie on {name}, see `hactl-controller certs rotate-ca`"
                )
            };
            authorities.iter().map(line)
        })
        .collect()
}

/// Whether a worker is away or unwell.
pub(super) fn unavailable(node: &SeenNode, known: &BTreeMap<&NodeName, &NodeSeen>) -> bool {
    node.role == NodeRole::Worker
        && (node.survey.said().is_none()
            || known
                .get(&node.name)
                .is_none_or(|found| !found.ready || found.cordoned_by_hactl))
}
