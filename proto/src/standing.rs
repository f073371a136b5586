//! Standing: what a declared control plane answers when it is asked who it is in the first boot.
//!
//! Durable on the node that says it. The rules that move a node from one standing to the next are pure code in
//! `hactl-node-plan::bootstrap`.

use serde::{Deserialize, Serialize};

use crate::name::{ClusterId, NodeName};
use crate::spec::SpecHash;

/// What a node durably is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// No grant given, no cluster known, no data found.
    Virgin,
    /// Granted to one candidate at one epoch. A grant never expires by time.
    Granted(Grant),
    /// Knows of the one cluster: from now on it joins only that.
    Member(ClusterIdentity),
    /// Holds data of a cluster that hactl did not record: join-only, and no grant, until an operator looked.
    Foreign {
        /// What was found, as "/var/lib/etcd/member".
        evidence: Vec<String>,
    },
}

/// A durable promise: this node lets `candidate`, and nobody else, run `kubeadm init` at `epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The node that may init.
    pub candidate: NodeName,
    /// Raised only by an operator's signed override.
    pub epoch: u64,
    /// The spec that both sides hold.
    pub spec: SpecHash,
}

/// What identifies the one Kubernetes cluster after its init.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClusterIdentity {
    /// `sha256:<hex>` over the public key of the Kubernetes CA, kubeadm's own pin format.
    pub ca_fingerprint: String,
    /// etcd's cluster id, hexadecimal; absent with external etcd.
    pub etcd_cluster_id: Option<String>,
}

/// What a node says of itself to another declared control plane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StandingAnswer {
    /// Who answers.
    pub node: NodeName,
    /// The hactl cluster that it holds a bundle of.
    pub cluster: ClusterId,
    /// The spec that it holds.
    pub spec: SpecHash,
    /// What it is.
    pub standing: Standing,
    /// Whether this node's own API server and etcd member serve now, so that others can join through it.
    pub serving: bool,
}

/// Why a grant was not given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum GrantRefusal {
    /// The two nodes hold different specs.
    #[error("this node holds spec {ours}, the candidate {theirs}")]
    SpecDiffers {
        /// The voter's.
        ours: SpecHash,
        /// The candidate's.
        theirs: SpecHash,
    },
    /// Not the candidate that the voter's spec names.
    #[error("the spec's candidate is {wanted}, not {asked}")]
    NotTheCandidate {
        /// Whom the spec names.
        wanted: NodeName,
        /// Who asked.
        asked: NodeName,
    },
    /// Another candidate, or an older epoch, holds the grant.
    #[error("already granted to {} at epoch {}", .0.candidate, .0.epoch)]
    AlreadyGranted(Grant),
    /// A cluster exists: join it.
    #[error("a cluster exists with CA {}: join only", .0.ca_fingerprint)]
    Member(ClusterIdentity),
    /// Data of an unknown cluster lies on the voter.
    #[error("data of an unknown cluster lies here: {}", .evidence.join(", "))]
    Foreign {
        /// What was found.
        evidence: Vec<String>,
    },
    /// The caller's certificate names another node, or none of the declared control planes.
    #[error("{asked} is not a declared control plane")]
    NotDeclared {
        /// Who asked.
        asked: NodeName,
    },
}
