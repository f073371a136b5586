//! The duty of membership, the exchanges with peers, and what the peers tell for the checks.

use hactl_node_plan::prerequisite::PeerFacts;
use hactl_proto::member::{MemberState, MemberView};
use hactl_proto::mtls::Dialer;
use hactl_proto::name::NodeName;
use hactl_proto::wire::v1;
use hactl_proto::wire::v1::membership_service_client::MembershipServiceClient;

use crate::api::{Failure, duties};
use crate::membership::core::Seed;
use crate::membership::exchange::VERSION;
use crate::membership::{Exchange, ExchangeError, Membership, MembershipError};
use crate::operation::chain;

/// Answers for this node's membership.
pub(super) struct Gossip(pub(super) Membership);

#[tonic::async_trait]
impl duties::Membership for Gossip {
    async fn members(&self) -> Result<(NodeName, Vec<MemberView>), Failure> {
        let members = self.0.members().await.map_err(stopped)?;
        Ok((self.0.node().clone(), members))
    }

    async fn exchange(
        &self,
        peer: &NodeName,
        version: u32,
        state: Vec<u8>,
    ) -> Result<(u32, Vec<u8>), Failure> {
        if version != u32::from(VERSION) {
            let said = format!("an exchange of version {version}; this agent speaks {VERSION}");
            return Err(Failure::Unsupported(said));
        }
        let answer = self.0.answer(state).await.map_err(stopped)?;
        let answer = answer
            .map_err(|error| Failure::Refused(format!("{peer}'s state does not read: {error}")))?;
        Ok((version, answer))
    }
}

fn stopped(error: MembershipError) -> Failure {
    Failure::internal("ask the membership", error)
}

/// Exchanges over gRPC.
pub(super) struct GrpcExchange(pub(super) Dialer);

impl Exchange for GrpcExchange {
    async fn exchange(&self, peer: &Seed, message: Vec<u8>) -> Result<Vec<u8>, ExchangeError> {
        let fault = |reason: String| ExchangeError::Peer {
            peer: peer.node.to_string(),
            reason,
        };
        let channel = self.0.connect(&peer.node, peer.address).await;
        let channel = channel.map_err(|error| fault(chain(&error)))?;
        let asked = MembershipServiceClient::new(channel)
            .exchange(v1::ExchangeRequest {
                version: u32::from(VERSION),
                state: message,
            })
            .await;
        let answer = asked.map_err(|status| fault(status.message().to_owned()))?;
        Ok(answer.into_inner().state)
    }
}

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
