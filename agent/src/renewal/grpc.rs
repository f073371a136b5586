//! Peers over gRPC, each call on a connection of its own: renewals are rare.

use std::net::SocketAddr;

use hactl_proto::instruction::Fence;
use hactl_proto::mtls::Dialer;
use hactl_proto::rotation::{Authority, Fingerprint};
use hactl_proto::secret::Secret;
use hactl_proto::spec::DeclaredNode;
use hactl_proto::wire::v1;
use hactl_proto::wire::v1::certificate_service_client::CertificateServiceClient;
use tonic::transport::Channel;

use super::Peers;
use crate::causes::chain;

/// The peers of one cluster.
#[derive(Debug)]
pub struct GrpcPeers {
    dialer: Dialer,
    port: u16,
}

impl GrpcPeers {
    /// Agents listen on `port` of their nodes' addresses.
    pub const fn new(dialer: Dialer, port: u16) -> Self {
        Self { dialer, port }
    }
}

impl GrpcPeers {
    async fn agent(
        &self,
        peer: &DeclaredNode,
    ) -> Result<CertificateServiceClient<Channel>, String> {
        let address = SocketAddr::new(peer.address, self.port);
        let channel = self.dialer.connect(&peer.name, address).await;
        let channel = channel.map_err(|error| chain(&error))?;
        Ok(CertificateServiceClient::new(channel))
    }
}

impl Peers for GrpcPeers {
    async fn yield_backend(
        &self,
        peer: &DeclaredNode,
        fence: Option<Fence>,
        release: bool,
    ) -> Result<(), String> {
        self.agent(peer)
            .await?
            .yield_backend(v1::YieldBackendRequest {
                fence: fence.map(|fence| fence.0),
                release,
            })
            .await
            .map(drop)
            .map_err(|status| status.message().to_owned())
    }

    async fn sign_kubelet(
        &self,
        peer: &DeclaredNode,
        request: &str,
        serving: bool,
    ) -> Result<String, String> {
        let request = v1::SignKubeletRequest {
            request: request.to_owned(),
            serving,
        };
        let answer = self.agent(peer).await?.sign_kubelet(request).await;
        answer
            .map(|answer| answer.into_inner().certificate)
            .map_err(|status| status.message().to_owned())
    }

    async fn give_pair(
        &self,
        peer: &DeclaredNode,
        authority: Authority,
        of: &Fingerprint,
        fence: Fence,
    ) -> Result<(String, Secret), String> {
        let request = v1::GivePairRequest {
            authority: authority.to_string(),
            of: of.as_str().to_owned(),
            fence: fence.0,
        };
        let answer = self.agent(peer).await?.give_pair(request).await;
        answer
            .map(|answer| {
                let answer = answer.into_inner();
                (answer.certificate, Secret::new(answer.key))
            })
            .map_err(|status| status.message().to_owned())
    }
}
