//! What the checks measure a node against: the part of the spec that concerns it, or defaults of a role.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hactl_proto::finding::CheckMode;
use hactl_proto::name::{ClusterName, NodeName};
use hactl_proto::prerequisite::Check;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::{AGENT_PORT, Endpoint, EtcdTopology};
use hactl_proto::version::KubernetesVersion;

use crate::plan::NodeContext;

/// Where kubeadm puts etcd's data.
const ETCD_DATA: &str = "/var/lib/etcd";

/// What the checks measure a node against. `None` where nobody said: the check then asks for what holds everywhere.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four answers of the spec that hang on nothing else"
)]
pub struct Requirements {
    /// Control planes need more.
    pub role: NodeRole,
    /// What the node is to be called.
    pub node: Option<NodeName>,
    /// The address it advertises.
    pub address: Option<IpAddr>,
    /// The cluster's name: the key of identity digests.
    pub cluster: Option<ClusterName>,
    /// The Kubernetes to run.
    pub kubernetes: Option<KubernetesVersion>,
    /// Where its images come from; `None`: kubeadm's default.
    pub image_repository: Option<String>,
    /// Whether pods or services have IPv4 addresses.
    pub ipv4: bool,
    /// Whether pods or services have IPv6 addresses.
    pub ipv6: bool,
    /// How the API is reached.
    pub endpoint: Option<Endpoint>,
    /// Folder of this node's etcd member; `None`: it has none.
    pub etcd_data: Option<String>,
    /// Port of the agents.
    pub agent_port: u16,
    /// `cgroupDriver` that the kubelet is to have; systemd, unless the spec says otherwise.
    pub cgroup_driver: String,
    /// Whether the spec sets the kubelet's `failCgroupV1: false`.
    pub allows_cgroup_v1: bool,
    /// Whether the spec sets the kubelet's `failSwapOn: false`.
    pub allows_swap: bool,
    /// Addresses of the other control planes.
    pub peers: Vec<IpAddr>,
    /// Modes by check name; what is not named is enforced.
    pub modes: BTreeMap<String, CheckMode>,
}

impl Requirements {
    /// What the spec asks of this node.
    pub fn of(context: &NodeContext) -> Self {
        let spec = &context.spec;
        let networks = || spec.networks.pods.iter().chain(&spec.networks.services);
        let is_false = |key: &str| {
            spec.kubernetes
                .kubelet
                .get(key)
                .and_then(serde_json::Value::as_bool)
                == Some(false)
        };
        let etcd_data = match (&spec.etcd, context.role) {
            (EtcdTopology::Stacked { data_dir, .. }, NodeRole::ControlPlane) => {
                Some(data_dir.clone())
            }
            _ => None,
        };
        Self {
            role: context.role,
            node: Some(context.node.clone()),
            address: Some(context.address),
            cluster: Some(spec.name.clone()),
            kubernetes: Some(spec.kubernetes.version.clone()),
            image_repository: spec.kubernetes.image_repository.clone(),
            ipv4: networks().any(|network| network.address().is_ipv4()),
            ipv6: networks().any(|network| network.address().is_ipv6()),
            endpoint: Some(spec.endpoint.clone()),
            etcd_data,
            agent_port: spec.policies.agent_port,
            cgroup_driver: spec
                .kubernetes
                .kubelet
                .get("cgroupDriver")
                .and_then(serde_json::Value::as_str)
                .unwrap_or("systemd")
                .to_owned(),
            allows_cgroup_v1: is_false("failCgroupV1"),
            allows_swap: is_false("failSwapOn"),
            peers: spec
                .control_planes
                .iter()
                .filter(|node| node.name != context.node)
                .map(|node| node.address)
                .collect(),
            modes: spec.policies.prerequisites.clone(),
        }
    }

    /// What any node of the role needs, before there is a spec.
    pub fn of_role(role: NodeRole) -> Self {
        Self {
            role,
            node: None,
            address: None,
            cluster: None,
            kubernetes: None,
            image_repository: None,
            ipv4: true,
            ipv6: false,
            endpoint: None,
            etcd_data: (role == NodeRole::ControlPlane).then(|| ETCD_DATA.to_owned()),
            agent_port: AGENT_PORT,
            cgroup_driver: "systemd".to_owned(),
            allows_cgroup_v1: false,
            allows_swap: false,
            peers: Vec::new(),
            modes: BTreeMap::new(),
        }
    }

    /// The mode of a check.
    pub fn mode(&self, check: Check) -> CheckMode {
        self.modes.get(check.name()).copied().unwrap_or_default()
    }

    /// The minor of the Kubernetes to run; the newest that hactl knows where nobody said.
    pub fn minor(&self) -> u16 {
        self.kubernetes.as_ref().map_or(37, |version| version.minor)
    }
}
