//! The cluster's lease in this agent's hand: taken, kept for as long as the turn lasts, let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;
use hactl_proto::rollout::LeaseAnswer;
use tokio::task::JoinHandle;

use super::{Inner, Peers, Tale};
use crate::host::Host;
use crate::rollout::Rollouts;

/// Between two tries to get it.
const RETRY: Duration = Duration::from_secs(5);
/// Joins and rollouts of other nodes end within it, or it is tried again later.
const LIMIT: Duration = Duration::from_mins(15);
/// Well within its 20 seconds.
const RENEW_EVERY: Duration = Duration::from_secs(4);

/// What a renewal of a node calls itself in the lease.
pub(super) fn who(node: &NodeName) -> String {
    format!("renewal-{node}")
}

/// The lease, renewed until this is dropped.
pub(super) struct Held {
    pub(super) fence: Fence,
    lost: Arc<AtomicBool>,
    renewing: JoinHandle<()>,
}

impl Held {
    /// Whether another has it by now.
    pub(super) fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl<H: Host, P: Peers> Inner<H, P> {
    /// Waits for it and takes it.
    pub(super) async fn take_lease(&self, tale: &Tale) -> Result<Held, String> {
        let who = who(&self.operations.node().node);
        let since = self.host.now();
        let end = tokio::time::Instant::now() + LIMIT;
        loop {
            let observed = match self.rollouts.hold(&who).await {
                Ok(LeaseAnswer::Taken(fence)) => return Ok(self.keep(who, fence)),
                Ok(LeaseAnswer::Held { by, .. }) => format!("{by} holds it"),
                Err(reason) => reason,
            };
            if tokio::time::Instant::now() >= end {
                return Err(observed);
            }
            tale.waits("the cluster's lease", observed, since);
            tokio::time::sleep(RETRY).await;
        }
    }

    fn keep(&self, who: String, fence: Fence) -> Held {
        let lost = Arc::new(AtomicBool::new(false));
        let (rollouts, told): (Rollouts<H>, _) = (self.rollouts.clone(), Arc::clone(&lost));
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                match rollouts.keep_holding(&who, fence).await {
                    Ok(true) => {}
                    Ok(false) => {
                        told.store(true, Ordering::Relaxed);
                        return;
                    }
                    Err(reason) => tracing::warn!("failed to renew the cluster's lease: {reason}"),
                }
            }
        });
        Held {
            fence,
            lost,
            renewing,
        }
    }

    /// Lets it go. One that can't be let go runs out.
    pub(super) async fn release_lease(&self, held: Held) {
        let (who, fence) = (who(&self.operations.node().node), held.fence);
        drop(held);
        if let Err(reason) = self.rollouts.let_go(&who, fence).await {
            tracing::warn!("failed to let the cluster's lease go: {reason}; it runs out");
        }
    }
}
