//! The cluster's lease, taken on behalf of a controller.

use hactl_node_plan::join::lease::Take;
use hactl_node_plan::rollout::lease;
use hactl_proto::instruction::Fence;
use hactl_proto::rollout::LeaseAnswer;

use super::Rollouts;
use crate::api::failure::Failure;
use crate::host::Host;
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

    async fn change(
        &self,
        change: impl Fn(&hactl_node_plan::join::lease::Lease) -> Option<String> + Send,
    ) -> Result<bool, Failure> {
        let node = self.operations.node();
        let cluster = Cluster::new(&*self.host, node.address);
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
