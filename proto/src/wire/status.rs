//! A node's status over the wire.

use super::{WireError, field, finding, list, optional, standing, text, v1};
use crate::status::{InstalledVersions, NodeStatus};
use crate::version::KubernetesVersion;

impl From<NodeStatus> for v1::NodeStatus {
    fn from(status: NodeStatus) -> Self {
        Self {
            node: status.node.into(),
            role: v1::NodeRole::from(status.role).into(),
            zone: status.zone.into(),
            agent_version: status.agent_version,
            cluster: status.cluster.as_bytes().to_vec(),
            generation: status.generation,
            spec: status.spec.as_bytes().to_vec(),
            standing: status.standing.map(Into::into),
            operation: status.operation.map(Into::into),
            findings: status.findings.into_iter().map(Into::into).collect(),
            health: Some(status.health.into()),
            versions: Some(status.versions.into()),
            capabilities: status.capabilities,
        }
    }
}

impl TryFrom<v1::NodeStatus> for NodeStatus {
    type Error = WireError;
    fn try_from(status: v1::NodeStatus) -> Result<Self, WireError> {
        Ok(Self {
            node: text("node", &status.node)?,
            role: finding::role("role", status.role)?,
            zone: text("zone", &status.zone)?,
            agent_version: status.agent_version,
            cluster: standing::cluster("cluster", &status.cluster)?,
            generation: status.generation,
            spec: standing::spec("spec", &status.spec)?,
            standing: optional("standing", status.standing)?,
            operation: optional("operation", status.operation)?,
            findings: list("findings", status.findings)?,
            health: field("health", status.health)?,
            versions: field("versions", status.versions)?,
            capabilities: status.capabilities,
        })
    }
}

impl From<InstalledVersions> for v1::InstalledVersions {
    fn from(versions: InstalledVersions) -> Self {
        Self {
            kubeadm: versions.kubeadm.map(Into::into),
            kubelet: versions.kubelet.map(Into::into),
            kubectl: versions.kubectl.map(Into::into),
        }
    }
}

impl TryFrom<v1::InstalledVersions> for InstalledVersions {
    type Error = WireError;
    fn try_from(versions: v1::InstalledVersions) -> Result<Self, WireError> {
        let read = |name: &str, version: Option<String>| -> Result<_, WireError> {
            version
                .map(|version| text::<KubernetesVersion>(name, &version))
                .transpose()
        };
        Ok(Self {
            kubeadm: read("kubeadm", versions.kubeadm)?,
            kubelet: read("kubelet", versions.kubelet)?,
            kubectl: read("kubectl", versions.kubectl)?,
        })
    }
}
