//! What a control plane looks after for as long as it lives: leftovers of joins that nobody completed, and the marker of its etcd member.

use std::sync::Arc;
use std::time::Duration;

use hactl_proto::role::NodeRole;

use super::Parts;
use crate::etcd::marker;
use crate::host::Host;
use crate::inspect::kubernetes::api_server;

/// A lease that nobody renews runs out within this time too.
const EVERY: Duration = Duration::from_mins(1);

/// Never ends.
pub(super) async fn tend<H: Host>(parts: Arc<Parts<H>>) {
    let node = parts.operations.node();
    if node.role != NodeRole::ControlPlane {
        return std::future::pending().await;
    }
    let paths = Arc::new(parts.paths.clone());
    let sponsor = parts.sponsor.clone();
    let mut started = true;
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if !api_server(&*parts.host, node.address).await.serves() {
            continue;
        }
        match sponsor.sweep(started).await {
            Ok(()) => started = false,
            Err(error) => tracing::warn!("failed to {error}; it is tried again in a minute"),
        }
        if !parts.first_boot.borrow().settled {
            continue;
        }
        match marker::write_missing(&*parts.host, &node, &paths).await {
            Ok(false) => {}
            Ok(true) => tracing::info!("wrote the marker of this node's etcd member"),
            Err(error) => tracing::warn!("failed to {error}; it is tried again in a minute"),
        }
    }
}
