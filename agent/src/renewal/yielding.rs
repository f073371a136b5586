//! The other side: this node's load balancer lets a control plane go whose turn it is.

use hactl_node_plan::facts::Known;
use hactl_node_plan::rollout::lease;
use hactl_proto::instruction::{Fence, Instruction, OperationId, Order};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::rollout::RolloutOrder;

use super::lease::who;
use super::{Inner, Peers};
use crate::host::Host;
use crate::inspect::rollout::cluster_lease;

impl<H: Host, P: Peers> Inner<H, P> {
    /// A control plane may have only itself let go, and only while the lease is its own. Taking one back hurts nobody: the load
    /// balancer's own checks say whether it serves.
    pub(super) async fn yield_backend(
        &self,
        caller: &NodeName,
        fence: Option<Fence>,
        release: bool,
    ) -> Result<(), String> {
        if release {
            let fence = fence.ok_or("it names no lease")?;
            self.holds_the_lease(caller, fence).await?;
        }
        self.backend_here(caller, fence, release).await
    }

    /// Gives this node the order about its own load balancer.
    pub(super) async fn backend_here(
        &self,
        subject: &NodeName,
        fence: Option<Fence>,
        release: bool,
    ) -> Result<(), String> {
        let node = subject.clone();
        let order = Order::Rollout(if release {
            RolloutOrder::ReleaseBackend { node }
        } else {
            RolloutOrder::ReturnBackend { node }
        });
        let watch = self
            .operations
            .submit(Instruction {
                id: OperationId::own(&order, self.host.now()),
                generation: self.generation,
                fence,
                order,
            })
            .await
            .map_err(|error| crate::causes::chain(&error))?;
        match watch.outcome().await {
            Some(Outcome::Succeeded) => Ok(()),
            Some(Outcome::Failed { error, .. }) => Err(error),
            Some(Outcome::Refused { findings }) => Err(findings
                .into_iter()
                .map(|finding| finding.observed)
                .collect::<Vec<_>>()
                .join("; ")),
            None => Err("the agent ends".to_owned()),
        }
    }

    pub(super) async fn holds_the_lease(
        &self,
        caller: &NodeName,
        fence: Fence,
    ) -> Result<(), String> {
        let node = self.operations.node();
        let found = match cluster_lease(&*self.host, &node).await {
            Known::Is(found) => found,
            Known::Unknown(reason) => return Err(format!("the lease can't be read: {reason}")),
        };
        // Its time is not looked at: the holder itself asks, and clocks may differ. Whoever took the lease after it raised the number.
        let found = found.ok_or("there is no lease kube-system/hactl")?;
        if found.number != fence.0 {
            return Err(format!("the lease's number is {}", found.number));
        }
        if found.holder != lease::holder(&who(caller)) {
            return Err(format!("the lease is held by {:?}", found.holder));
        }
        Ok(())
    }
}
