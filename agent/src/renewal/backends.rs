//! Every load balancer lets this node go before its API server restarts, and takes it back after.

use std::time::Duration;

use hactl_proto::instruction::Fence;
use hactl_proto::spec::EndpointMode;

use super::{Inner, Peers, Tale};
use crate::host::Host;

const RETRY: Duration = Duration::from_secs(3);
/// A peer that is asked for longer is away: the turn is given up before it has changed anything.
const RELEASE_LIMIT: Duration = Duration::from_mins(3);
/// After the turn a peer that is away is left: its load balancer begins with every back end when it starts.
const RETURN_LIMIT: Duration = Duration::from_mins(5);

impl<H: Host, P: Peers> Inner<H, P> {
    /// All of them, one after another; gives who did not, with why.
    pub(super) async fn backends(
        &self,
        fence: Option<Fence>,
        release: bool,
        tale: &Tale,
    ) -> Result<(), String> {
        let node = self.operations.node();
        if !matches!(node.spec.endpoint.mode, EndpointMode::Managed { .. }) {
            return Ok(());
        }
        let since = self.host.now();
        let limit = if release { RELEASE_LIMIT } else { RETURN_LIMIT };
        let end = tokio::time::Instant::now() + limit;
        for peer in &node.spec.control_planes {
            loop {
                let asked = if peer.name == node.node {
                    self.backend_here(&node.node, fence, release).await
                } else {
                    self.peers.yield_backend(peer, fence, release).await
                };
                let Err(reason) = asked else { break };
                if tokio::time::Instant::now() >= end {
                    return Err(format!("the load balancer of {}: {reason}", peer.name));
                }
                let verb = if release { "let go of" } else { "take back" };
                let condition =
                    format!("the load balancer of {} to {verb} {}", peer.name, node.node);
                tale.waits(&condition, reason, since);
                tokio::time::sleep(RETRY).await;
            }
        }
        Ok(())
    }
}
