//! All agents, each over its simulated machine: started, killed, started again.
//!
//! An agent here is the product's own code: operations, standing, first boot, sponsor, rollouts and what tends a control plane.
//! Only what listens on a port and what gossips is not there; calls come by [`crate::network`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hactl_agent::daemon::tend::tend;
use hactl_agent::first_boot::{FirstBoot, Progress};
use hactl_agent::join::Sponsor;
use hactl_agent::operation::Operations;
use hactl_agent::paths::Paths;
use hactl_agent::rollout::Rollouts;
use hactl_agent::standing::StandingStore;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::name::NodeName;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::InstanceId;
use hactl_simulation::{SimulatedHost, World};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::invariant::Checker;
use crate::log::Log;
use crate::network::{Network, Work};
use crate::peers::Line;
use crate::spec::{OPERATOR, cluster, context};

/// Between two looks of the guard at etcd's data, as the daemon has it.
const GUARD_EVERY: Duration = Duration::from_secs(10);
/// The service manager starts an agent that ended anew after this.
const RESTART: Duration = Duration::from_secs(2);

/// What a machine that is set up anew has not.
const WIPED: [&str; 5] = [
    "/var/lib/hactl",
    "/var/lib/etcd",
    "/etc/kubernetes",
    "/var/lib/kubelet",
    "/etc/systemd",
];

/// An agent as the others reach it.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) life: u64,
    pub(crate) host: Arc<SimulatedHost>,
    pub(crate) operations: Operations<SimulatedHost>,
    pub(crate) standing: Arc<StandingStore<SimulatedHost>>,
    pub(crate) sponsor: Sponsor<SimulatedHost>,
    pub(crate) rollouts: Rollouts<SimulatedHost>,
    pub(crate) progress: watch::Receiver<Progress>,
}

/// All agents. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Town {
    pub(crate) world: World,
    pub(crate) network: Network,
    pub(crate) log: Log,
    pub(crate) checker: Arc<Mutex<Checker>>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// What each node's bundle says.
    contexts: BTreeMap<NodeName, NodeContext>,
    agents: BTreeMap<NodeName, Agent>,
    tasks: BTreeMap<NodeName, AbortHandle>,
    /// Machines that somebody is about to start again.
    awaited: BTreeSet<NodeName>,
    /// Machines whose disks lost something: what was not fsynced, or all.
    robbed: BTreeSet<NodeName>,
    /// Control planes that lost their disks before there was a cluster, and that no override names yet.
    replaced: BTreeSet<NodeName>,
    chance: Chance,
    lives: u64,
}

impl Town {
    /// The agents of a spec's nodes; none runs yet.
    pub fn new(
        world: World,
        spec: &ClusterSpec,
        network: Network,
        log: Log,
        checker: Arc<Mutex<Checker>>,
        seed: u64,
    ) -> Self {
        let contexts = crate::spec::nodes(spec)
            .filter_map(|(node, _)| Some((node.name.clone(), context(spec, &node.name)?)));
        Self {
            inner: Arc::new(Mutex::new(Inner {
                contexts: contexts.collect(),
                agents: BTreeMap::new(),
                tasks: BTreeMap::new(),
                awaited: BTreeSet::new(),
                robbed: BTreeSet::new(),
                replaced: BTreeSet::new(),
                chance: Chance::new(seed, "agents"),
                lives: 0,
            })),
            world,
            network,
            log,
            checker,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn checker(&self) -> MutexGuard<'_, Checker> {
        self.checker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nodes' names.
    pub fn nodes(&self) -> Vec<NodeName> {
        self.inner().contexts.keys().cloned().collect()
    }

    /// What a node's bundle says.
    pub fn context(&self, node: &NodeName) -> Option<NodeContext> {
        self.inner().contexts.get(node).cloned()
    }

    /// Another bundle: from the agent's next start on.
    pub fn give_bundle(&self, spec: &ClusterSpec, node: &NodeName) {
        if let Some(given) = context(spec, node) {
            self.log
                .event(|| format!("{node} gets a bundle with spec {}", spec.bootstrap_hash()));
            self.inner().contexts.insert(node.clone(), given);
        }
    }

    pub(crate) fn address(&self, node: &NodeName) -> Option<IpAddr> {
        self.inner()
            .contexts
            .get(node)
            .map(|context| context.address)
    }

    /// The agent of a node, if one runs.
    pub(crate) fn agent(&self, node: &NodeName) -> Option<Agent> {
        let agent = self.inner().agents.get(node).cloned()?;
        let state = self.world.state();
        let machine = state.machines.get(node)?;
        (machine.powered && !machine.crash.fired).then_some(agent)
    }

    /// Asks a node's agent something from the operator's place; it goes on there though nobody waits any more.
    pub(crate) async fn ask<T, F>(
        &self,
        node: &NodeName,
        what: &'static str,
        limit: Duration,
        work: impl Fn(Agent) -> F + Send + Sync + 'static,
    ) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let address = self.address(node).ok_or("no such node")?;
        let (town, to) = (self.clone(), node.clone());
        let serve = move || -> Work<T> {
            let agent = town.agent(&to)?;
            Some(Box::pin(work(agent)))
        };
        let network = &self.network;
        network.call(OPERATOR, address, what, limit, serve).await
    }

    /// What the first boots show.
    pub(crate) fn progress(&self) -> BTreeMap<NodeName, Progress> {
        let inner = self.inner();
        let shown = |agent: &Agent| agent.progress.borrow().clone();
        inner
            .agents
            .iter()
            .map(|(node, agent)| (node.clone(), shown(agent)))
            .collect()
    }

    /// Starts all agents.
    pub fn start_all(&self) {
        for node in self.nodes() {
            self.start(&node);
        }
    }

    /// Starts a node's agent, in the place of one that may run.
    pub fn start(&self, node: &NodeName) {
        self.stop(node);
        let (town, name) = (self.clone(), node.clone());
        let task = tokio::spawn(async move {
            loop {
                if let Err(error) = town.live(&name).await {
                    town.log.event(|| format!("{name}'s agent ends: {error}"));
                }
                town.forget(&name);
                sleep(RESTART).await;
            }
        });
        self.inner().tasks.insert(node.clone(), task.abort_handle());
    }

    /// `kill -9`, now.
    pub fn stop(&self, node: &NodeName) {
        self.world.kill(node);
        if let Some(task) = self.inner().tasks.remove(node) {
            task.abort();
        }
        self.forget(node);
    }

    fn forget(&self, node: &NodeName) {
        self.inner().agents.remove(node);
        self.checker().agent(node, false);
    }

    /// Has a node's agent started after a while, its machine before it where it has no power. One at a time is awaited.
    pub fn start_after(&self, node: &NodeName, after: Duration, lose: bool) {
        if !self.inner().awaited.insert(node.clone()) {
            return;
        }
        let (town, name) = (self.clone(), node.clone());
        tokio::spawn(async move {
            sleep(after).await;
            town.inner().awaited.remove(&name);
            town.bring_up(&name, lose);
        });
    }

    /// A machine loses its disk and is set up anew, under its name.
    pub fn wipe(&self, node: &NodeName) {
        self.log.event(|| format!("FAULT {node} loses its disk"));
        self.stop(node);
        self.world.power_off(node);
        if let Some(machine) = self.world.state().machines.get_mut(node) {
            for path in WIPED {
                machine.tree.remove_durably(path);
            }
        }
        self.checker().wiped(node);
        self.inner().robbed.insert(node.clone());
        self.start_after(node, Duration::from_secs(20), false);
    }

    /// A control plane lost its disk before there was a cluster.
    pub(crate) fn replaced(&self, node: &NodeName) {
        self.inner().replaced.insert(node.clone());
    }

    /// Those that no override names yet.
    pub(crate) fn to_overrule(&self) -> BTreeSet<NodeName> {
        self.inner().replaced.clone()
    }

    /// All control planes took an override that names these.
    pub(crate) fn overruled(&self, named: &BTreeSet<NodeName>) {
        self.inner().replaced.retain(|node| !named.contains(node));
    }

    /// Power where it has none, and a new life of its agent.
    pub fn bring_up(&self, node: &NodeName, lose: bool) {
        let powered = self
            .world
            .state()
            .machines
            .get(node)
            .is_some_and(|one| one.powered);
        if !powered {
            let also = if lose {
                ", what was not fsynced is lost"
            } else {
                ""
            };
            self.log.event(|| format!("{node} boots{also}"));
            self.world.power_on(node, lose);
            if lose {
                self.inner().robbed.insert(node.clone());
            }
        }
        self.log.event(|| format!("{node}'s agent starts"));
        self.start(node);
    }

    /// Whether etcd lost its quorum with disks: half of its voters or more have not what they need to start, and each of those
    /// machines lost something. No software brings that back; an operator restores a snapshot.
    pub(crate) fn beyond_repair(&self) -> bool {
        let inner = self.inner();
        let state = self.world.state();
        let lost = |cluster: &hactl_simulation::Cluster| {
            let mut voters = 0;
            let mut gone = 0;
            for member in cluster.members.iter().filter(|member| !member.learner) {
                voters += 1;
                let Some((node, machine)) = state.at(member.address) else {
                    continue;
                };
                let starts = machine.etcd_data() == Some((cluster.id, member.id))
                    && machine.tree.exists("/etc/kubernetes/manifests/etcd.yaml");
                gone += u32::from(!starts && inner.robbed.contains(node));
            }
            voters > 1 && gone * 2 >= voters
        };
        state.clusters.values().any(|cluster| {
            let mut machines = state.machines.values();
            let held = machines.any(|one| one.etcd_data().is_some_and(|(id, _)| id == cluster.id));
            held && lost(cluster)
        })
    }

    /// Whether nobody is about to start this node, and it runs.
    pub(crate) fn is_up(&self, node: &NodeName) -> bool {
        let inner = self.inner();
        !inner.awaited.contains(node) && inner.agents.contains_key(node)
    }

    fn fresh_instance(&self) -> InstanceId {
        let mut inner = self.inner();
        let (high, low) = (inner.chance.draw(), inner.chance.draw());
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_le_bytes());
        bytes[8..].copy_from_slice(&low.to_le_bytes());
        InstanceId::from_bytes(bytes)
    }

    /// One life of an agent, as the daemon wires it up.
    async fn live(&self, name: &NodeName) -> Result<(), String> {
        let context = self.context(name).ok_or("no bundle")?;
        let host = Arc::new(self.world.host(name));
        let paths = Paths::system();
        let text = |error: &dyn std::error::Error| error.to_string();
        let standing = StandingStore::open(
            Arc::clone(&host),
            &paths,
            cluster(),
            name.clone(),
            self.fresh_instance(),
        );
        let standing = Arc::new(standing.await.map_err(|error| text(&error))?);
        let operations = Operations::open(Arc::clone(&host), paths.clone(), context.clone());
        let operations = operations.await.map_err(|error| text(&error))?;
        operations.recover().await;
        let shared = Arc::new(paths.clone());
        let sponsor = Sponsor::new(Arc::clone(&host), Arc::clone(&shared), Arc::new(context));
        let rollouts = Rollouts::new(Arc::clone(&host), shared, operations.clone());
        let boot = FirstBoot::new(
            Arc::clone(&host),
            paths.clone(),
            operations.clone(),
            Arc::clone(&standing),
            Arc::new(Line::new(self.clone(), name.clone())),
            1,
        );
        let progress = boot.progress();
        let life = {
            let mut inner = self.inner();
            inner.lives += 1;
            let life = inner.lives;
            let agent = Agent {
                life,
                host: Arc::clone(&host),
                operations: operations.clone(),
                standing,
                sponsor: sponsor.clone(),
                rollouts,
                progress: progress.clone(),
            };
            inner.agents.insert(name.clone(), agent);
            life
        };
        self.checker().agent(name, true);
        self.log
            .event(|| format!("{name}'s agent is up, life {life}"));
        tokio::select! {
            biased;
            ended = boot.run() => ended.map_err(|error| text(&error)),
            () = tend(host, paths, operations, sponsor, progress) => Ok(()),
            () = self.guard(name) => Ok(()),
        }
    }

    async fn guard(&self, name: &NodeName) {
        loop {
            sleep(GUARD_EVERY).await;
            self.world.guard(name);
        }
    }
}
