//! Standing: what a declared control plane answers when it is asked who it is in the first boot.
//!
//! Durable on the node that says it. The rules that move a node from one standing to the next are pure code in
//! `hactl-node-plan::bootstrap`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{ClusterId, NodeName};
use crate::spec::SpecHash;

/// One life of a node's durable state: 128 random bits drawn when the state is made, kept beside the identity key.
///
/// A bundle can make a certificate for its node at any time, so a name alone does not tell a machine from its re-imaged
/// successor, nor from a second machine with the same bundle. The instance does: it is lost with the state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId([u8; 16]);

/// The instance by which each declared control plane is known. The first one heard is kept (pinned); another one counts
/// only after an operator's [`Override`] that accepts it.
pub type Roster = BTreeMap<NodeName, InstanceId>;

/// What a node is, as it says when asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// No grant given, no cluster known, no data found.
    Virgin,
    /// Granted to one candidate at one epoch. A grant never expires by time.
    Granted(Grant),
    /// Holds every grant that it needs and has begun, or may have begun, `kubeadm init`. The grant is its own.
    Initialising(Grant),
    /// Knows of the one cluster: from now on it joins only that.
    Member(ClusterIdentity),
    /// Holds data of a cluster that hactl did not record: join-only, and no grant, until an operator looked. Seen anew at
    /// each question, never stored.
    Foreign {
        /// What was found, as "/var/lib/etcd/member".
        evidence: Vec<String>,
    },
}

/// A durable promise: this node lets this one instance of `candidate`, and nobody else, run `kubeadm init` at `epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The node that may init.
    pub candidate: NodeName,
    /// The one instance of it that may.
    pub instance: InstanceId,
    /// Raised only by an operator's override.
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
    /// Pins of CAs that are believed beside it: it is being replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
}

impl ClusterIdentity {
    /// Whether both believe one CA: while a CA is replaced some nodes are ahead of others, each stage by one.
    pub fn shares_ca(&self, other: &Self) -> bool {
        self.authorities()
            .any(|one| other.authorities().any(|other| one == other))
    }

    /// Every CA that it believes.
    pub fn authorities(&self) -> impl Iterator<Item = &str> {
        let beside = self.beside.iter().map(String::as_str);
        std::iter::once(self.ca_fingerprint.as_str()).chain(beside)
    }
}

/// What a node says of itself to another declared control plane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StandingAnswer {
    /// Who answers.
    pub node: NodeName,
    /// Which instance of it.
    pub instance: InstanceId,
    /// The hactl cluster that it holds a bundle of.
    pub cluster: ClusterId,
    /// The spec that it holds.
    pub spec: SpecHash,
    /// Its epoch: 0, raised by overrides.
    pub epoch: u64,
    /// What it is.
    pub standing: Standing,
    /// The instances by which it knows the declared control planes, itself not included.
    pub roster: Roster,
    /// Whether this node's own API server and etcd member serve now, so that others can join through it.
    pub serving: bool,
}

/// A candidate's request for a grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GrantRequest {
    /// Who wants to run `kubeadm init`: the caller itself.
    pub candidate: NodeName,
    /// Its instance.
    pub instance: InstanceId,
    /// The hactl cluster that it holds a bundle of.
    pub cluster: ClusterId,
    /// The spec that it holds.
    pub spec: SpecHash,
    /// Its epoch.
    pub epoch: u64,
    /// The instances of all whose grant it counts on, the voter and itself included. The voter keeps it with the grant.
    pub roster: Roster,
}

/// What a member tells the other declared control planes once there is a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberAnnouncement {
    /// Who says so: the caller itself.
    pub node: NodeName,
    /// Its instance.
    pub instance: InstanceId,
    /// The hactl cluster that it holds a bundle of.
    pub cluster: ClusterId,
    /// Its epoch.
    pub epoch: u64,
    /// The cluster.
    pub identity: ClusterIdentity,
}

/// An operator's word that raises the epoch: some machines are lost, these make up the control plane, that one may init.
///
/// Whoever gives it asserts two things: **no machine listed in `lost` will run again with its disk**, and there is no other
/// machine of a declared control plane's name than those of `roster` and `lost`. A node that knows of one refuses. From then
/// on everyone in the roster has to grant, whatever the spec's policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Override {
    /// The hactl cluster.
    pub cluster: ClusterId,
    /// The spec that the nodes hold.
    pub spec: SpecHash,
    /// Higher than every epoch before.
    pub epoch: u64,
    /// Who of the roster may run `kubeadm init` at this epoch.
    pub candidate: NodeName,
    /// The machines that count from now on.
    pub roster: Roster,
    /// Machines that are destroyed or wiped, by the names that they had. A declared control plane without a machine in the
    /// roster is named here, with no instance if nobody ever heard of one.
    pub lost: BTreeMap<NodeName, BTreeSet<InstanceId>>,
    /// Why, for the record.
    pub reason: String,
}

/// Why a grant, an announcement or an override was not taken. Nothing was changed on the node that says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum GrantRefusal {
    /// The two hold bundles of different clusters.
    #[error("this node holds a bundle of cluster {ours}, not {theirs}")]
    ClusterDiffers {
        /// The voter's.
        ours: ClusterId,
        /// The caller's.
        theirs: ClusterId,
    },
    /// The two nodes hold different specs.
    #[error("this node holds spec {ours}, the caller {theirs}")]
    SpecDiffers {
        /// The voter's.
        ours: SpecHash,
        /// The caller's.
        theirs: SpecHash,
    },
    /// The caller's epoch is not the voter's, or an override does not raise it.
    #[error("this node is at epoch {ours}, the caller at {theirs}")]
    EpochDiffers {
        /// The voter's.
        ours: u64,
        /// The caller's.
        theirs: u64,
    },
    /// Not the candidate that the voter's spec, or its latest override, names.
    #[error("the candidate is {wanted}, not {asked}")]
    NotTheCandidate {
        /// Whom the spec or the override names.
        wanted: NodeName,
        /// Who asked.
        asked: NodeName,
    },
    /// A node is known by another instance: it was wiped, re-imaged, or there are two of it.
    #[error(
        "{node} is known here as instance {pinned}, not {shown}: it was wiped, replaced or doubled"
    )]
    InstanceDiffers {
        /// The node in question: the candidate, the voter or any other of the roster.
        node: NodeName,
        /// The instance that is remembered.
        pinned: InstanceId,
        /// The instance that was shown.
        shown: InstanceId,
    },
    /// The candidate's roster lacks the voter.
    #[error("the roster of the request does not name {node}")]
    NotInRoster {
        /// The voter.
        node: NodeName,
    },
    /// Another candidate, or another instance of it, holds the grant.
    #[error("already granted to {} (instance {}) at epoch {}", .0.candidate, .0.instance, .0.epoch)]
    AlreadyGranted(Grant),
    /// The voter itself has begun `kubeadm init`.
    #[error("this node has begun kubeadm init at epoch {}", .0.epoch)]
    Initialising(Grant),
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
    #[error("{asked} is not a declared control plane, or not the caller")]
    NotDeclared {
        /// Who asked.
        asked: NodeName,
    },
    /// Only an operator may do that.
    #[error("an operator's certificate is wanted")]
    NotAnOperator,
    /// The override names this very machine as lost.
    #[error("the operator declared this machine (instance {instance} of {node}) lost")]
    DeclaredLost {
        /// This node.
        node: NodeName,
        /// This instance.
        instance: InstanceId,
    },
    /// The override contradicts itself.
    #[error("the override {fault}")]
    Contradiction {
        /// How, as "names its own candidate as lost".
        fault: String,
    },
}

impl InstanceId {
    /// From 16 random bytes, drawn by the caller.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Why a text is not an instance id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an instance id: 32 hexadecimal digits are wanted")]
pub struct InstanceIdError(String);

impl TryFrom<String> for InstanceId {
    type Error = InstanceIdError;
    fn try_from(text: String) -> Result<Self, InstanceIdError> {
        let mut bytes = [0; 16];
        match hex::decode_to_slice(&text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(InstanceIdError(text)),
        }
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> String {
        hex::encode(id.0)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The answer to a request for a grant: the grant as it is durable on the voter, or why not.
pub type GrantVerdict = Result<Grant, GrantRefusal>;
