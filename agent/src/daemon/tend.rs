//! What a control plane looks after for as long as it lives: leftovers of joins that nobody completed, and the marker of its etcd member.

use std::sync::Arc;
use std::time::Duration;

use hactl_proto::role::NodeRole;
use tokio::sync::watch;

use crate::etcd::marker;
use crate::first_boot::Progress;
use crate::host::Host;
use crate::inspect::kubernetes::api_server;
use crate::join::Sponsor;
use crate::operation::Operations;
use crate::paths::Paths;

/// A lease that nobody renews runs out within this time too.
const EVERY: Duration = Duration::from_mins(1);

/// Never ends.
pub async fn tend<H: Host>(
    host: Arc<H>,
    paths: Paths,
    operations: Operations<H>,
    sponsor: Sponsor<H>,
    first_boot: watch::Receiver<Progress>,
) {
    let node = operations.node();
    if node.role != NodeRole::ControlPlane {
        return std::future::pending().await;
    }
    let paths = Arc::new(paths);
    let mut started = true;
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if !api_server(&*host, node.address).await.serves() {
            continue;
        }
        match sponsor.sweep(started).await {
            Ok(()) => started = false,
            Err(error) => tracing::warn!("failed to {error}; it is tried again in a minute"),
        }
        if !first_boot.borrow().settled {
            continue;
        }
        match marker::write_missing(&*host, &node, &paths).await {
            Ok(false) => {}
            Ok(true) => tracing::info!("wrote the marker of this node's etcd member"),
            Err(error) => tracing::warn!("failed to {error}; it is tried again in a minute"),
        }
    }
}
