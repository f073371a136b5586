//! Agents of a simulated cluster as a controller reaches them, and a cluster to upgrade.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hactl_agent::api::duties::Rollouts as _;
use hactl_agent::operation::{Operations, SubmitError};
use hactl_agent::paths::Paths;
use hactl_agent::rollout::Rollouts;
use hactl_cluster_plan::observed::{Answer, Silence};
use hactl_cluster_plan::rollout::{Request, RolloutPlan, Seen, SeenNode, plan};
use hactl_controller::rollout::{Agents, OrderError, Package, Tale, Told, put};
use hactl_node_plan::run::Rejection;
use hactl_proto::Timestamp;
use hactl_proto::instruction::{Fence, Instruction, Order};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::rollout::survey::NodeSurvey;
use hactl_proto::rollout::{LeaseAnswer, RolloutRecord, RolloutWish};
use hactl_proto::version::KubernetesVersion;
use hactl_simulation::{SimulatedHost, World};

use super::{admit, carry_out, context, engine, life, name, spec, world};

/// The nodes of the cluster.
pub(crate) const NODES: [&str; 4] = ["cp1", "cp2", "cp3", "w1"];
/// What is upgraded to.
pub(crate) const TARGET: KubernetesVersion = KubernetesVersion::new(1, 36, 3);

/// A cluster of three and one at v1.36.2, every join through; v1.36.3 can be had.
pub(crate) fn cluster() -> World {
    let world = world();
    for node in NODES {
        life(&world, async {
            let order = match node {
                "cp1" => Order::Init,
                "w1" => Order::JoinWorker(admit(&world, node).await),
                _ => Order::JoinControlPlane(admit(&world, node).await),
            };
            let engine = engine(&world, node).await;
            assert_eq!(
                carry_out(&engine, "before", order).await,
                Outcome::Succeeded,
                "{node}"
            );
        });
    }
    for machine in world.state().machines.values_mut() {
        machine.offered.push(TARGET.to_string());
        machine.tree.sync();
    }
    world
}

#[derive(Clone)]
struct One {
    operations: Operations<SimulatedHost>,
    rollouts: Rollouts<SimulatedHost>,
}

/// The agents that run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) world: World,
    agents: Arc<Mutex<BTreeMap<NodeName, One>>>,
    /// Agents that nobody reaches.
    pub(crate) away: Arc<Mutex<BTreeSet<NodeName>>>,
}

impl Fleet {
    /// Starts all agents.
    pub(crate) async fn start(world: &World) -> Self {
        let fleet = Self {
            world: world.clone(),
            agents: Arc::default(),
            away: Arc::default(),
        };
        for node in NODES {
            fleet.restart(node).await;
        }
        fleet
    }

    /// Starts an agent, in the place of one that ended.
    pub(crate) async fn restart(&self, node: &str) {
        let host = Arc::new(self.world.host(&name(node)));
        let paths = Paths::system();
        let operations = Operations::open(Arc::clone(&host), paths.clone(), context(node))
            .await
            .unwrap();
        operations.recover().await;
        // The program that starts is the installed one.
        let installed = self.world.state().machines[&name(node)].agent.clone();
        let rollouts = Rollouts::new(host, Arc::new(paths), operations.clone())
            .running(installed.parse().unwrap());
        let one = One {
            operations,
            rollouts,
        };
        self.agents.lock().unwrap().insert(name(node), one);
    }

    fn agent(&self, node: &NodeName) -> Result<One, String> {
        let refused = || "connection refused".to_owned();
        if self.away.lock().unwrap().contains(node) {
            return Err(refused());
        }
        let powered = {
            let state = self.world.state();
            let machine = &state.machines[node];
            machine.powered && !machine.isolated && !machine.crash.fired
        };
        let agents = self.agents.lock().unwrap();
        agents
            .get(node)
            .filter(|_| powered)
            .cloned()
            .ok_or_else(refused)
    }

    /// The plan, as `upgrade` makes it.
    pub(crate) async fn plan(&self, request: &Request, number: u64) -> Result<RolloutPlan, String> {
        plan(&self.seen().await, request, number).map_err(|blockers| {
            let line = |one: &hactl_cluster_plan::rollout::Blocker| {
                let node = one.node.as_ref().map_or("cluster", NodeName::as_str);
                format!("{node} {}: {}", one.finding.check, one.finding.observed)
            };
            blockers.iter().map(line).collect::<Vec<_>>().join("\n")
        })
    }

    /// Plans and keeps the plan.
    pub(crate) async fn begin(&self, to: KubernetesVersion) -> (RolloutRecord, RolloutPlan) {
        let plan = self.plan(&request(to), 1).await.unwrap();
        let record = record(&plan);
        put(self, &record).await.unwrap();
        (record, plan)
    }
}

/// A plan as control planes keep it.
pub(crate) fn record(plan: &RolloutPlan) -> RolloutRecord {
    RolloutRecord {
        number: plan.number,
        revision: 0,
        wish: RolloutWish::Running,
        by: "ann".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        plan: serde_json::to_string(plan).unwrap(),
    }
}

pub(crate) fn request(to: KubernetesVersion) -> Request {
    Request {
        to,
        policy: hactl_cluster_plan::rollout::Policy::default(),
        zones: [].into(),
        nodes: [].into(),
    }
}

/// A tale that remembers what was waited for.
pub(crate) fn tale(world: &World) -> (Tale, Arc<Mutex<Vec<String>>>) {
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let (clock, heard) = (world.clone(), Arc::clone(&said));
    let tale = Tale::new(
        move || clock.state().now(),
        move |told| {
            let text = match told {
                Told::Note(text) => text.clone(),
                Told::Waits { reasons, .. } => reasons.join("; "),
                Told::Event {
                    node, order, event, ..
                } => match event {
                    ReportEvent::Started { step, .. } => format!("{node} {order} {step}"),
                    ReportEvent::Waiting(waiting) => {
                        format!("{node} {order} waits: {}", waiting.observed)
                    }
                    ReportEvent::Ended(outcome) => format!("{node} {order} {outcome:?}"),
                    _ => return,
                },
            };
            let mut heard = heard.lock().unwrap();
            if heard.last() != Some(&text) {
                heard.push(text);
            }
        },
    );
    (tale, said)
}

impl Agents for Fleet {
    async fn seen(&self) -> Seen {
        let mut cluster = Err("no control plane answers".to_owned());
        let mut nodes = Vec::new();
        let spec = spec();
        let at = self.world.state().now();
        for node in NODES {
            let (declared, role) = spec.declared(&name(node)).unwrap();
            let asked = async {
                let agent = self.agent(&name(node))?;
                let asked = agent
                    .rollouts
                    .survey(role == hactl_proto::role::NodeRole::ControlPlane);
                let survey = tokio::time::timeout(Duration::from_secs(30), asked).await;
                survey
                    .map_err(|_| "no answer".to_owned())?
                    .map_err(|failure| failure.to_string())
            };
            let survey = match asked.await {
                Ok(mut survey) => {
                    match (survey.cluster.take(), survey.cluster_unknown.take()) {
                        (Some(seen), _) if cluster.is_err() => cluster = Ok(seen),
                        (None, Some(why)) if cluster.is_err() => cluster = Err(why),
                        _ => {}
                    }
                    // The survey crosses the wire as JSON.
                    let text = serde_json::to_string(&survey).unwrap();
                    Answer::Said(serde_json::from_str::<NodeSurvey>(&text).unwrap())
                }
                Err(reason) => Answer::Silent(Silence {
                    since: at,
                    tried_ms: 1,
                    reason,
                }),
            };
            nodes.push(SeenNode {
                name: name(node),
                role,
                zone: declared.zone.clone(),
                survey,
                capable: true,
            });
        }
        Seen {
            at,
            spec: spec.clone(),
            nodes,
            cluster,
        }
    }

    async fn order(
        &self,
        node: &NodeName,
        instruction: Instruction,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, OrderError> {
        let agent = self.agent(node).map_err(OrderError::Lost)?;
        let id = instruction.id.clone();
        let mut watch = match agent.operations.submit(instruction).await {
            Ok(watch) => watch,
            Err(SubmitError::Rejected(Rejection::Busy { running, .. })) => {
                return Err(OrderError::Busy(running));
            }
            Err(SubmitError::Rejected(Rejection::StaleFence { .. })) => {
                return Err(OrderError::Stale("the number is older".to_owned()));
            }
            Err(error) => return Err(OrderError::Refused(error.to_string())),
        };
        loop {
            let next = tokio::time::timeout(Duration::from_secs(15), watch.next()).await;
            match next {
                Ok(Some(event)) => {
                    tell(event.clone());
                    if let ReportEvent::Ended(outcome) = event {
                        return Ok(outcome);
                    }
                }
                Ok(None) => return Err(OrderError::Lost("the agent ended".to_owned())),
                // Quiet is fine as long as the agent answers; one in another's place has a story of its own.
                Err(_) => {
                    let agent = self.agent(node).map_err(OrderError::Lost)?;
                    let known = agent.operations.watch(&id);
                    watch = known.ok_or_else(|| OrderError::Lost("it is not known".to_owned()))?;
                }
            }
        }
    }

    fn control_planes(&self) -> Vec<NodeName> {
        spec()
            .control_planes
            .iter()
            .map(|node| node.name.clone())
            .collect()
    }

    async fn kept(&self, node: &NodeName) -> Result<Option<RolloutRecord>, String> {
        let agent = self.agent(node)?;
        agent
            .rollouts
            .rollout()
            .await
            .map_err(|failure| failure.to_string())
    }

    async fn keep(
        &self,
        node: &NodeName,
        record: RolloutRecord,
    ) -> Result<Option<RolloutRecord>, String> {
        let agent = self.agent(node)?;
        agent
            .rollouts
            .keep(record)
            .await
            .map_err(|failure| failure.to_string())
    }

    async fn bring(&self, node: &NodeName, package: &Package) -> Result<(), String> {
        let agent = self.agent(node)?;
        agent
            .rollouts
            .keep_package(package.digest, package.bytes.clone())
            .await
            .map_err(|failure| failure.to_string())
    }

    async fn take(&self, holder: &str) -> Result<LeaseAnswer, String> {
        let mut last = String::new();
        for node in self.control_planes() {
            match self.agent(&node) {
                Ok(agent) => match agent.rollouts.take_lease(holder).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => last = failure.to_string(),
                },
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    async fn renew(&self, holder: &str, fence: Fence) -> Result<bool, String> {
        let mut last = String::new();
        for node in self.control_planes() {
            match self.agent(&node) {
                Ok(agent) => match agent.rollouts.renew_lease(holder, fence).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => last = failure.to_string(),
                },
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    async fn release(&self, holder: &str, fence: Fence) -> Result<(), String> {
        for node in self.control_planes() {
            if let Ok(agent) = self.agent(&node)
                && agent.rollouts.release_lease(holder, fence).await.is_ok()
            {
                return Ok(());
            }
        }
        Err("nobody answers".to_owned())
    }
}
