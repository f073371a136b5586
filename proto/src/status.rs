//! A node's status: all that its agent says of it on one screen.

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::health::HealthDigest;
use crate::name::{ClusterId, NodeName, ZoneName};
use crate::report::OperationStatus;
use crate::role::NodeRole;
use crate::spec::SpecHash;
use crate::standing::Standing;
use crate::version::KubernetesVersion;

/// What an agent says of its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The node.
    pub node: NodeName,
    /// What it is declared to be.
    pub role: NodeRole,
    /// Its zone.
    pub zone: ZoneName,
    /// The agent's own version.
    pub agent_version: String,
    /// The hactl cluster that it holds a bundle of.
    pub cluster: ClusterId,
    /// The generation of its bundle.
    pub generation: u64,
    /// The bootstrap hash of its spec.
    pub spec: SpecHash,
    /// What it durably is in the first boot; control planes only.
    pub standing: Option<Standing>,
    /// The operation under way, else the last one.
    pub operation: Option<OperationStatus>,
    /// Prerequisites that do not hold, as last looked at.
    pub findings: Vec<Finding>,
    /// The newest digest that the node gossips.
    pub health: HealthDigest,
    /// What is installed.
    pub versions: InstalledVersions,
    /// What this agent understands beyond the first protocol, as `join-v1`.
    pub capabilities: Vec<String>,
}

/// Versions of Kubernetes' programs on the node; `None`: not installed, or unreadable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InstalledVersions {
    /// `kubeadm version`.
    pub kubeadm: Option<KubernetesVersion>,
    /// `kubelet --version`.
    pub kubelet: Option<KubernetesVersion>,
    /// `kubectl version --client`.
    pub kubectl: Option<KubernetesVersion>,
}
