//! What the peers tell for the checks.

use hactl_node_plan::prerequisite::PeerFacts;
use hactl_proto::member::{MemberState, MemberView};

use crate::membership::Membership;

/// Identities and clocks of the others, as far as they are known.
pub(super) async fn peer_facts(membership: &Membership) -> PeerFacts {
    let members = membership.members().await.unwrap_or_default();
    let told = |member: MemberView| {
        let living = member.state != MemberState::Down && member.node != *membership.node();
        let identity = member.health?.identity?;
        living.then_some((member.node, identity))
    };
    PeerFacts {
        identities: members.into_iter().filter_map(told).collect(),
        clock_offsets: membership
            .clock_offsets()
            .await
            .unwrap_or_default()
            .into_iter()
            // The peer's clock ahead of ours is ours behind the peer's.
            .map(|(node, ahead)| (node, -ahead))
            .collect(),
    }
}
