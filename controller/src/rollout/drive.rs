//! The loop: see, decide, order, until the plan is there, or until going on could hurt.

use std::sync::Arc;
use std::time::Duration;

use hactl_cluster_plan::rollout::{
    Decision, Memory, RolloutPlan, Seen, Soak, Work, decide, leftovers,
};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::rollout::{RolloutOrder, RolloutRecord, RolloutWish};
use hactl_proto::spec::EndpointMode;
use hactl_proto::version::KubernetesVersion;
use tokio::task::JoinSet;

use super::hold::Hold;
use super::keep::{KeepError, newest, wish};
use super::mend::mend;
use super::turn::{Orders, Plan, Turn};
use super::{Agents, Tale};

/// Between two looks while something is not well.
const LOOK: Duration = Duration::from_secs(3);
/// Between two tries of a drain that did not end.
const DRAIN_AGAIN: Duration = Duration::from_secs(20);
/// How often the same turn may end well and still be left to do, before that is said instead of ordered again.
const SAME_TURNS: u32 = 5;

/// How a run of the controller ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The plan is there.
    Finished,
    /// The operator paused it.
    Paused,
    /// The operator gave it up.
    Aborted,
    /// A node's order failed or was refused; the rollout is paused.
    Stopped {
        /// Whose order.
        node: NodeName,
        /// Its end.
        outcome: Outcome,
    },
}

/// Why a run could not go on. What is under way on a node goes on there; `resume` takes it up.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// Another controller is at work, and lives.
    #[error("take the cluster's lease: {by} holds it and renews it")]
    Held {
        /// Who.
        by: String,
    },
    /// Another controller took over.
    #[error("keep the cluster's lease: {0}")]
    LeaseLost(String),
    /// The control planes' word on the rollout is not to be had, or another one changed it.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// An order was refused before it became an operation.
    #[error("{0}")]
    Order(String),
}

/// Carries a rollout on until it ends, one way or another. `who` names this controller in the lease.
pub async fn drive<A: Agents>(
    agents: &Arc<A>,
    record: &RolloutRecord,
    plan: &RolloutPlan,
    generation: u64,
    who: &str,
    tale: &Tale,
) -> Result<End, DriveError> {
    let hold = Hold::take(agents, who, tale).await?;
    let run = Run {
        agents: Arc::clone(agents),
        plan,
        tale: tale.clone(),
        generation,
    };
    let ended = run.until_the_end(&hold).await;
    let wanted = match &ended {
        Ok(End::Finished) => Some(RolloutWish::Finished),
        Ok(End::Stopped { .. }) => Some(RolloutWish::Paused),
        _ => None,
    };
    if let Some(wanted) = wanted {
        let known = newest(&**agents).await?.unwrap_or_else(|| record.clone());
        wish(&**agents, &known, wanted, who, tale.now()).await?;
    }
    hold.release(agents, who).await;
    ended
}

/// The turns of the last decision, and how often in a row they were that. Without it a rollout that does not see what it has done
/// would go round for ever.
#[derive(Default)]
struct Same {
    works: Vec<Work>,
    times: u32,
}

impl Same {
    fn again(&mut self, works: Vec<Work>) -> Option<End> {
        self.times = if self.works == works {
            self.times + 1
        } else {
            1
        };
        self.works = works;
        let work = self.works.first().filter(|_| self.times >= SAME_TURNS)?;
        Some(End::Stopped {
            node: work.node.clone(),
            outcome: Outcome::Failed {
                step: "upgrade".to_owned(),
                error: format!(
                    "{}'s turn to {} ended well {} times, and the node is not seen to be through",
                    work.node, work.upgrade.target, self.times
                ),
                done: Vec::new(),
                remedy: "See what the node lacks: `kubectl get node` (version, cordoned), the images in \
                         /etc/kubernetes/manifests; then `hactl-controller resume`."
                    .to_owned(),
            },
        })
    }
}

struct Run<'a, A> {
    agents: Arc<A>,
    plan: &'a RolloutPlan,
    tale: Tale,
    generation: u64,
}

impl<A: Agents> Run<'_, A> {
    async fn until_the_end(&self, hold: &Hold) -> Result<End, DriveError> {
        let mut memory = Memory::default();
        let mut orders: Option<Arc<Orders<A>>> = None;
        let mut same = Same::default();
        let mut mended = Vec::new();
        loop {
            if hold.lost() {
                return Err(DriveError::LeaseLost(
                    "another controller took it".to_owned(),
                ));
            }
            if let Some(end) = self.wished().await? {
                return Ok(end);
            }
            let seen = self.agents.seen().await;
            let orders = orders.get_or_insert_with(|| Arc::new(self.orders(&seen, hold)));
            let left = leftovers(&seen, &self.plan.to);
            if let Some((node, outcome)) = mend(orders, &left).await? {
                return Ok(End::Stopped { node, outcome });
            }
            if !left.is_empty() {
                // What was seen is of before: a node that is through would get another turn.
                if left == mended {
                    let nodes: Vec<&str> = left.iter().map(|one| one.node.as_str()).collect();
                    let reason = format!("{} to be seen taken back", nodes.join(", "));
                    self.tale.waits(vec![reason]);
                    tokio::time::sleep(LOOK).await;
                }
                mended = left;
                continue;
            }
            let decision = decide(self.plan, &seen, &memory);
            if !matches!(decision, Decision::Soak(_)) {
                memory.interrupted();
            }
            match decision {
                Decision::Done => return Ok(End::Finished),
                Decision::Wait(reasons) => {
                    self.tale.waits(reasons);
                    tokio::time::sleep(LOOK).await;
                }
                Decision::Stage { target, nodes } => {
                    let order = RolloutOrder::Stage { target };
                    if let Some(end) = self.together(orders, &nodes, &order).await? {
                        return Ok(end);
                    }
                }
                Decision::Snapshot(node) => {
                    let outcome = orders
                        .order(&node, &node, RolloutOrder::SnapshotEtcd)
                        .await?;
                    if outcome != Outcome::Succeeded {
                        return Ok(End::Stopped { node, outcome });
                    }
                    if let Some(to) = self.present(&seen) {
                        memory.took_snapshot(to, node);
                    }
                }
                Decision::Soak(soak) => self.soak(soak, &mut memory).await,
                Decision::Upgrade(works) => {
                    if let Some(end) = self.turns(orders, works, &mut same).await? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// One look found all gates open; the next one is some seconds later.
    async fn soak(&self, soak: Soak, memory: &mut Memory) {
        let canary = &self.plan.policy.canary;
        let nodes: Vec<&str> = soak.nodes.iter().map(NodeName::as_str).collect();
        self.tale.waits(vec![format!(
            "{} to be seen well {} times in a row, every {} s, before others follow ({})",
            nodes.join(", "),
            canary.passes,
            canary.pass_seconds,
            soak.kind.name()
        )]);
        memory.passed(soak, canary.passes);
        tokio::time::sleep(Duration::from_secs(canary.pass_seconds.into())).await;
    }

    fn orders(&self, seen: &Seen, hold: &Hold) -> Orders<A> {
        let plan = Plan {
            generation: self.generation,
            number: self.plan.number,
            policy: self.plan.policy.clone(),
            managed: matches!(seen.spec.endpoint.mode, EndpointMode::Managed { .. }),
        };
        Orders::new(
            Arc::clone(&self.agents),
            self.tale.clone(),
            hold.fence,
            &plan,
        )
    }

    /// The version of the first hop that some API server has not seen.
    fn present(&self, seen: &Seen) -> Option<KubernetesVersion> {
        let behind = |to: &KubernetesVersion| {
            seen.control_planes()
                .any(|node| node.api_server().is_none_or(|version| version < *to))
        };
        let hop = self.plan.hops.iter().find(|hop| behind(&hop.to));
        hop.map(|hop| hop.to.clone())
    }

    /// What the operator wants meanwhile.
    async fn wished(&self) -> Result<Option<End>, DriveError> {
        let record = match newest(&*self.agents).await {
            Ok(record) => record,
            // Not heard is not changed: it is asked again before the next node.
            Err(KeepError::NoMajority(reasons)) => {
                self.tale.waits(reasons);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(record) = record else {
            return Ok(None);
        };
        if record.number != self.plan.number {
            return Err(DriveError::LeaseLost(format!(
                "rollout {} was begun meanwhile",
                record.number
            )));
        }
        Ok(match record.wish {
            RolloutWish::Paused => Some(End::Paused),
            RolloutWish::Aborted => Some(End::Aborted),
            RolloutWish::Running | RolloutWish::Finished => None,
        })
    }

    /// The same order to many nodes at once.
    async fn together(
        &self,
        orders: &Arc<Orders<A>>,
        nodes: &[NodeName],
        order: &RolloutOrder,
    ) -> Result<Option<End>, DriveError> {
        let mut tasks = JoinSet::new();
        for node in nodes {
            let (orders, node, order) = (Arc::clone(orders), node.clone(), order.clone());
            tasks.spawn(async move {
                let outcome = orders.order(&node, &node, order).await;
                (node, outcome)
            });
        }
        let mut end = None;
        while let Some(ended) = tasks.join_next().await {
            let (node, outcome) = ended.map_err(|error| DriveError::Order(error.to_string()))?;
            let outcome = outcome?;
            if outcome != Outcome::Succeeded {
                end = end.or(Some(End::Stopped { node, outcome }));
            }
        }
        Ok(end)
    }

    /// The turns of a batch. One that fails lets the others end, and then the rollout stops.
    async fn turns(
        &self,
        orders: &Arc<Orders<A>>,
        works: Vec<Work>,
        same: &mut Same,
    ) -> Result<Option<End>, DriveError> {
        let mut tasks = JoinSet::new();
        for (index, work) in works.iter().enumerate() {
            let (orders, work) = (Arc::clone(orders), work.clone());
            tasks.spawn(async move { orders.turn(&work, index).await });
        }
        let (mut end, mut kept) = (None, Vec::new());
        while let Some(ended) = tasks.join_next().await {
            match ended.map_err(|error| DriveError::Order(error.to_string()))?? {
                Turn::Done => {}
                Turn::NotDrained(reason) => kept.push(reason),
                Turn::Failed { node, outcome } => {
                    end = end.or(Some(End::Stopped { node, outcome }));
                }
            }
        }
        if end.is_some() {
            return Ok(end);
        }
        if kept.is_empty() {
            return Ok(same.again(works));
        }
        *same = Same::default();
        self.tale.waits(kept);
        tokio::time::sleep(DRAIN_AGAIN).await;
        Ok(None)
    }
}
