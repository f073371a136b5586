//! The duty of certificates: what the node has, told to whoever may ask, and its renewal on demand.

use std::sync::Arc;

use hactl_proto::certificate::{CertificateInventory, RenewalRehearsal};
use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;
use hactl_proto::report::ReportEvent;
use hactl_proto::rotation::{Authority, Fingerprint, RotationTurn, TrustSeen};
use hactl_proto::secret::Secret;
use tokio::sync::mpsc::Receiver;

use crate::api::duties;
use crate::api::failure::Failure;
use crate::host::Host;
use crate::inspect::certificates::{Ports, certificates};
use crate::operation::Operations;
use crate::paths::Paths;
use crate::renewal::{Peers, Renewals};

/// This node's certificates.
pub struct Certificates<H, P> {
    host: Arc<H>,
    paths: Arc<Paths>,
    operations: Operations<H>,
    renewals: Renewals<H, P>,
}

impl<H: Host, P: Peers> Certificates<H, P> {
    /// Of this node.
    pub const fn new(
        host: Arc<H>,
        paths: Arc<Paths>,
        operations: Operations<H>,
        renewals: Renewals<H, P>,
    ) -> Self {
        Self {
            host,
            paths,
            operations,
            renewals,
        }
    }
}

#[tonic::async_trait]
impl<H: Host, P: Peers> duties::Certificates for Certificates<H, P> {
    async fn inventory(&self) -> Result<CertificateInventory, Failure> {
        let node = self.operations.node();
        Ok(certificates(&*self.host, &node, &self.paths, Ports::Ask).await)
    }

    async fn renew(&self, without_api: bool) -> Result<Receiver<ReportEvent>, Failure> {
        Ok(self.renewals.begin(without_api))
    }

    async fn rehearse(&self) -> Result<RenewalRehearsal, Failure> {
        self.renewals.rehearse().await.map_err(Failure::Unavailable)
    }

    async fn yield_backend(
        &self,
        caller: &NodeName,
        fence: Option<Fence>,
        release: bool,
    ) -> Result<(), Failure> {
        let done = self.renewals.yield_backend(caller, fence, release).await;
        done.map_err(Failure::Unavailable)
    }

    async fn sign_kubelet(
        &self,
        caller: &NodeName,
        request: &str,
        serving: bool,
    ) -> Result<String, Failure> {
        let signed = self.renewals.sign_kubelet(caller, request, serving).await;
        signed.map_err(Failure::Unavailable)
    }

    async fn trust(&self, authority: Authority) -> Result<TrustSeen, Failure> {
        Ok(self.renewals.trust(authority).await)
    }

    async fn rotate(&self, turn: RotationTurn) -> Result<Receiver<ReportEvent>, Failure> {
        Ok(self.renewals.begin_rotation(turn))
    }

    async fn give_pair(
        &self,
        caller: &NodeName,
        authority: Authority,
        of: &Fingerprint,
        fence: Fence,
    ) -> Result<(String, Secret), Failure> {
        let given = self.renewals.give_pair(caller, authority, of, fence).await;
        given.map_err(Failure::Unavailable)
    }
}
