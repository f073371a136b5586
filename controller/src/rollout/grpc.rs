//! Real agents, over gRPC. Each call has a connection of its own: an agent that hangs or is replaced holds up nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hactl_cluster_plan::observed::{Answer, Silence};
use hactl_cluster_plan::rollout::{Seen, SeenNode};
use hactl_proto::Timestamp;
use hactl_proto::instruction::{Fence, Instruction, OperationId};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::survey::NodeSurvey;
use hactl_proto::rollout::{CAPABILITY, LeaseAnswer, RolloutRecord};
use hactl_proto::spec::ClusterSpec;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

use super::{Agents, OrderError, Package};
use crate::connect::{Agent, CallError};
use crate::observe::{Operator, Target, chain};

/// A story that says nothing for so long is asked for anew: the agent may be gone without a word.
const QUIET: Duration = Duration::from_secs(15);
/// So many agents are asked at a time.
const AT_ONCE: usize = 32;

/// The agents of a cluster; a clone asks the same.
#[derive(Debug, Clone)]
pub struct Fleet {
    operator: Arc<Operator>,
    spec: Arc<ClusterSpec>,
    targets: Arc<[Target]>,
    limit: Duration,
}

impl Fleet {
    /// Of these nodes: the declared ones, and those that enrolled.
    pub fn new(
        operator: Arc<Operator>,
        spec: ClusterSpec,
        targets: Vec<Target>,
        limit: Duration,
    ) -> Self {
        Self {
            operator,
            spec: Arc::new(spec),
            targets: targets.into(),
            limit,
        }
    }

    fn target(&self, node: &NodeName) -> Result<&Target, String> {
        let found = self.targets.iter().find(|target| target.name == *node);
        found.ok_or_else(|| format!("no node {node} is known"))
    }

    async fn agent(&self, node: &NodeName) -> Result<Agent, String> {
        let target = self.target(node)?;
        timeout(self.limit, self.operator.agent(target))
            .await
            .map_err(|_| self.late())?
            .map_err(|error| chain(&error))
    }

    /// One call to one agent, within the limit.
    async fn call<T>(
        &self,
        node: &NodeName,
        ask: impl AsyncFnOnce(&Agent) -> Result<T, CallError>,
    ) -> Result<T, String> {
        let agent = self.agent(node).await?;
        timeout(self.limit, ask(&agent))
            .await
            .map_err(|_| self.late())?
            .map_err(|error| chain(&error))
    }

    fn late(&self) -> String {
        format!("no answer within {} s", self.limit.as_secs())
    }

    /// Status and survey of one node.
    async fn look(&self, target: &Target, cluster: bool) -> Result<(bool, NodeSurvey), String> {
        self.call(&target.name, async |agent: &Agent| {
            let status = agent.status().await?;
            let capable = status.capabilities.iter().any(|word| word == CAPABILITY);
            Ok((capable, agent.survey(cluster).await?))
        })
        .await
    }
}

/// One node's answer with since when it was tried.
type Looked = (
    usize,
    Timestamp,
    Instant,
    Result<(bool, NodeSurvey), String>,
);

impl Agents for Fleet {
    async fn seen(&self) -> Seen {
        let mut tasks: JoinSet<Looked> = JoinSet::new();
        let mut looked: Vec<Option<Looked>> = self.targets.iter().map(|_| None).collect();
        let mut waiting: Vec<usize> = (0..self.targets.len()).rev().collect();
        loop {
            while tasks.len() < AT_ONCE
                && let Some(index) = waiting.pop()
            {
                let fleet = self.clone();
                tasks.spawn(async move {
                    let (since, start) = (Timestamp::now(), Instant::now());
                    let target = &fleet.targets[index];
                    let cluster = target.role == NodeRole::ControlPlane;
                    (index, since, start, fleet.look(target, cluster).await)
                });
            }
            match tasks.join_next().await {
                Some(Ok(answer)) => {
                    let index = answer.0;
                    looked[index] = Some(answer);
                }
                Some(Err(_)) => {}
                None => break,
            }
        }
        self.together(looked)
    }

    async fn order(
        &self,
        node: &NodeName,
        instruction: Instruction,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, OrderError> {
        let id = instruction.id.clone();
        let agent = self.agent(node).await.map_err(OrderError::Lost)?;
        let given = timeout(self.limit, agent.execute(instruction)).await;
        let given = given.map_err(|_| OrderError::Lost(self.late()))?;
        let mut story = given.map_err(|error| refusal(&error))?;
        loop {
            match timeout(QUIET, story.next()).await {
                Ok(Ok(Some(event))) => {
                    tell(event.clone());
                    if let ReportEvent::Ended(outcome) = event {
                        return Ok(outcome);
                    }
                }
                Ok(Ok(None)) => return self.ended(node, &id, tell).await,
                Ok(Err(error)) => return Err(OrderError::Lost(chain(&error))),
                Err(_) => {
                    // Quiet is fine as long as the agent answers.
                    let asked = self
                        .call(node, async |agent: &Agent| agent.operation(Some(&id)).await)
                        .await;
                    match asked.map_err(OrderError::Lost)? {
                        Some(status) => {
                            if let Some(outcome) = status.outcome {
                                tell(ReportEvent::Ended(outcome.clone()));
                                return Ok(outcome);
                            }
                            if let Some(waiting) = status.waiting {
                                tell(ReportEvent::Waiting(waiting));
                            }
                        }
                        None => {
                            return Err(OrderError::Lost(
                                "the agent does not know the operation".to_owned(),
                            ));
                        }
                    }
                }
            }
        }
    }

    fn control_planes(&self) -> Vec<NodeName> {
        let declared = self.spec.control_planes.iter();
        declared.map(|node| node.name.clone()).collect()
    }

    async fn kept(&self, node: &NodeName) -> Result<Option<RolloutRecord>, String> {
        self.call(node, async |agent: &Agent| agent.rollout().await)
            .await
    }

    async fn keep(
        &self,
        node: &NodeName,
        record: RolloutRecord,
    ) -> Result<Option<RolloutRecord>, String> {
        self.call(node, async |agent: &Agent| agent.keep_rollout(record).await)
            .await
    }

    async fn bring(&self, node: &NodeName, package: &Package) -> Result<(), String> {
        self.call(node, async |agent: &Agent| {
            agent.bring_package(package.digest, &package.bytes).await
        })
        .await
    }

    async fn take(&self, holder: &str) -> Result<LeaseAnswer, String> {
        let mut reasons = Vec::new();
        for node in self.control_planes() {
            match self
                .call(&node, async |agent: &Agent| agent.take_lease(holder).await)
                .await
            {
                Ok(answer) => return Ok(answer),
                Err(reason) => reasons.push(format!("{node}: {reason}")),
            }
        }
        Err(reasons.join("; "))
    }

    async fn renew(&self, holder: &str, fence: Fence) -> Result<bool, String> {
        let mut reasons = Vec::new();
        for node in self.control_planes() {
            match self
                .call(&node, async |agent: &Agent| {
                    agent.renew_lease(holder, fence).await
                })
                .await
            {
                Ok(answer) => return Ok(answer),
                Err(reason) => reasons.push(format!("{node}: {reason}")),
            }
        }
        Err(reasons.join("; "))
    }

    async fn release(&self, holder: &str, fence: Fence) -> Result<(), String> {
        let mut reasons = Vec::new();
        for node in self.control_planes() {
            match self
                .call(&node, async |agent: &Agent| {
                    agent.release_lease(holder, fence).await
                })
                .await
            {
                Ok(()) => return Ok(()),
                Err(reason) => reasons.push(format!("{node}: {reason}")),
            }
        }
        Err(reasons.join("; "))
    }
}

impl Fleet {
    /// The answers side by side; the cluster by the first control plane that tells of it.
    fn together(&self, looked: Vec<Option<Looked>>) -> Seen {
        let mut cluster = Err(Vec::new());
        let mut nodes = Vec::new();
        for (target, looked) in self.targets.iter().zip(looked) {
            let answer = looked.map(|(_, since, start, answer)| (since, start.elapsed(), answer));
            let (since, tried, answer) = answer.unwrap_or_else(|| {
                (
                    Timestamp::now(),
                    Duration::ZERO,
                    Err("not asked".to_owned()),
                )
            });
            let (capable, survey) = match answer {
                Ok((capable, mut survey)) => {
                    let told = (survey.cluster.take(), survey.cluster_unknown.take());
                    match (told, &mut cluster) {
                        ((Some(seen), _), Err(_)) => cluster = Ok(seen),
                        ((None, Some(why)), Err(reasons)) => {
                            reasons.push(format!("{}: {why}", target.name));
                        }
                        _ => {}
                    }
                    (capable, Answer::Said(survey))
                }
                Err(reason) => {
                    let tried_ms = u64::try_from(tried.as_millis()).unwrap_or(u64::MAX);
                    // An agent that answers but does not know the call is of another version.
                    let capable = !reason.contains("is not a method of this agent");
                    (
                        capable,
                        Answer::Silent(Silence {
                            since,
                            tried_ms,
                            reason,
                        }),
                    )
                }
            };
            nodes.push(SeenNode {
                name: target.name.clone(),
                role: target.role,
                zone: target.zone.clone(),
                survey,
                capable,
            });
        }
        Seen {
            at: Timestamp::now(),
            spec: ClusterSpec::clone(&self.spec),
            nodes,
            cluster: cluster.map_err(|reasons| {
                if reasons.is_empty() {
                    "no control plane answers".to_owned()
                } else {
                    reasons.join("; ")
                }
            }),
        }
    }

    async fn ended(
        &self,
        node: &NodeName,
        id: &OperationId,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, OrderError> {
        let asked = self
            .call(node, async |agent: &Agent| agent.operation(Some(id)).await)
            .await;
        let status = asked.map_err(OrderError::Lost)?;
        match status.and_then(|status| status.outcome) {
            Some(outcome) => {
                tell(ReportEvent::Ended(outcome.clone()));
                Ok(outcome)
            }
            None => Err(OrderError::Lost(
                "the agent ended before the operation".to_owned(),
            )),
        }
    }
}

/// A busy agent and a stale number are told apart from other refusals by the words of the one place that makes them.
fn refusal(error: &CallError) -> OrderError {
    let CallError::Refused { code, message, .. } = error else {
        return OrderError::Lost(chain(error));
    };
    match code {
        Code::FailedPrecondition if message.contains("is under way") => {
            let id = message
                .strip_prefix("operation ")
                .and_then(|rest| rest.split(' ').next());
            match id.and_then(|id| OperationId::new(id).ok()) {
                Some(id) => OrderError::Busy(id),
                None => OrderError::Refused(message.clone()),
            }
        }
        Code::FailedPrecondition if message.contains("lease's number") => {
            OrderError::Stale(message.clone())
        }
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown => {
            OrderError::Lost(message.clone())
        }
        _ => OrderError::Refused(message.clone()),
    }
}
