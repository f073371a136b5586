//! The cluster as its agents describe it, at one moment. Who does not answer is part of the picture: unknown counts as
//! unhealthy.
//!
//! Asking is the shell's; this module only holds the answers and says what they mean together.

mod concern;
mod first_boot;
mod membership;
mod readiness;

#[cfg(any(test, feature = "samples"))]
pub mod samples;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use hactl_proto::Timestamp;
use hactl_proto::member::MemberView;
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::status::NodeStatus;
use serde::Serialize;

pub use concern::{Concern, concerns};
pub use first_boot::{FirstBoot, first_boot};
pub use membership::{Opinion, ZoneOpinion, opinions, worst, zone_opinions};
pub use readiness::{Readiness, readiness};

/// All that was asked of all nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// When the asking ended, by the operator's clock.
    pub at: Timestamp,
    /// The hactl cluster.
    pub cluster: ClusterId,
    /// The generation of the operator's spec.
    pub generation: u64,
    /// The operator's spec.
    pub spec: ClusterSpec,
    /// Declared nodes in the spec's order, then those that others know.
    pub nodes: Vec<ObservedNode>,
}

/// One node, and what it said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObservedNode {
    /// Its name.
    pub name: NodeName,
    /// What it is.
    pub role: NodeRole,
    /// Its zone.
    pub zone: ZoneName,
    /// Where it was asked.
    pub address: IpAddr,
    /// Whether the spec names it; others joined with an enrolment token.
    pub declared: bool,
    /// What it says of itself.
    pub status: Answer<NodeStatus>,
    /// Whom it sees.
    pub members: Answer<Vec<MemberView>>,
}

/// What a node answered, or that it did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// It answered.
    Said(T),
    /// It did not, or in a way that cannot be used.
    Silent(Silence),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// Since when it was tried.
    pub since: Timestamp,
    /// For how long, in milliseconds.
    pub tried_ms: u64,
    /// What came instead, as "connection refused".
    pub reason: String,
}

impl<T> Answer<T> {
    /// The answer, if there is one.
    pub const fn said(&self) -> Option<&T> {
        match self {
            Self::Said(answer) => Some(answer),
            Self::Silent(_) => None,
        }
    }

    /// Why there is none.
    pub const fn silence(&self) -> Option<&Silence> {
        match self {
            Self::Said(_) => None,
            Self::Silent(silence) => Some(silence),
        }
    }
}

impl Observed {
    /// The node of that name.
    pub fn node(&self, name: &NodeName) -> Option<&ObservedNode> {
        self.nodes.iter().find(|node| node.name == *name)
    }

    /// Whether every node answered everything.
    pub fn complete(&self) -> bool {
        self.nodes
            .iter()
            .all(|node| node.status.said().is_some() && node.members.said().is_some())
    }

    /// Nodes that some view names and nobody asked yet, with the address to ask: workers that enrolled.
    pub fn undeclared(&self) -> Vec<(NodeName, NodeRole, ZoneName, SocketAddr)> {
        let mut found: Vec<(NodeName, NodeRole, ZoneName, SocketAddr)> = Vec::new();
        for view in self
            .nodes
            .iter()
            .filter_map(|node| node.members.said())
            .flatten()
        {
            let known = self.node(&view.node).is_some()
                || found.iter().any(|(name, ..)| *name == view.node);
            if !known {
                found.push((
                    view.node.clone(),
                    view.role,
                    view.zone.clone(),
                    view.address,
                ));
            }
        }
        found.sort();
        found
    }
}
