//! An instruction: an order to one node. Carried out, it becomes an operation.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rollout::RolloutOrder;
use crate::secret::Secret;

/// Names one operation: chosen by the sender, unique in the cluster, used in unit names and the journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(String);

/// Why a text is not an operation id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an operation id: 1 to 40 of a-z, 0-9 and '-' are wanted")]
pub struct OperationIdError(String);

impl OperationId {
    /// Parses the text. It becomes part of a systemd unit's name, hence the narrow alphabet.
    pub fn new(text: impl Into<String>) -> Result<Self, OperationIdError> {
        let text = text.into();
        let fits = (1..=40).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text))
        } else {
            Err(OperationIdError(text))
        }
    }

    /// The id of an order that a node gives itself, at a millisecond of its own clock. Of a long name as much as fits.
    pub fn own(order: &Order, at: Timestamp) -> Self {
        Self(format!("{:.26}-{}", order.kind(), at.as_millisecond()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Proof of the right to disrupt: the cluster's lease and its fencing number. Numbers only grow; an agent refuses
/// one that is lower than the highest it has seen, also when it comes late (I1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fence(pub u64);

/// An order to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The operation that it becomes. The same id again is the same order (I13).
    pub id: OperationId,
    /// The spec's generation that it was computed from.
    pub generation: u64,
    /// The lease it is given under; first boot's own steps, before there is an API server, have none.
    pub fence: Option<Fence>,
    /// What to do.
    pub order: Order,
}

/// What to do. Typed verbs only: nothing carries a shell command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Put the node's prerequisites right.
    Prepare,
    /// Run `kubeadm init` here. Given only by the node itself, holding every grant.
    Init,
    /// Join as a control plane.
    JoinControlPlane(JoinCredentials),
    /// Join as a worker.
    JoinWorker(JoinCredentials),
    /// Clean away what a half-done init or join left. The etcd member is gone already, by id, verified from elsewhere.
    Clean,
    /// A step of a rolling upgrade. Given only under the cluster's lease.
    Rollout(RolloutOrder),
}

/// What a join needs, minted for it seconds before. Held in memory only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinCredentials {
    /// `host:port` to fetch `cluster-info` from.
    pub api_server: String,
    /// Bootstrap token `[a-z0-9]{6}.[a-z0-9]{16}`.
    pub token: Secret,
    /// `sha256:<hex>` of the CA's public key.
    pub ca_cert_hash: String,
    /// Key of the uploaded certificates; control planes only.
    pub certificate_key: Option<Secret>,
    /// etcd counts on the joiner's member: it voted and was well when the node was admitted (I9). Nothing may reset the node then.
    pub etcd_member_kept: bool,
}

impl Order {
    /// The order's name in the journal, unit names, metrics and tables.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Init => "init",
            Self::JoinControlPlane(_) => "join-control-plane",
            Self::JoinWorker(_) => "join-worker",
            Self::Clean => "clean",
            Self::Rollout(order) => order.kind(),
        }
    }
}
