//! The duty of credentials: kubeadm's admin.conf, for the operator.

use std::path::Path;
use std::sync::Arc;

use hactl_proto::secret::Secret;

use crate::api::{Failure, duties};
use crate::host::Host;

/// kubeadm's own, on control planes.
const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";

/// Reads it from this node.
pub(super) struct Kubeconfig<H>(pub(super) Arc<H>);

#[tonic::async_trait]
impl<H: Host> duties::Kubeconfig for Kubeconfig<H> {
    async fn kubeconfig(&self) -> Result<Secret, Failure> {
        let bytes = self.0.read(Path::new(ADMIN_CONF)).await;
        let bytes = bytes.map_err(|source| Failure::internal("read admin.conf", source))?;
        let bytes = bytes.ok_or_else(|| {
            Failure::Unknown(format!("{ADMIN_CONF} (this node runs no API server yet)"))
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|source| Failure::internal("read admin.conf as text", source))?;
        Ok(Secret::new(text))
    }
}
