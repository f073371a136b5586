//! Facts: what was read from the node, all at once, before anything is decided. Unknown is a value of its own.

/// Facts about the managed endpoint: HAProxy, keepalived, the interface of the address.
pub mod endpoint;
/// Facts about Kubernetes on this node: what kubeadm made, what serves, what etcd says.
pub mod kubernetes;
/// Facts about prerequisites: kernel, runtime, packages, identity, disk.
pub mod machine;
/// Facts that only a rolling upgrade asks for.
pub mod rollout;

use hactl_proto::Timestamp;

/// All that a plan is computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// When they were read, by the node's clock.
    pub at: Timestamp,
    /// Kernel, runtime, packages, identity, disk.
    pub machine: machine::MachineFacts,
    /// What kubeadm made, what serves, what etcd says.
    pub kubernetes: kubernetes::KubernetesFacts,
    /// HAProxy, keepalived, the interface of the address.
    pub endpoint: endpoint::EndpointFacts,
    /// What only a rolling upgrade asks for; unknown where the order is another.
    pub rollout: rollout::RolloutFacts,
}

/// A fact that may not have been readable; why is kept for the finding. Unknown counts as unhealthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    /// It was read.
    Is(T),
    /// It could not be read.
    Unknown(String),
}

impl<T> Default for Known<T> {
    /// Nobody looked: that counts as unhealthy too.
    fn default() -> Self {
        Self::Unknown("it was not read".to_owned())
    }
}

impl<T> Known<T> {
    /// The fact, if it was readable.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Is(fact) => Some(fact),
            Self::Unknown(_) => None,
        }
    }
}
