//! Whether a node can carry its part of the cluster now, from what it says of its components and of its Node.

use hactl_proto::health::{ComponentHealth, HealthDigest};
use hactl_proto::role::NodeRole;
use hactl_proto::spec::EtcdTopology;
use hactl_proto::status::NodeStatus;
use serde::Serialize;

use super::{Observed, ObservedNode};

/// Whether a node is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "ready", content = "components")]
pub enum Readiness {
    /// Every component that it should have answers as it should, and its Node is Ready.
    Yes,
    /// These do not: they answer wrongly, they are absent, or the node could not tell.
    No(Vec<&'static str>),
    /// The node does not answer.
    Unknown,
}

/// Judges one node.
pub fn readiness(observed: &Observed, node: &ObservedNode) -> Readiness {
    let Some(status) = node.status.said() else {
        return Readiness::Unknown;
    };
    let stacked = matches!(observed.spec.etcd, EtcdTopology::Stacked { .. });
    let wanted = components(&status.health, node.role, stacked);
    let mut missing: Vec<&str> = wanted
        .into_iter()
        .filter(|(_, health)| *health != ComponentHealth::Healthy)
        .map(|(name, _)| name)
        .collect();
    missing.extend(node_ready(status));
    if missing.is_empty() {
        Readiness::Yes
    } else {
        Readiness::No(missing)
    }
}

/// The agent asks the API for its node's own Node, and finds fault where that is not Ready, or not known to be.
fn node_ready(status: &NodeStatus) -> Option<&'static str> {
    let mut findings = status.findings.iter();
    findings
        .any(|finding| finding.check == "node-ready")
        .then_some("node")
}

fn components(
    health: &HealthDigest,
    role: NodeRole,
    stacked: bool,
) -> Vec<(&'static str, ComponentHealth)> {
    let mut wanted = vec![
        ("containerd", health.containerd),
        ("kubelet", health.kubelet),
    ];
    if role == NodeRole::ControlPlane {
        wanted.push(("api-server", health.api_server));
        if stacked {
            wanted.push(("etcd", health.etcd));
        }
    }
    wanted
}
