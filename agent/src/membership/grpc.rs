//! The membership over gRPC: states to and from peers over mutual TLS, and the service's answers.

use std::time::Duration;

use hactl_proto::member::MemberView;
use hactl_proto::mtls::Dialer;
use hactl_proto::name::NodeName;
use hactl_proto::wire::v1::membership_service_client::MembershipServiceClient;
use hactl_proto::wire::{WireError, v1};

use super::core::Seed;
use super::exchange::{MAX_MESSAGE, VERSION};
use super::{Exchange, ExchangeError, Membership, MembershipError};
use crate::api::{self, Failure};
use crate::causes::chain;

/// Longer than a healthy peer needs by far; a hanging one must not hold up the round.
const LIMIT: Duration = Duration::from_secs(5);

/// Reaches peers by the node's own credential. A connection is made for an exchange and let go after it: one handshake in half a
/// minute costs less than an open connection to every member.
#[derive(Debug, Clone)]
pub struct GrpcExchange(Dialer);

impl GrpcExchange {
    /// By this dialer.
    pub const fn new(dialer: Dialer) -> Self {
        Self(dialer)
    }

    async fn call(&self, peer: &Seed, state: Vec<u8>) -> Result<Vec<u8>, String> {
        let connected = self.0.connect(&peer.node, peer.address).await;
        let channel = connected.map_err(|error| chain(&error))?;
        let mut client =
            MembershipServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let request = v1::ExchangeRequest {
            version: u32::from(VERSION),
            state,
        };
        let answer = client.exchange(request).await;
        let answer = answer.map_err(|status| status.message().to_owned())?;
        Ok(answer.into_inner().state)
    }
}

impl Exchange for GrpcExchange {
    async fn exchange(&self, peer: &Seed, message: Vec<u8>) -> Result<Vec<u8>, ExchangeError> {
        let call = tokio::time::timeout(LIMIT, self.call(peer, message)).await;
        let answer = call.unwrap_or_else(|_| Err(format!("no answer in {} s", LIMIT.as_secs())));
        answer.map_err(|reason| ExchangeError::Peer {
            peer: peer.node.to_string(),
            reason,
        })
    }
}

#[tonic::async_trait]
impl api::duties::Membership for Membership {
    async fn members(&self) -> Result<(NodeName, Vec<MemberView>), Failure> {
        let members = Self::members(self).await.map_err(stopped)?;
        Ok((self.node().clone(), members))
    }

    async fn exchange(
        &self,
        peer: &NodeName,
        version: u32,
        state: Vec<u8>,
    ) -> Result<(u32, Vec<u8>), Failure> {
        if version != u32::from(VERSION) {
            return Err(Failure::Unsupported(format!(
                "states of version {version} from {peer}; this agent reads version {VERSION}"
            )));
        }
        let answer = self.answer(state).await.map_err(stopped)?;
        let answer = answer.map_err(|error| WireError::wrong("state", error))?;
        Ok((u32::from(VERSION), answer))
    }
}

/// The one way in which the membership does not answer.
fn stopped(_: MembershipError) -> Failure {
    Failure::Unavailable("the membership has stopped".to_owned())
}
