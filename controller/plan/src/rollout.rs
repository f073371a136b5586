//! Rolling upgrades, the cluster's side: what was seen becomes a frozen plan or every reason against one; a plan and what is
//! seen now become the next thing to do. Pure functions; nothing is remembered between two decisions but the plan.

mod agents;
mod blockers;
mod done;
mod gate;
mod hops;
mod leftovers;
mod memory;
mod next;
mod plan;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::Timestamp;
use hactl_proto::finding::Finding;
use hactl_proto::name::{ClusterName, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::{ClusterSurvey, NodeSurvey};
use hactl_proto::spec::ClusterSpec;
use hactl_proto::version::KubernetesVersion;
use serde::{Deserialize, Serialize};

use crate::observed::Answer;

pub use agents::{AgentDecision, AgentPlan, AgentRequest, next_agent, plan_agents};
pub use hactl_proto::spec::upgrade::UpgradePolicy as Policy;
pub use leftovers::{Leftover, abandoned, in_the_middle, leftovers, untold};
pub use memory::{Memory, Soak};
pub use next::{Decision, Work, decide};
pub use plan::plan;

/// The cluster as an upgrade sees it, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// When, by the operator's clock.
    pub at: Timestamp,
    /// The operator's spec.
    pub spec: ClusterSpec,
    /// Every node that is declared or known to others, in the spec's order.
    pub nodes: Vec<SeenNode>,
    /// The cluster, by the word of one control plane that serves; why there is none.
    pub cluster: Result<ClusterSurvey, String>,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenNode {
    /// Its name.
    pub name: NodeName,
    /// What it is.
    pub role: NodeRole,
    /// Its zone.
    pub zone: ZoneName,
    /// What it says.
    pub survey: Answer<NodeSurvey>,
    /// Whether its agent understands upgrades.
    pub capable: bool,
}

/// What the operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The version.
    pub to: KubernetesVersion,
    /// How it is to be done.
    pub policy: Policy,
    /// Only workers of these zones; all where empty. Control planes always go first, all of them.
    pub zones: BTreeSet<ZoneName>,
    /// Only these workers; all where empty.
    pub nodes: BTreeSet<NodeName>,
}

/// A frozen plan. What is carried out is this; where each node stands is seen anew each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutPlan {
    /// The rollout's number.
    pub number: u64,
    /// The cluster.
    pub cluster: ClusterName,
    /// What runs, the lowest of all API servers.
    pub from: KubernetesVersion,
    /// What is to run.
    pub to: KubernetesVersion,
    /// When it was made.
    pub made: Timestamp,
    /// How it is done.
    pub policy: Policy,
    /// One minor at a time. Empty: all is there.
    pub hops: Vec<Hop>,
}

/// One step of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// From.
    pub from: KubernetesVersion,
    /// To.
    pub to: KubernetesVersion,
    /// What is done, in order.
    pub phases: Vec<Phase>,
}

/// One kind of work on nodes, batch by batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phase {
    /// What.
    pub kind: PhaseKind,
    /// The nodes of a batch are done together, one batch after another.
    pub batches: Vec<Vec<NodeName>>,
}

/// What is done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    /// Packages and images are brought.
    Stage,
    /// etcd's snapshot is taken and verified.
    Snapshot,
    /// The nodes of the phase before are looked at until so many looks in a row found all well.
    Soak,
    /// Control planes: static pods, and the kubelet where the minor stays.
    ControlPlanes,
    /// The kubelets of control planes, once every API server is there: where the minor changes.
    Kubelets,
    /// etcd, where the target's kubeadm brings another one.
    Etcd,
    /// Workers.
    Workers,
}

/// A reason against a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Blocker {
    /// The node; absent: the cluster.
    pub node: Option<NodeName>,
    /// What, with its remedy.
    #[serde(flatten)]
    pub finding: Finding,
}

impl PhaseKind {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Snapshot => "snapshot etcd",
            Self::Soak => "soak",
            Self::ControlPlanes => "control planes",
            Self::Kubelets => "kubelets of control planes",
            Self::Etcd => "etcd",
            Self::Workers => "workers",
        }
    }

    /// What of a node it upgrades; `None`: it does not touch what runs.
    pub const fn part(self, minor_changes: bool) -> Option<UpgradePart> {
        match self {
            Self::Stage | Self::Snapshot | Self::Soak => None,
            Self::ControlPlanes if minor_changes => Some(UpgradePart::ControlPlane),
            Self::ControlPlanes | Self::Workers => Some(UpgradePart::Whole),
            Self::Kubelets => Some(UpgradePart::Kubelet),
            Self::Etcd => Some(UpgradePart::Etcd),
        }
    }
}

impl Hop {
    /// Whether the minor changes.
    pub fn minor_changes(&self) -> bool {
        self.from.minor != self.to.minor
    }
}

impl Seen {
    /// The control planes, in order.
    pub fn control_planes(&self) -> impl Iterator<Item = &SeenNode> {
        self.nodes
            .iter()
            .filter(|node| node.role == NodeRole::ControlPlane)
    }

    /// Nodes by name.
    fn by_name(&self) -> BTreeMap<&NodeName, &SeenNode> {
        self.nodes.iter().map(|node| (&node.name, node)).collect()
    }
}

impl SeenNode {
    /// The version that its API server's manifest names.
    pub fn api_server(&self) -> Option<KubernetesVersion> {
        self.survey
            .said()?
            .static_pods
            .get("kube-apiserver")?
            .parse()
            .ok()
    }
}
