//! Peers over gRPC: one channel each, made when it is first wanted and kept.

use std::collections::HashMap;
use std::net::SocketAddr;

use hactl_proto::join::{Admission, Applicant};
use hactl_proto::mtls::Dialer;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, Waiting};
use hactl_proto::spec::DeclaredNode;
use hactl_proto::standing::{GrantRequest, GrantVerdict, MemberAnnouncement, StandingAnswer};
use hactl_proto::wire::v1::bootstrap_service_client::BootstrapServiceClient;
use hactl_proto::wire::v1::join_service_client::JoinServiceClient;
use hactl_proto::wire::{field, v1};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tonic::transport::Channel;

use super::peers::{Admitted, PeerError, Peers};
use crate::causes::chain;

/// The peers of one cluster.
#[derive(Debug)]
pub struct GrpcPeers {
    dialer: Dialer,
    port: u16,
    channels: Mutex<HashMap<NodeName, Channel>>,
}

impl GrpcPeers {
    /// Agents listen on `port` of their nodes' addresses.
    pub fn new(dialer: Dialer, port: u16) -> Self {
        Self {
            dialer,
            port,
            channels: Mutex::default(),
        }
    }

    async fn channel(&self, peer: &DeclaredNode) -> Result<Channel, PeerError> {
        if let Some(channel) = self.channels.lock().await.get(&peer.name) {
            return Ok(channel.clone());
        }
        let address = SocketAddr::new(peer.address, self.port);
        let channel = self.dialer.connect(&peer.name, address).await;
        let channel = channel.map_err(|error| fault(peer, &chain(&error)))?;
        let mut channels = self.channels.lock().await;
        channels.insert(peer.name.clone(), channel.clone());
        Ok(channel)
    }

    async fn bootstrap(
        &self,
        peer: &DeclaredNode,
    ) -> Result<BootstrapServiceClient<Channel>, PeerError> {
        Ok(BootstrapServiceClient::new(self.channel(peer).await?))
    }

    async fn join(&self, peer: &DeclaredNode) -> Result<JoinServiceClient<Channel>, PeerError> {
        Ok(JoinServiceClient::new(self.channel(peer).await?))
    }
}

impl Peers for GrpcPeers {
    async fn standing(&self, peer: &DeclaredNode) -> Result<StandingAnswer, PeerError> {
        let asked = self.bootstrap(peer).await?;
        let answer = { asked }.get_standing(v1::GetStandingRequest {}).await;
        let answer = answer.map_err(|status| said(peer, &status))?.into_inner();
        field("answer", answer.answer).map_err(|error| fault(peer, &error.to_string()))
    }

    async fn request_grant(
        &self,
        peer: &DeclaredNode,
        request: GrantRequest,
    ) -> Result<GrantVerdict, PeerError> {
        let asked = self.bootstrap(peer).await?;
        let answer = { asked }
            .request_grant(v1::RequestGrantRequest {
                request: Some(request.into()),
            })
            .await;
        let answer = answer.map_err(|status| said(peer, &status))?;
        GrantVerdict::try_from(answer.into_inner()).map_err(|error| fault(peer, &error.to_string()))
    }

    async fn announce(
        &self,
        peer: &DeclaredNode,
        announcement: MemberAnnouncement,
    ) -> Result<(), PeerError> {
        let asked = self.bootstrap(peer).await?;
        let told = { asked }
            .announce_member(v1::AnnounceMemberRequest {
                announcement: Some(announcement.into()),
            })
            .await;
        told.map_err(|status| said(peer, &status))?;
        Ok(())
    }

    async fn admit(
        &self,
        peer: &DeclaredNode,
        applicant: Applicant,
        waiting: UnboundedSender<Waiting>,
    ) -> Result<Admitted, PeerError> {
        let asked = self.join(peer).await?;
        let answers = { asked }.admit(v1::AdmitRequest::from(applicant)).await;
        let mut answers = answers.map_err(|status| said(peer, &status))?.into_inner();
        loop {
            let answer = answers.message().await;
            let Some(answer) = answer.map_err(|status| said(peer, &status))? else {
                return Err(fault(peer, "it ended without admitting"));
            };
            match Admission::try_from(answer).map_err(|error| fault(peer, &error.to_string()))? {
                // Nobody looking is fine.
                Admission::Waiting(wait) => drop(waiting.send(wait)),
                Admission::Admitted { credentials, fence } => {
                    return Ok(Admitted { credentials, fence });
                }
            }
        }
    }

    async fn complete(
        &self,
        peer: &DeclaredNode,
        node: NodeName,
        outcome: Outcome,
    ) -> Result<(), PeerError> {
        let asked = self.join(peer).await?;
        let request = v1::CompleteRequest {
            node: node.to_string(),
            outcome: Some(outcome.into()),
        };
        let done = { asked }.complete(request).await;
        done.map_err(|status| said(peer, &status))?;
        Ok(())
    }
}

fn fault(peer: &DeclaredNode, reason: &str) -> PeerError {
    PeerError {
        peer: peer.name.clone(),
        reason: reason.to_owned(),
    }
}

/// A call's failure: the reason why a connection failed, where that is behind it.
fn said(peer: &DeclaredNode, status: &tonic::Status) -> PeerError {
    let reason = hactl_proto::mtls::explain(status)
        .map_or_else(|| status.message().to_owned(), |error| chain(error));
    fault(peer, &reason)
}
