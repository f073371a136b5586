//! The cluster's lease, taken on behalf of a controller.

use std::sync::PoisonError;
use std::time::Duration;

use hactl_node_plan::join::lease::{Lease, Take};
use hactl_node_plan::rollout::lease;
use hactl_proto::instruction::Fence;
use hactl_proto::rollout::LeaseAnswer;
use tokio::time::Instant;

use super::Rollouts;
use crate::api::failure::Failure;
use crate::host::Host;
use crate::inspect::kubernetes::api_server;
use crate::join::JoinError;
use crate::join::cluster::Cluster;

/// Tries where others write at the same time.
const TRIES: u32 = 5;

impl<H: Host> Rollouts<H> {
    /// Takes it, or says who has it.
    pub(super) async fn take(&self, who: &str) -> Result<LeaseAnswer, Failure> {
        let node = self.operations.node();
        let cluster = Cluster::new(&*self.host, node.address);
        for _ in 0..TRIES {
            let found = cluster.lease().await.map_err(|error| away(&error))?;
            if let Some(lease) = found.as_ref().filter(|lease| self.too_early(lease, who)) {
                return Ok(LeaseAnswer::Held {
                    by: lease.holder.clone(),
                    renewed: lease.renewed,
                });
            }
            let (written, fence) = match lease::take(found.as_ref(), who, self.host.now()) {
                Take::Held { by } => {
                    let renewed = found.and_then(|lease| lease.renewed);
                    return Ok(LeaseAnswer::Held { by, renewed });
                }
                Take::Create { object, fence } => (cluster.create_lease(&object).await, fence),
                Take::Replace { object, fence, .. } => {
                    (cluster.replace_lease(&object).await, fence)
                }
            };
            if written.map_err(|error| away(&error))? {
                return Ok(LeaseAnswer::Taken(fence));
            }
        }
        Err(Failure::Unavailable(
            "others write the lease at the same time; ask again".to_owned(),
        ))
    }

    /// A lease that looks run out may look so because clocks differ. It is taken over only when it was seen for as long as it holds, and
    /// nobody wrote it meanwhile.
    fn too_early(&self, lease: &Lease, who: &str) -> bool {
        let abandoned = !lease.holder.is_empty() && lease.holder != lease::holder(who);
        if !(abandoned && lease.free(self.host.now())) {
            return false;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((version, since)) if *version == lease.resource_version => {
                let patience = u64::try_from(lease.patience()).unwrap_or(u64::MAX);
                since.elapsed() < Duration::from_secs(patience)
            }
            _ => {
                *seen = Some((lease.resource_version.clone(), Instant::now()));
                true
            }
        }
    }

    /// Renews it; `false`: it is another's by now.
    pub(super) async fn renew(&self, who: &str, fence: Fence) -> Result<bool, Failure> {
        self.change(|found| lease::renew(found, who, fence, self.host.now()))
            .await
    }

    /// Lets it go, where it is still the caller's.
    pub(super) async fn release(&self, who: &str, fence: Fence) -> Result<(), Failure> {
        self.change(|found| lease::release(found, who, fence, self.host.now()))
            .await
            .map(drop)
    }

    /// This node's own API server, or, while that is away, the endpoint's: whoever restarts it holds the lease.
    async fn reachable(&self) -> Cluster<'_, H> {
        let node = self.operations.node();
        if api_server(&*self.host, node.address).await.serves() {
            Cluster::new(&*self.host, node.address)
        } else {
            Cluster::at_endpoint(&*self.host)
        }
    }

    async fn change(
        &self,
        change: impl Fn(&Lease) -> Option<String> + Send,
    ) -> Result<bool, Failure> {
        let cluster = self.reachable().await;
        for _ in 0..TRIES {
            let Some(object) = cluster
                .lease()
                .await
                .map_err(|error| away(&error))?
                .as_ref()
                .and_then(&change)
            else {
                return Ok(false);
            };
            if cluster
                .replace_lease(&object)
                .await
                .map_err(|error| away(&error))?
            {
                return Ok(true);
            }
        }
        Err(Failure::Unavailable(
            "others write the lease at the same time; ask again".to_owned(),
        ))
    }
}

/// Another control plane may reach the API.
fn away(error: &JoinError) -> Failure {
    Failure::Unavailable(format!("failed to {error}"))
}
