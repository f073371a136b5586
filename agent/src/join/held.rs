//! The lease while a control plane joins: taken, renewed by a task, let go.

use std::sync::PoisonError;
use std::time::Duration;

use hactl_node_plan::join::lease::{self, Holder, Take};
use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;

use super::cluster::Cluster;
use super::{JoinError, Say, Sponsor};
use crate::host::Host;

/// How often a held lease is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How often it is renewed: three misses fit into its duration.
const RENEW: Duration = Duration::from_secs(15);
/// A join that is not completed by then is given up; its token has run out too.
const LIMIT: Duration = Duration::from_mins(30);

impl<H: Host> Sponsor<H> {
    /// Takes the lease, waiting for whoever holds it, and has it renewed from then on. What an earlier holder left is removed.
    pub(super) async fn acquire(&self, holder: &Holder, say: &mut Say) -> Result<Fence, JoinError> {
        let node = self.node();
        let cluster = Cluster::new(self.host(), node.address);
        loop {
            let lease = cluster.lease().await?;
            match lease::take(lease.as_ref(), holder, self.host().now()) {
                Take::Create { object, fence } => {
                    if cluster.create_lease(&object).await? {
                        self.keep_renewing(holder, fence);
                        return Ok(fence);
                    }
                }
                Take::Replace {
                    object,
                    fence,
                    abandoned,
                } => {
                    if cluster.replace_lease(&object).await? {
                        self.keep_renewing(holder, fence);
                        if abandoned {
                            self.remove_control_plane_secrets(&cluster).await?;
                        }
                        return Ok(fence);
                    }
                }
                Take::Held { by } => {
                    let observed = format!("held by {by}");
                    say.waiting("the lease kube-system/hactl", &observed, self.host().now())
                        .await?;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Fails unless the lease is still held under this number: asked right before what must not happen without it.
    pub(super) async fn still_held(
        &self,
        cluster: &Cluster<'_, H>,
        holder: &Holder,
        fence: Fence,
    ) -> Result<(), JoinError> {
        let lease = cluster.lease().await?;
        let now = self.host().now();
        match lease {
            Some(lease) if lease.is_held(holder, fence) && !lease.free(now) => Ok(()),
            other => Err(JoinError::LeaseLost {
                joiner: holder.joiner.to_string(),
                holder: other.map(|lease| lease.holder).unwrap_or_default(),
            }),
        }
    }

    /// Lets the lease go if it is held for this joiner, whoever took it.
    pub(super) async fn release(
        &self,
        cluster: &Cluster<'_, H>,
        joiner: &NodeName,
    ) -> Result<(), JoinError> {
        self.stop_renewing(joiner);
        // A renewal may be on its way: of two writers one loses, and looks again.
        loop {
            let Some(lease) = cluster.lease().await? else {
                return Ok(());
            };
            let Some(object) = lease::release(&lease, joiner, self.host().now()) else {
                return Ok(());
            };
            if cluster.replace_lease(&object).await? {
                return Ok(());
            }
        }
    }

    fn keep_renewing(&self, holder: &Holder, fence: Fence) {
        let (sponsor, held) = (self.clone(), holder.clone());
        let task = tokio::spawn(async move {
            let renewals = sponsor.renew(&held, fence);
            if tokio::time::timeout(LIMIT, renewals).await.is_err() {
                tracing::warn!(joiner = %held.joiner, "gave up the lease of a join that was never completed");
            }
        });
        let mut renewals = self
            .inner
            .renewals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(former) = renewals.insert(holder.joiner.clone(), task.abort_handle()) {
            former.abort();
        }
    }

    pub(super) fn stop_renewing(&self, joiner: &NodeName) {
        let mut renewals = self
            .inner
            .renewals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = renewals.remove(joiner) {
            task.abort();
        }
    }

    /// Renews until the lease is another's. A failure to reach the API is no reason to stop: the lease outlasts three.
    async fn renew(&self, holder: &Holder, fence: Fence) {
        loop {
            tokio::time::sleep(RENEW).await;
            let node = self.node();
            let cluster = Cluster::new(self.host(), node.address);
            let renewed = match cluster.lease().await {
                Ok(Some(lease)) => match lease::renew(&lease, holder, fence, self.host().now()) {
                    Some(object) => cluster.replace_lease(&object).await,
                    None => return,
                },
                Ok(None) => return,
                Err(error) => Err(error),
            };
            if let Err(error) = renewed {
                tracing::warn!(joiner = %holder.joiner, "failed to renew the lease: {error}");
            }
        }
    }
}
