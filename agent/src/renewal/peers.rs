//! The other control planes' agents, as a renewal talks to them.

use std::future::Future;

use hactl_proto::instruction::Fence;
use hactl_proto::rotation::{Authority, Fingerprint};
use hactl_proto::secret::Secret;
use hactl_proto::spec::DeclaredNode;

/// Calls to other control planes, each bounded in time by the implementation. An error is a text for a person.
pub trait Peers: Send + Sync + 'static {
    /// That node's load balancer lets this one go, or takes it back.
    fn yield_backend(
        &self,
        peer: &DeclaredNode,
        fence: Option<Fence>,
        release: bool,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// That node signs a certificate for this node's kubelet, to ask with or to serve with.
    fn sign_kubelet(
        &self,
        peer: &DeclaredNode,
        request: &str,
        serving: bool,
    ) -> impl Future<Output = Result<String, String>> + Send;

    /// That node gives certificate and key of a CA that lies there, to the control plane whose turn it is.
    fn give_pair(
        &self,
        peer: &DeclaredNode,
        authority: Authority,
        of: &Fingerprint,
        fence: Fence,
    ) -> impl Future<Output = Result<(String, Secret), String>> + Send;
}
