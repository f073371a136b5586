//! The cluster's lease in this controller's hands: taken, renewed by a task, let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hactl_proto::instruction::Fence;
use hactl_proto::rollout::LeaseAnswer;
use tokio::task::AbortHandle;

use super::{Agents, DriveError, Tale};

/// Between two renewals; three misses fit into the lease's twenty seconds.
const RENEW: Duration = Duration::from_secs(5);
/// Between two tries for a lease that another has.
const RETRY: Duration = Duration::from_secs(3);

/// The lease, as long as this value lives; then the task that renews it ends.
pub(super) struct Hold {
    pub(super) fence: Fence,
    lost: Arc<AtomicBool>,
    renewal: AbortHandle,
}

impl Hold {
    /// Takes it. One that nobody renews any more is waited for; one whose holder lives is told of at once.
    pub(super) async fn take<A: Agents>(
        agents: &Arc<A>,
        who: &str,
        tale: &Tale,
    ) -> Result<Self, DriveError> {
        let mut last = None;
        loop {
            match agents.take(who).await {
                Ok(LeaseAnswer::Taken(fence)) => {
                    tale.goes_on();
                    return Ok(Self::held(agents, who, fence));
                }
                Ok(LeaseAnswer::Held { by, renewed }) => {
                    let seen = Some((by.clone(), renewed));
                    if last.is_some() && last != seen {
                        return Err(DriveError::Held { by });
                    }
                    last = seen;
                    tale.waits(vec![format!(
                        "the lease kube-system/hactl, held by {by}, to run out"
                    )]);
                }
                Err(reason) => tale.waits(vec![format!(
                    "a control plane that gives the lease: {reason}"
                )]),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn held<A: Agents>(agents: &Arc<A>, who: &str, fence: Fence) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let (agents, who, seen) = (Arc::clone(agents), who.to_owned(), Arc::clone(&lost));
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEW).await;
                // A control plane that can't be reached is no reason to stop: agents look at the lease themselves.
                if agents.renew(&who, fence).await == Ok(false) {
                    seen.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
        Self {
            fence,
            lost,
            renewal: task.abort_handle(),
        }
    }

    /// Whether another took it.
    pub(super) fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Lets it go.
    pub(super) async fn release<A: Agents>(self, agents: &Arc<A>, who: &str) {
        self.renewal.abort();
        // One that can't be released runs out.
        let _ = agents.release(who, self.fence).await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
