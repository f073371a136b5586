//! What the other control planes say: who answers, who serves, and whose word stands against going on.

use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::standing::{ClusterIdentity, GrantRefusal, Standing, StandingAnswer};

use super::super::finding;
use super::{Missing, Situation};

/// Members that hold another spec than this control plane. Whoever does not know it sends it no word about the endpoint's address: it
/// would take the address for itself as soon as its keepalived ran, and nobody would send it requests.
pub(super) fn other_specs(situation: &Situation<'_>) -> Option<Vec<Finding>> {
    let ours = situation.spec.bootstrap_hash();
    let others = answers(situation).filter(|answer| {
        matches!(answer.standing, Standing::Member(_))
            && answer.spec != ours
            && situation.role == NodeRole::ControlPlane
    });
    let findings: Vec<_> = others
        .map(|answer| {
            let theirs = answer.spec;
            finding::objection(&answer.node, &GrantRefusal::SpecDiffers { ours, theirs })
        })
        .collect();
    (!findings.is_empty()).then_some(findings)
}

/// Members of another cluster than the one known here.
pub(super) fn other_clusters(
    situation: &Situation<'_>,
    identity: &ClusterIdentity,
) -> Option<Vec<Finding>> {
    let findings: Vec<_> = answers(situation)
        .filter_map(|answer| match &answer.standing {
            Standing::Member(theirs) if !theirs.shares_ca(identity) => {
                Some(finding::two_clusters(&answer.node, theirs, identity))
            }
            _ => None,
        })
        .collect();
    (!findings.is_empty()).then_some(findings)
}

/// Members that serve the known cluster. Which one comes first depends on the node's name: workers spread themselves.
pub(super) fn serving(situation: &Situation<'_>, identity: &ClusterIdentity) -> Vec<NodeName> {
    let mut via: Vec<_> = answers(situation)
        .filter(|answer| answer.serving)
        .filter(|answer| match &answer.standing {
            Standing::Member(theirs) => theirs.shares_ca(identity),
            _ => false,
        })
        .map(|answer| answer.node.clone())
        .collect();
    if situation.role == NodeRole::Worker && !via.is_empty() {
        let name = situation.record.node.as_str();
        let turn = name.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        let first = turn % via.len();
        via.rotate_left(first);
    }
    via
}

/// The answers, in the order of names.
pub(in crate::bootstrap) fn answers<'a>(
    situation: &Situation<'a>,
) -> impl Iterator<Item = &'a StandingAnswer> {
    let peers = situation.peers.values();
    peers.filter_map(|peer| peer.heard.answer.as_ref())
}

/// The declared control planes that do not answer.
pub(super) fn silent(situation: &Situation<'_>) -> Missing {
    let silent = situation.peers.iter();
    silent
        .filter(|(node, peer)| peer.heard.answer.is_none() && !situation.record.is_lost(node))
        .map(|(node, peer)| (node.clone(), peer.since))
        .collect()
}

pub(super) fn since(situation: &Situation<'_>, nodes: Vec<NodeName>) -> Missing {
    let known = |node: NodeName| {
        let peer = situation.peers.get(&node)?;
        Some((node, peer.since))
    };
    nodes.into_iter().filter_map(known).collect()
}
