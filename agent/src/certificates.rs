//! The duty of certificates: what the node has, told to whoever may ask.

use std::sync::Arc;

use hactl_proto::certificate::CertificateInventory;

use crate::api::duties;
use crate::api::failure::Failure;
use crate::host::Host;
use crate::inspect::certificates::{Ports, certificates};
use crate::operation::Operations;
use crate::paths::Paths;

/// This node's certificates.
#[derive(Debug)]
pub struct Certificates<H> {
    host: Arc<H>,
    paths: Arc<Paths>,
    operations: Operations<H>,
}

impl<H: Host> Certificates<H> {
    /// Of this node.
    pub fn new(host: Arc<H>, paths: Arc<Paths>, operations: Operations<H>) -> Self {
        Self {
            host,
            paths,
            operations,
        }
    }
}

#[tonic::async_trait]
impl<H: Host> duties::Certificates for Certificates<H> {
    async fn inventory(&self) -> Result<CertificateInventory, Failure> {
        let node = self.operations.node();
        Ok(certificates(&*self.host, &node, &self.paths, Ports::Ask).await)
    }
}
