//! Roles: what a node is in Kubernetes, and what a certificate's holder may ask of an agent.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a node is in its Kubernetes cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// Runs etcd and the API server; one of the declared, fixed set.
    ControlPlane,
    /// Runs workloads only.
    Worker,
}

/// Who calls: the role in the caller's certificate, from its SPIFFE-style URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerRole {
    /// A person who may change the cluster.
    Operator,
    /// A person or a program that only reads.
    Viewer,
    /// The agent of a declared control plane.
    ControlPlane,
    /// The agent of a worker.
    Worker,
}

impl NodeRole {
    /// The text used in certificates, tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Worker => "worker",
        }
    }
}

impl CallerRole {
    /// The text used in certificates, tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::ControlPlane => "control-plane",
            Self::Worker => "worker",
        }
    }

    /// Reads [`CallerRole::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Operator,
            Self::Viewer,
            Self::ControlPlane,
            Self::Worker,
        ]
        .into_iter()
        .find(|role| role.as_str() == text)
    }
}

impl From<NodeRole> for CallerRole {
    fn from(role: NodeRole) -> Self {
        match role {
            NodeRole::ControlPlane => Self::ControlPlane,
            NodeRole::Worker => Self::Worker,
        }
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for CallerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
