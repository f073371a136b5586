//! A controller's way to the agents, over the simulated network: the real rollout is driven through it.

/// One order, from its giving to its end.
mod order;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hactl_agent::api::duties::Rollouts as _;
use hactl_cluster_plan::observed::{Answer, Silence};
use hactl_cluster_plan::rollout::{Request, RolloutPlan, Seen, SeenNode, plan};
use hactl_controller::rollout::{Agents, OrderError};
use hactl_proto::instruction::{Fence, Instruction, Order};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::survey::NodeSurvey;
use hactl_proto::rollout::{LeaseAnswer, RolloutOrder, RolloutRecord};
use hactl_proto::spec::ClusterSpec;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::spec::nodes;
use crate::town::{Agent, Town};

const LIMIT: Duration = Duration::from_secs(10);
/// A survey asks for much.
const SURVEY: Duration = Duration::from_mins(1);

/// A controller. It holds nothing that the cluster needs.
pub(crate) struct Controller {
    town: Town,
    spec: ClusterSpec,
    /// Virtual time at which the last look at the cluster began.
    looked: Mutex<Duration>,
    /// It is killed: an order of its is still on its way.
    killed: Notify,
}

impl Controller {
    pub(crate) fn new(town: Town, spec: ClusterSpec) -> Self {
        Self {
            town,
            spec,
            looked: Mutex::new(Duration::ZERO),
            killed: Notify::new(),
        }
    }

    /// The plan, as `upgrade` makes it, or what stands against it.
    pub(crate) async fn plan(&self, request: &Request, number: u64) -> Result<RolloutPlan, String> {
        let seen = self.seen().await;
        let made = plan(&seen, request, number).map_err(|blockers| {
            let line = |one: &hactl_cluster_plan::rollout::Blocker| {
                let node = one.node.as_ref().map_or("cluster", NodeName::as_str);
                format!("{node} {}: {}", one.finding.check, one.finding.observed)
            };
            blockers.iter().map(line).collect::<Vec<_>>().join("; ")
        });
        if made.is_ok() {
            let state = self.town.world.state();
            self.town.checker().planned(&state, request);
        }
        made
    }

    async fn survey(&self, node: &NodeName, role: NodeRole) -> Result<NodeSurvey, String> {
        let cluster = role == NodeRole::ControlPlane;
        let survey = self
            .town
            .ask(node, "survey", SURVEY, move |agent| async move {
                let survey = agent.rollouts.survey(cluster).await;
                survey.map_err(|failure| failure.to_string())
            });
        let survey = survey.await?;
        // The survey crosses the wire as JSON.
        let text = serde_json::to_string(&survey).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// The first control plane that answers says it.
    async fn any<T, F>(
        &self,
        what: &'static str,
        work: impl Fn(Agent) -> F + Send + Sync + Clone + 'static,
    ) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let mut last = "there is no control plane".to_owned();
        for node in self.control_planes() {
            match self.town.ask(&node, what, LIMIT, work.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    /// Until this controller dies with an order on its way.
    pub(crate) async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Dies, and the order arrives later.
    async fn leave_behind(&self, node: &NodeName, instruction: Instruction, way: Duration) {
        self.town.log.event(|| {
            let seconds = way.as_secs_f64();
            format!(
                "FAULT {} stays on its way to {node} for {seconds:.1} s",
                instruction.id
            )
        });
        let (town, node) = (self.town.clone(), node.clone());
        tokio::spawn(async move {
            sleep(way).await;
            // Nobody hears of it.
            drop(order::give(&town, &node, instruction).await);
        });
        self.killed.notify_one();
        std::future::pending::<()>().await;
    }
}

impl Agents for Controller {
    async fn seen(&self) -> Seen {
        let began = self.town.log.elapsed();
        let at = self.town.world.state().now();
        let mut cluster = Err("no control plane answers".to_owned());
        let mut seen = Vec::new();
        for (declared, role) in nodes(&self.spec) {
            let survey = match self.survey(&declared.name, role).await {
                Ok(mut survey) => {
                    match (survey.cluster.take(), survey.cluster_unknown.take()) {
                        (Some(said), _) if cluster.is_err() => cluster = Ok(said),
                        (None, Some(why)) if cluster.is_err() => cluster = Err(why),
                        _ => {}
                    }
                    Answer::Said(survey)
                }
                Err(reason) => Answer::Silent(Silence {
                    since: at,
                    tried_ms: 1,
                    reason,
                }),
            };
            seen.push(SeenNode {
                name: declared.name.clone(),
                role,
                zone: declared.zone.clone(),
                survey,
                capable: true,
            });
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = began;
        Seen {
            at,
            spec: self.spec.clone(),
            nodes: seen,
            cluster,
        }
    }

    async fn order(
        &self,
        node: &NodeName,
        instruction: Instruction,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, OrderError> {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        self.town.checker().ordered(node, &instruction, looked);
        self.town
            .log
            .event(|| format!("controller orders {} of {node}", instruction.id));
        let upgrades = matches!(&instruction.order, Order::Rollout(RolloutOrder::Upgrade(_)));
        if upgrades && let Some(way) = self.town.network.held_order() {
            self.leave_behind(node, instruction.clone(), way).await;
        }
        order::carry(&self.town, node, instruction, tell).await
    }

    fn control_planes(&self) -> Vec<NodeName> {
        let nodes = self.spec.control_planes.iter();
        nodes.map(|node| node.name.clone()).collect()
    }

    async fn kept(&self, node: &NodeName) -> Result<Option<RolloutRecord>, String> {
        self.town
            .ask(node, "kept", LIMIT, |agent| async move {
                agent
                    .rollouts
                    .rollout()
                    .await
                    .map_err(|failure| failure.to_string())
            })
            .await
    }

    async fn keep(
        &self,
        node: &NodeName,
        record: RolloutRecord,
    ) -> Result<Option<RolloutRecord>, String> {
        self.town
            .ask(node, "keep", LIMIT, move |agent| {
                let record = record.clone();
                async move {
                    agent
                        .rollouts
                        .keep(record)
                        .await
                        .map_err(|failure| failure.to_string())
                }
            })
            .await
    }

    async fn take(&self, holder: &str) -> Result<LeaseAnswer, String> {
        let holder = Arc::new(holder.to_owned());
        self.any("take-lease", move |agent| {
            let holder = Arc::clone(&holder);
            async move {
                agent
                    .rollouts
                    .take_lease(&holder)
                    .await
                    .map_err(|failure| failure.to_string())
            }
        })
        .await
    }

    async fn renew(&self, holder: &str, fence: Fence) -> Result<bool, String> {
        let holder = Arc::new(holder.to_owned());
        self.any("renew-lease", move |agent| {
            let holder = Arc::clone(&holder);
            async move {
                let renewed = agent.rollouts.renew_lease(&holder, fence).await;
                renewed.map_err(|failure| failure.to_string())
            }
        })
        .await
    }

    async fn release(&self, holder: &str, fence: Fence) -> Result<(), String> {
        let holder = Arc::new(holder.to_owned());
        self.any("release-lease", move |agent| {
            let holder = Arc::clone(&holder);
            async move {
                let released = agent.rollouts.release_lease(&holder, fence).await;
                released.map_err(|failure| failure.to_string())
            }
        })
        .await
    }
}
