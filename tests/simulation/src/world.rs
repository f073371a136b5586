//! All machines and clusters, behind one lock: an effect on one machine is seen by the others at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::spec::ClusterSpec;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cluster::{Cluster, Member};
use crate::crash::Cut;
use crate::host::SimulatedHost;
use crate::machine::Machine;
use crate::program::ProgramModel;
use crate::watch::{Watcher, Watching};

/// Static pods answer so long after the kubelet has seen them.
const START: Duration = Duration::from_secs(3);

/// The simulated world. Cheap to clone: all clones are one.
#[derive(Debug, Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    /// Rings when a cut has happened.
    pub(crate) cut: Arc<Notify>,
}

/// What is behind the lock.
#[derive(Debug, Clone)]
pub struct State {
    /// Machines by name.
    pub machines: BTreeMap<NodeName, Machine>,
    /// Clusters by etcd's id: more than one is what must never be.
    pub clusters: BTreeMap<u64, Cluster>,
    /// Who ran `kubeadm init` and came so far as to make an etcd, in order.
    pub inits: Vec<NodeName>,
    /// So many calls of kubectl from now on find no API server.
    pub hiccups: u32,
    /// When the last command that hangs reaches its limit: until then a fault goes on.
    pub hung_until: Option<Instant>,
    /// Ways on which nothing comes through, from the first address to the second.
    pub cut: BTreeSet<(IpAddr, IpAddr)>,
    /// How long things take: 1 is about as long as on a real machine, 0 is at once.
    pub pace: f64,
    /// How long what kubeadm signs is valid, in seconds.
    pub certificate_seconds: i64,
    /// Host name or address of the endpoint: it leads to whoever serves.
    pub(crate) endpoint: String,
    /// Programs that a test or the demo brings along.
    pub(crate) programs: BTreeMap<String, ProgramModel>,
    pub(crate) watching: Watching,
    serial: u64,
    origin: Instant,
    base: Timestamp,
}

impl World {
    /// A world of the spec's nodes, each freshly installed with the spec's Kubernetes and powered on.
    pub fn of(spec: &ClusterSpec, base: Timestamp) -> Self {
        let version = spec.kubernetes.version.to_string();
        let nodes = spec.control_planes.iter().chain(&spec.workers);
        let machines = nodes.map(|node| {
            let machine = Machine::new(node.name.as_str(), node.address, &version);
            (node.name.clone(), machine)
        });
        let state = State {
            machines: machines.collect(),
            clusters: BTreeMap::new(),
            inits: Vec::new(),
            hiccups: 0,
            hung_until: None,
            cut: BTreeSet::new(),
            pace: 1.0,
            certificate_seconds: crate::pki::YEAR,
            endpoint: spec.endpoint.host.clone(),
            programs: BTreeMap::new(),
            watching: Watching::default(),
            serial: 0,
            origin: Instant::now(),
            base,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            cut: Arc::new(Notify::new()),
        }
    }

    /// Another world that is like this one now, and goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            state: Arc::new(Mutex::new(self.state().unwatched())),
            cut: Arc::new(Notify::new()),
        }
    }

    /// The machine as its agent sees it, in the agent's next life.
    pub fn host(&self, name: &NodeName) -> SimulatedHost {
        let life = {
            let mut state = self.state();
            state.settle();
            state.machines.get_mut(name).map_or(0, |machine| {
                machine.life += 1;
                machine.crash = crate::Crash::default();
                machine.life
            })
        };
        SimulatedHost::new(self.clone(), name.clone(), life)
    }

    /// The same in the life under way: for who looks on beside the agent, and must not end it.
    pub fn onlooker(&self, name: &NodeName) -> SimulatedHost {
        let life = self.state().machine(name).life;
        SimulatedHost::new(self.clone(), name.clone(), life)
    }

    /// What is behind the lock.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a program, or puts another in the place of a modelled one.
    pub fn program(&self, name: &str, model: ProgramModel) {
        self.state().programs.insert(name.to_owned(), model);
    }

    /// Has somebody watch all that happens from now on.
    pub fn watched_by(&self, watcher: Arc<Mutex<dyn Watcher>>) {
        self.state().watching = Watching::by(watcher);
    }

    /// `kill -9` of a machine's agent, now.
    pub fn kill(&self, name: &NodeName) {
        if let Some(machine) = self.state().machines.get_mut(name) {
            machine.life += 1;
        }
    }

    /// The agent's guard looks at etcd's data, as it does every ten seconds.
    pub fn guard(&self, name: &NodeName) {
        let mut state = self.state();
        if let Some(machine) = state.machines.get_mut(name)
            && machine.powered
        {
            crate::boot::guard_now(machine);
        }
        state.settle();
    }

    /// Cuts at the given place of this life of a machine's agent.
    pub fn arm(&self, name: &NodeName, place: u64, cut: Cut) {
        if let Some(machine) = self.state().machines.get_mut(name) {
            machine.crash.armed = Some((place, cut));
        }
    }

    /// Cuts where this life of a machine's agent, or a program that it runs, comes to a place with these words in its name.
    pub fn arm_at(&self, name: &NodeName, place: &'static str, cut: Cut) {
        if let Some(machine) = self.state().machines.get_mut(name) {
            machine.crash.named = Some((place, cut));
        }
    }

    /// Waits until a machine's cut has happened.
    pub async fn cut_happened(&self, name: &NodeName) {
        loop {
            let rung = self.cut.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let fired = self
                .state()
                .machines
                .get(name)
                .map(|machine| machine.crash.fired);
            if fired != Some(false) {
                return;
            }
            rung.await;
        }
    }

    /// The power of a machine goes.
    pub fn power_off(&self, name: &NodeName) {
        if let Some(machine) = self.state().machines.get_mut(name) {
            machine.powered = false;
        }
        self.state().settle();
    }

    /// The power of a machine comes; see [`crate::tree::Tree::power_cycle`] for `lose`.
    pub fn power_on(&self, name: &NodeName, lose: bool) {
        self.state().boot(name, lose);
    }

    /// Before a runtime ends: the wall clock keeps the virtual time that has passed.
    pub fn leave_runtime(&self) {
        let mut state = self.state();
        state.base = state.now();
        state.origin = Instant::now();
    }

    /// In the next runtime, whose virtual time starts anew: what ran meanwhile is long done.
    pub fn enter_runtime(&self) {
        let mut state = self.state();
        state.origin = Instant::now();
        let now = state.origin;
        let long_ago = now.checked_sub(Duration::from_mins(1)).unwrap_or(now);
        for machine in state.machines.values_mut() {
            machine.units.values_mut().for_each(|unit| unit.ends = now);
            machine.started = machine.started.map(|_| long_ago);
        }
    }
}

impl State {
    /// The true time.
    pub fn now(&self) -> Timestamp {
        let passed = self.origin.elapsed();
        self.base.checked_add(passed).unwrap_or(self.base)
    }

    /// A machine's wall clock.
    pub fn wall_clock(&self, name: &NodeName) -> Timestamp {
        let now = self.now();
        let Some(clock) = self.machines.get(name).map(|machine| machine.clock) else {
            return now;
        };
        let seconds = i64::try_from(self.origin.elapsed().as_secs()).unwrap_or(i64::MAX);
        let ahead = clock.ahead + seconds.saturating_mul(clock.drift) / 1000;
        let moved = now.as_millisecond() + ahead;
        Timestamp::from_millisecond(moved).unwrap_or(now)
    }

    /// Another like it that nobody watches.
    fn unwatched(&self) -> Self {
        Self {
            watching: Watching::default(),
            ..self.clone()
        }
    }

    /// The next number that was never used.
    pub(crate) fn number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// How long something takes at this world's pace.
    pub(crate) fn lasting(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64((seconds * self.pace).max(0.0))
    }

    /// A machine; tests and programs only name machines that exist.
    pub(crate) fn machine(&self, name: &NodeName) -> &Machine {
        &self.machines[name]
    }

    /// The machine at an address.
    pub fn at(&self, address: IpAddr) -> Option<(&NodeName, &Machine)> {
        self.machines
            .iter()
            .find(|(_, machine)| machine.address == address)
    }

    /// The cluster of the etcd member that runs on this machine, whether or not it has a quorum.
    pub fn member_running(&self, machine: &Machine) -> Option<(&Cluster, &Member)> {
        let up = machine.runs("kubelet")
            && machine.tree.exists("/etc/kubernetes/manifests/etcd.yaml")
            && machine
                .started
                .is_some_and(|since| since.elapsed() >= self.lasting(START.as_secs_f64()));
        let (cluster, id) = machine.etcd_data().filter(|_| up)?;
        let cluster = self.clusters.get(&cluster)?;
        let member = cluster.members.iter().find(|member| member.id == id)?;
        Some((cluster, member))
    }

    /// Whether this member's process runs.
    pub fn runs_member(&self, member: &Member) -> bool {
        let machine = self.at(member.address).map(|(_, machine)| machine);
        let found = machine.and_then(|machine| self.member_running(machine));
        found.is_some_and(|(_, found)| found.id == member.id)
    }

    /// Whether more than half of the voters run and reach each other.
    pub fn has_quorum(&self, cluster: &Cluster) -> bool {
        let mut voters = cluster.members.iter().filter(|member| !member.learner);
        voters.any(|member| self.runs_member(member) && self.quorum_at(cluster, member.address))
    }

    /// Whether the member at an address, if it runs, reaches more than half of the voters.
    pub fn quorum_at(&self, cluster: &Cluster, address: IpAddr) -> bool {
        let voters = || cluster.members.iter().filter(|member| !member.learner);
        let reached = voters().filter(|one| {
            self.linked(address, one.address)
                && self.runs_member(one)
                && self.peers(address, one.address)
        });
        reached.count() > voters().count() / 2
    }

    /// etcd's members elect anew where the leader is gone.
    pub(crate) fn elect(&mut self) {
        let mut elected = Vec::new();
        for cluster in self.clusters.values() {
            let mut voters = cluster.members.iter().filter(|member| !member.learner);
            let leads = |member: &Member| {
                self.runs_member(member) && self.quorum_at(cluster, member.address)
            };
            let stays = cluster
                .members
                .iter()
                .any(|one| one.id == cluster.leader && leads(one));
            if let Some(member) = voters.find(|member| !stays && leads(member)) {
                elected.push((cluster.id, member.id));
            }
        }
        for (cluster, leader) in elected {
            if let Some(cluster) = self.clusters.get_mut(&cluster) {
                cluster.leader = leader;
            }
        }
    }

    /// Whether a connection between two addresses comes about: packets pass both ways.
    pub fn linked(&self, one: IpAddr, other: IpAddr) -> bool {
        let isolated = |ip| self.at(ip).is_some_and(|(_, machine)| machine.isolated);
        one == other
            || !(isolated(one)
                || isolated(other)
                || self.cut.contains(&(one, other))
                || self.cut.contains(&(other, one)))
    }

    /// The cluster that this machine's own API server serves now.
    pub fn served_by(&self, machine: &Machine) -> Option<&Cluster> {
        let up = machine
            .tree
            .exists("/etc/kubernetes/manifests/kube-apiserver.yaml");
        // A learner answers no reads that have to be current: the API server beside it is not ready.
        let (cluster, _) = self
            .member_running(machine)
            .filter(|(_, member)| up && !member.learner)?;
        let stores = crate::trust::stores(machine);
        (stores && self.quorum_at(cluster, machine.address)).then_some(cluster)
    }

    /// Whether one of a cluster's API servers is reached from a machine.
    pub(crate) fn serves_to(&self, cluster: u64, asker: &Machine) -> bool {
        self.machines.values().any(|machine| {
            self.linked(asker.address, machine.address)
                && self
                    .served_by(machine)
                    .is_some_and(|found| found.id == cluster)
        })
    }

    /// The cluster that answers at a host name or address, as seen from a machine.
    pub(crate) fn reached(&self, from: &NodeName, host: &str) -> Option<u64> {
        let host = host.trim_matches(['[', ']']);
        let asker = self.machine(from);
        let address: Option<IpAddr> = host.parse().ok();
        if let Some(machine) = address.and_then(|ip| self.route(asker, ip)) {
            return self.served_by(machine).map(|cluster| cluster.id);
        }
        if host != self.endpoint {
            return None;
        }
        let mut back_ends = self
            .machines
            .values()
            .filter(|machine| self.linked(asker.address, machine.address));
        back_ends.find_map(|machine| self.served_by(machine).map(|cluster| cluster.id))
    }

    /// The machine at an address, if the asker's packets get there.
    pub(crate) fn route<'a>(&'a self, asker: &'a Machine, to: IpAddr) -> Option<&'a Machine> {
        let found = self.at(to).map(|(_, machine)| machine);
        match found {
            Some(machine) => self
                .linked(asker.address, machine.address)
                .then_some(machine),
            // The demo's machines are on loopback addresses of their own.
            None => (to == Ipv4Addr::LOCALHOST || to == Ipv6Addr::LOCALHOST).then_some(asker),
        }
    }
}
