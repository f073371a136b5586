//! What the rules have to remember: since when what has been so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::rollout::progress;
use hactl_proto::instruction::OperationId;
use hactl_proto::name::NodeName;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{Grant, InstanceId};
use hactl_simulation::{Cluster, State};

use crate::spec::OPERATOR;

/// Where an upgrade's progress lies.
pub(crate) const PROGRESS: &str = "/var/lib/hactl/upgrade/progress.json";

/// An operation, by the journal.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) id: OperationId,
    pub(super) kind: String,
    pub(super) fence: Option<u64>,
    pub(super) accepted: Duration,
    pub(super) ended: bool,
    /// What a drain is about.
    pub(super) subject: Option<NodeName>,
}

/// All that is remembered.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) control_planes: BTreeMap<NodeName, IpAddr>,
    /// Since when the second's etcd member does not answer the first.
    pub(super) bad: BTreeMap<(NodeName, NodeName), Duration>,
    /// Since when a member is a learner.
    pub(super) learners: BTreeMap<NodeName, Duration>,
    /// Who leads, since when.
    pub(super) leader: Option<(NodeName, Duration)>,
    /// The number of the cluster's lease, since when.
    pub(super) lease: Option<(u64, Duration)>,
    /// Since when an agent does not run, or the operator does not reach it.
    pub(super) silent: BTreeMap<NodeName, Duration>,
    down: BTreeSet<NodeName>,
    pub(super) operations: BTreeMap<NodeName, Operation>,
    pub(super) accepted: BTreeMap<NodeName, BTreeSet<OperationId>>,
    pub(super) fences: BTreeMap<NodeName, u64>,
    /// Promises that were seen on disks: by whom, to which instance.
    pub(super) promises: BTreeMap<(NodeName, InstanceId), Grant>,
    pub(super) inits: usize,
    /// What each node durably was when it was last written.
    pub(super) records: BTreeMap<NodeName, Record>,
    /// Since when a member that is none of a declared control plane is a learner.
    pub(super) stranger: Option<Duration>,
    /// Load balancers and the back ends that they were told to let go of.
    pub(super) released: BTreeSet<(NodeName, NodeName)>,
    /// When a node read etcd's member list.
    pub(super) looks: BTreeMap<NodeName, Vec<Duration>>,
    /// Rollouts of which there was a whole snapshot.
    pub(super) snapshots: BTreeSet<String>,
    /// Nodes whose upgrade is under way.
    pub(super) under_way: BTreeSet<NodeName>,
    /// Orders that were given before.
    pub(super) orders: BTreeSet<OperationId>,
}

impl Books {
    pub(super) fn new(spec: &ClusterSpec) -> Self {
        let control_planes = spec.control_planes.iter();
        let down = crate::spec::nodes(spec).map(|(node, _)| node.name.clone());
        Self {
            down: down.collect(),
            control_planes: control_planes
                .map(|node| (node.name.clone(), node.address))
                .collect(),
            ..Self::default()
        }
    }

    pub(super) fn begin(&mut self, state: &State, now: Duration) {
        self.inits = state.inits.len();
        for (node, machine) in &state.machines {
            if under_way(&machine.tree.text(PROGRESS)) {
                self.under_way.insert(node.clone());
            }
        }
        self.look(state, now);
    }

    pub(super) fn agent(&mut self, node: &NodeName, up: bool, now: Duration) {
        if up {
            self.down.remove(node);
            self.silent.remove(node);
        } else if self.down.insert(node.clone()) {
            self.silent.entry(node.clone()).or_insert(now);
        }
    }

    pub(super) fn wiped(&mut self, node: &NodeName) {
        self.operations.remove(node);
        self.accepted.remove(node);
        self.fences.remove(node);
        self.under_way.remove(node);
        self.records.remove(node);
    }

    /// Brings what has a beginning up to the state.
    pub(super) fn look(&mut self, state: &State, now: Duration) {
        let cluster = live(state);
        let controls = self.control_planes.clone();
        for (subject, address) in &controls {
            let member = cluster.and_then(|cluster| cluster.member_at(*address));
            let runs = member.is_some_and(|member| state.runs_member(member));
            for (observer, from) in &controls {
                let key = (observer.clone(), subject.clone());
                if runs && state.linked(*from, *address) {
                    self.bad.remove(&key);
                } else {
                    self.bad.entry(key).or_insert(now);
                }
            }
            if member.is_some_and(|member| member.learner) {
                self.learners.entry(subject.clone()).or_insert(now);
            } else {
                self.learners.remove(subject);
            }
        }
        let strange = cluster.is_some_and(|cluster| {
            let ours = |at| controls.values().any(|address| *address == at);
            let mut members = cluster.members.iter();
            members.any(|member| member.learner && !ours(member.address))
        });
        self.stranger = strange.then(|| self.stranger.unwrap_or(now));
        for (node, machine) in &state.machines {
            let reached = machine.powered && state.linked(OPERATOR, machine.address);
            if reached && !machine.crash.fired && !self.down.contains(node) {
                self.silent.remove(node);
            } else {
                self.silent.entry(node.clone()).or_insert(now);
            }
        }
        let leads = cluster.and_then(|cluster| {
            let id = cluster.leading()?;
            let member = cluster.members.iter().find(|member| member.id == id)?;
            controls
                .iter()
                .find(|(_, address)| **address == member.address)
        });
        if leads.map(|(node, _)| node) != self.leader.as_ref().map(|(node, _)| node) {
            self.leader = leads.map(|(node, _)| (node.clone(), now));
        }
        let number = cluster.and_then(lease_number);
        if number != self.lease.map(|(number, _)| number) {
            self.lease = number.map(|number| (number, now));
        }
    }

    /// Whether the second's member has not answered the first since then.
    pub(super) fn bad_since(
        &self,
        observer: &NodeName,
        subject: &NodeName,
        then: Duration,
    ) -> bool {
        let key = (observer.clone(), subject.clone());
        self.bad.get(&key).is_some_and(|since| *since <= then)
    }
}

/// The cluster whose data lies on disks; the one with a quorum where there are more.
pub(super) fn live(state: &State) -> Option<&Cluster> {
    let on_disk = |cluster: &&Cluster| {
        let mut machines = state.machines.values();
        machines.any(|machine| machine.etcd_data().is_some_and(|(id, _)| id == cluster.id))
    };
    let mut found = state.clusters.values().filter(on_disk);
    let first = found.next();
    found.find(|cluster| state.has_quorum(cluster)).or(first)
}

fn lease_number(cluster: &Cluster) -> Option<u64> {
    let lease = cluster.objects.get("lease/kube-system/hactl")?;
    lease["spec"]["leaseTransitions"].as_u64()
}

/// Whether a progress file tells of an upgrade that has not come to its end.
pub(crate) fn under_way(text: &str) -> bool {
    progress::read(text).is_ok_and(|progress| !progress.finished)
}
