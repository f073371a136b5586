//! Orders on one node's behalf: its turn in a rollout, from letting go to taking back. Each order is safe to repeat, and is, until
//! its end is known: an agent that is away, killed or busy is waited for, visibly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hactl_cluster_plan::rollout::{Policy, Work};
use hactl_proto::instruction::{Fence, Instruction, OperationId, Order};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::{Drain, RolloutOrder, UpgradePart};

use tokio::task::JoinSet;

use super::{Agents, DriveError, OrderError, Tale};

/// Between two tries to give the same order.
const RETRY: Duration = Duration::from_secs(2);

/// What orders are given with.
pub(super) struct Orders<A> {
    pub(super) agents: Arc<A>,
    pub(super) tale: Tale,
    pub(super) fence: Fence,
    pub(super) generation: u64,
    pub(super) number: u64,
    pub(super) policy: Policy,
    pub(super) managed: bool,
    serial: AtomicU64,
}

/// How a node's turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is through.
    Done,
    /// Its drain did not come to its end; the node is schedulable, and can be tried again.
    NotDrained(String),
    /// It failed, or was refused.
    Failed {
        /// Whose order.
        node: NodeName,
        /// Its end.
        outcome: Outcome,
    },
}

impl<A: Agents> Orders<A> {
    pub(super) fn new(agents: Arc<A>, tale: Tale, fence: Fence, plan: &Plan) -> Self {
        Self {
            agents,
            tale,
            fence,
            generation: plan.generation,
            number: plan.number,
            policy: plan.policy.clone(),
            managed: plan.managed,
            serial: AtomicU64::new(0),
        }
    }

    /// Upgrades one node. `index` picks who acts on it through the API.
    pub(super) async fn turn(
        self: &Arc<Self>,
        work: &Work,
        index: usize,
    ) -> Result<Turn, DriveError> {
        let node = &work.node;
        let control_plane = work.role == NodeRole::ControlPlane;
        let drains = matches!(work.upgrade.part, UpgradePart::Whole | UpgradePart::Kubelet);
        let steward = self.steward(node, index);
        if control_plane && let Some(failed) = self.backend(node, true).await? {
            return Ok(failed);
        }
        if drains {
            let drain = RolloutOrder::Drain(Drain {
                node: node.clone(),
                limit_seconds: self.policy.drain_limit_seconds,
                unmanaged: self.policy.delete_unmanaged,
                local_data: self.policy.delete_local_data,
            });
            match self.order(&steward, node, drain).await? {
                Outcome::Succeeded => {}
                Outcome::Failed { error, remedy, .. } => {
                    self.give_back(node, control_plane).await?;
                    return Ok(Turn::NotDrained(format!("{error}. {remedy}")));
                }
                outcome @ Outcome::Refused { .. } => {
                    self.give_back(node, control_plane).await?;
                    return Ok(Turn::Failed {
                        node: steward,
                        outcome,
                    });
                }
            }
        }
        let outcome = self
            .order(node, node, RolloutOrder::Upgrade(work.upgrade.clone()))
            .await?;
        if outcome != Outcome::Succeeded {
            // A node that was put back serves again; HAProxy's own checks keep one that doesn't from it.
            self.give_back(node, control_plane).await?;
            return Ok(Turn::Failed {
                node: node.clone(),
                outcome,
            });
        }
        // The next control plane is let go of only where all load balancers have this one.
        if control_plane && let Some(failed) = self.backend(node, false).await? {
            return Ok(failed);
        }
        if drains && let Some(failed) = self.uncordon(&steward, node).await? {
            return Ok(failed);
        }
        Ok(Turn::Done)
    }

    /// Makes a node schedulable again.
    pub(super) async fn uncordon(
        &self,
        steward: &NodeName,
        node: &NodeName,
    ) -> Result<Option<Turn>, DriveError> {
        let order = RolloutOrder::Uncordon { node: node.clone() };
        let outcome = self.order(steward, node, order).await?;
        Ok((outcome != Outcome::Succeeded).then(|| Turn::Failed {
            node: steward.clone(),
            outcome,
        }))
    }

    /// A control plane that acts on a node through the API: another one, where there is another.
    pub(super) fn steward(&self, node: &NodeName, index: usize) -> NodeName {
        let others = self.agents.control_planes();
        let others: Vec<NodeName> = others.into_iter().filter(|other| other != node).collect();
        if others.is_empty() {
            node.clone()
        } else {
            others[index % others.len()].clone()
        }
    }

    /// After a turn that came to nothing. A load balancer that does not take the node back is told of, and asked again at the next
    /// look: what ended the turn comes first.
    async fn give_back(
        self: &Arc<Self>,
        node: &NodeName,
        control_plane: bool,
    ) -> Result<(), DriveError> {
        if control_plane
            && let Some(Turn::Failed { node: at, .. }) = self.backend(node, false).await?
        {
            self.tale.note(format!(
                "the load balancer of {at} did not take {node} back"
            ));
        }
        Ok(())
    }

    /// Every load balancer lets the node go, or takes it back, all at once.
    pub(super) async fn backend(
        self: &Arc<Self>,
        node: &NodeName,
        release: bool,
    ) -> Result<Option<Turn>, DriveError> {
        if !self.managed {
            return Ok(None);
        }
        let mut tasks = JoinSet::new();
        for at in self.agents.control_planes() {
            let (orders, node) = (Arc::clone(self), node.clone());
            tasks.spawn(async move {
                let order = if release {
                    RolloutOrder::ReleaseBackend { node: node.clone() }
                } else {
                    RolloutOrder::ReturnBackend { node: node.clone() }
                };
                let outcome = orders.order(&at, &node, order).await;
                (at, outcome)
            });
        }
        let mut failed = None;
        while let Some(ended) = tasks.join_next().await {
            let (at, outcome) = ended.map_err(|error| DriveError::Order(error.to_string()))?;
            let outcome = outcome?;
            if outcome != Outcome::Succeeded {
                failed = failed.or(Some(Turn::Failed { node: at, outcome }));
            }
        }
        Ok(failed)
    }

    /// Gives an order until its end is known.
    pub(super) async fn order(
        &self,
        node: &NodeName,
        subject: &NodeName,
        order: RolloutOrder,
    ) -> Result<Outcome, DriveError> {
        let kind = order.kind();
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let id = format!("r{}-f{}-{serial}-{kind}", self.number, self.fence.0);
        let instruction = Instruction {
            id: OperationId::new(id).map_err(|error| DriveError::Order(error.to_string()))?,
            generation: self.generation,
            fence: Some(self.fence),
            order: Order::Rollout(order),
        };
        let tell = |event| self.tale.event(node, subject, kind, event);
        loop {
            match self.agents.order(node, instruction.clone(), &tell).await {
                Ok(outcome) => {
                    self.tale.goes_on();
                    return Ok(outcome);
                }
                Err(OrderError::Stale(reason)) => return Err(DriveError::LeaseLost(reason)),
                Err(OrderError::Refused(reason)) => {
                    return Err(DriveError::Order(format!(
                        "have {kind} of {node}: {reason}"
                    )));
                }
                Err(OrderError::Busy(other)) => {
                    self.tale.waits(vec![format!("{node} to end {other}")]);
                }
                Err(OrderError::Lost(reason)) => {
                    self.tale
                        .waits(vec![format!("{node}'s agent, for {kind}: {reason}")]);
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// What of a plan orders carry.
pub(super) struct Plan {
    pub(super) generation: u64,
    pub(super) number: u64,
    pub(super) policy: Policy,
    pub(super) managed: bool,
}
