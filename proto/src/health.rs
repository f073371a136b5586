//! The health digest: what a node says of itself, small enough to gossip.
//!
//! Gossip is for health, never for truth: nothing that must be exclusive is decided by a digest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::IdentityFingerprint;
use crate::version::KubernetesVersion;

/// One component's state as the node itself sees it. Unknown counts as unhealthy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ComponentHealth {
    /// It could not be asked, or was not asked yet.
    #[default]
    Unknown,
    /// The node has no such component, and should not.
    Absent,
    /// It answers as it should.
    Healthy,
    /// It answers wrongly or not at all.
    Unhealthy,
}

/// A node's own summary. `version` orders the digests of one boot; a higher boot epoch beats any version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HealthDigest {
    /// Raised by the node at each change.
    pub version: u32,
    /// When the node made it, by its own clock.
    pub at: Timestamp,
    /// Names of the prerequisites that do not hold now.
    pub findings: Vec<String>,
    /// The container runtime.
    pub containerd: ComponentHealth,
    /// The kubelet (`127.0.0.1:10248/healthz`).
    pub kubelet: ComponentHealth,
    /// The API server of this node (`/readyz` and `/livez`).
    pub api_server: ComponentHealth,
    /// The etcd member of this node.
    pub etcd: ComponentHealth,
    /// The load balancer of this node, in the managed mode.
    pub endpoint: ComponentHealth,
    /// The installed kubelet's version.
    pub kubelet_version: Option<KubernetesVersion>,
    /// The agent's own version.
    pub agent_version: String,
    /// The soonest end of a Kubernetes certificate on the node.
    pub certificate_expiry: Option<Timestamp>,
    /// This node's clock against the median of its peers, in milliseconds.
    pub clock_offset_ms: Option<i32>,
    /// 99th percentile of fsync on etcd's disk, in microseconds.
    pub fsync_p99_us: Option<u32>,
    /// Per cent of the root file system in use.
    pub disk_used_percent: Option<u8>,
    /// Digests of what must be unique among members; `None`: not read yet.
    pub identity: Option<IdentityFingerprint>,
}
