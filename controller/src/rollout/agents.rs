//! The agents as a rollout needs them: real ones over gRPC, or simulated ones.

use std::future::Future;

use hactl_cluster_plan::rollout::Seen;
use hactl_proto::instruction::{Fence, Instruction, OperationId};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::rollout::{LeaseAnswer, RolloutRecord};

use super::Package;

/// Why an order came to no end here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Another operation is under way on the node; it has to end first.
    #[error("wait for the operation {0} to end")]
    Busy(OperationId),
    /// The lease's number is not in force any more: another controller took over.
    #[error("{0}")]
    Stale(String),
    /// The agent refused to take the order on. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The agent was not reached, or the connection was lost: what was ordered may be done, or be under way.
    #[error("{0}")]
    Lost(String),
}

/// All agents of a cluster. Errors are texts for a person.
pub trait Agents: Send + Sync + 'static {
    /// The cluster as it is now; who does not answer is part of it.
    fn seen(&self) -> impl Future<Output = Seen> + Send;

    /// Gives an order and tells its story to the end. The same id again tells the same operation.
    fn order(
        &self,
        node: &NodeName,
        instruction: Instruction,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> impl Future<Output = Result<Outcome, OrderError>> + Send;

    /// The control planes' names.
    fn control_planes(&self) -> Vec<NodeName>;

    /// What a control plane keeps.
    fn kept(
        &self,
        node: &NodeName,
    ) -> impl Future<Output = Result<Option<RolloutRecord>, String>> + Send;

    /// Has a control plane keep a record; gives what it keeps instead.
    fn keep(
        &self,
        node: &NodeName,
        record: RolloutRecord,
    ) -> impl Future<Output = Result<Option<RolloutRecord>, String>> + Send;

    /// Brings a package of hactl-agent to a node. Agents that take none say so.
    fn bring(
        &self,
        node: &NodeName,
        package: &Package,
    ) -> impl Future<Output = Result<(), String>> + Send {
        let _ = package;
        std::future::ready(Err(format!("{node} takes no packages")))
    }

    /// Takes the lease through any control plane that answers.
    fn take(&self, holder: &str) -> impl Future<Output = Result<LeaseAnswer, String>> + Send;

    /// Renews it.
    fn renew(
        &self,
        holder: &str,
        fence: Fence,
    ) -> impl Future<Output = Result<bool, String>> + Send;

    /// Lets it go.
    fn release(
        &self,
        holder: &str,
        fence: Fence,
    ) -> impl Future<Output = Result<(), String>> + Send;
}
