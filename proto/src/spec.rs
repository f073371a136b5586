//! The cluster spec as agents and controller share it: already parsed, already consistent.
//!
//! Reading YAML, naming lines and remedies is the controller's (`hactl-cluster-plan::spec`); this is the canonical form that
//! is hashed, put into bundles and voted on. Defaults are filled in before a value of this type exists.

pub mod certificates;
pub mod upgrade;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::finding::CheckMode;
use crate::name::{ClusterName, NodeName, ZoneName};
use crate::role::NodeRole;
use crate::version::KubernetesVersion;

/// One cluster, as its operator wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// The cluster's name, kubeadm's `clusterName` too.
    pub name: ClusterName,
    /// What Kubernetes to run.
    pub kubernetes: KubernetesSpec,
    /// Pod, service and node networks.
    pub networks: Networks,
    /// How the API servers are reached as one.
    pub endpoint: Endpoint,
    /// Where etcd lives.
    pub etcd: EtcdTopology,
    /// Failure domains; every node is in one.
    pub zones: Vec<ZoneName>,
    /// The fixed set of control planes, in the spec's order; their number is odd where etcd is stacked.
    pub control_planes: Vec<DeclaredNode>,
    /// Workers known by name. Others may join with an enrolment token.
    pub workers: Vec<DeclaredNode>,
    /// What makes pods reach each other: applied once, after init.
    pub pod_network: Option<PodNetwork>,
    /// Choices about safety and care.
    pub policies: Policies,
    /// How rolling upgrades are done. No grant is bound to it, and bundles of before have the defaults.
    #[serde(default)]
    pub upgrade: upgrade::UpgradePolicy,
    /// When Kubernetes' certificates are renewed. No grant is bound to it, and bundles of before have the default.
    #[serde(default)]
    pub certificates: certificates::CertificatePolicy,
}

/// The Kubernetes release and where its images come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesSpec {
    /// Named exactly: kubeadm would ask the internet otherwise.
    pub version: KubernetesVersion,
    /// `imageRepository` of kubeadm; `None` is kubeadm's own default.
    pub image_repository: Option<String>,
    /// Extra arguments of the API server, flag name without dashes to value.
    pub api_server_args: BTreeMap<String, String>,
    /// Further names and addresses in the API server's certificate.
    pub api_server_sans: Vec<String>,
    /// Fields merged into the `KubeletConfiguration`.
    pub kubelet: serde_json::Map<String, serde_json::Value>,
    /// Fields merged into the `KubeProxyConfiguration`.
    pub kube_proxy: serde_json::Map<String, serde_json::Value>,
    /// Names of kubeadm's preflight checks to ignore. Each is the operator's own choice.
    pub ignore_preflight_errors: Vec<String>,
}

/// The cluster's networks, in CIDR notation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    /// Pod network(s), two for dual stack.
    pub pods: Vec<Cidr>,
    /// Service network(s).
    pub services: Vec<Cidr>,
    /// Networks that the nodes' addresses lie in; empty means unchecked.
    pub nodes: Vec<Cidr>,
    /// Cluster DNS domain, `cluster.local` by default.
    pub dns_domain: String,
}

/// An IP network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// How the API is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// DNS name or address that clients use: kubeadm's `controlPlaneEndpoint`.
    pub host: String,
    /// Its port; not 6443 in the managed mode, the API server binds that.
    pub port: u16,
    /// Who provides it.
    pub mode: EndpointMode,
}

/// Who makes the endpoint answer. `node-local` is reserved for a later mode (HAProxy on every node).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EndpointMode {
    /// Agents run HAProxy and keepalived on the control planes; `address` moves between them.
    Managed {
        /// The virtual address; equals the host where that is an address.
        address: IpAddr,
        /// VRRP router id, 1 to 255, unique in the layer 2 segment.
        virtual_router_id: u8,
        /// Interface that carries the address; `None`: the one that holds the node's own address.
        interface: Option<String>,
    },
    /// The operator provides it; agents only check that it leads to an API server.
    External,
}

/// Where etcd runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EtcdTopology {
    /// A member on each control plane, as kubeadm does by default.
    Stacked {
        /// `/var/lib/etcd` by default.
        data_dir: String,
        /// Whether the data folder is a mount point of its own, which is then checked before etcd may start.
        own_mount: bool,
    },
    /// An etcd cluster that hactl does not run.
    External {
        /// Client URLs.
        endpoints: Vec<String>,
        /// CA file on the control planes.
        ca_file: String,
        /// Client certificate on the control planes.
        cert_file: String,
        /// Client key on the control planes.
        key_file: String,
    },
}

/// A node that the spec names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredNode {
    /// Host name and Kubernetes Node name.
    pub name: NodeName,
    /// The address that the node advertises and others reach it by.
    pub address: IpAddr,
    /// Its zone.
    pub zone: ZoneName,
}

/// The manifest that brings the pod network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodNetwork {
    /// The manifest itself, carried in the bundles of control planes: nodes may have no internet.
    pub manifest: String,
}

/// Choices about safety and care.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// How many declared control planes must have granted before `kubeadm init`.
    pub grants: GrantPolicy,
    /// The candidate for `kubeadm init`; `None`: the first declared name in the spec's order.
    pub init_node: Option<NodeName>,
    /// Mode of each prerequisite by its check name; what is not named is enforced.
    pub prerequisites: BTreeMap<String, CheckMode>,
    /// UDP and TCP port of the agents (gossip and gRPC).
    pub agent_port: u16,
    /// Whether workers that the spec does not name may join with an enrolment token.
    pub worker_enrolment: bool,
}

/// Policy for the grants of the first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantPolicy {
    /// Every declared control plane: one that is missing holds up the first boot, and is named.
    #[default]
    All,
    /// The candidate and more than half of the *others*: the candidate is in every quorum, so two quorums have to share a
    /// node besides it, or a re-imaged candidate could init twice. With three control planes that is all of them, with
    /// five it is four. Weaker than `all`: a minority that already belongs to another cluster is not heard before
    /// `kubeadm init`, and only one disk of another control plane may be lost unnoticed.
    Majority,
}

/// SHA-256 of the spec's canonical JSON: what grants are bound to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpecHash([u8; 32]);

/// The port that the API servers themselves bind.
pub const API_SERVER_PORT: u16 = 6443;
/// Default UDP and TCP port of the agents.
pub const AGENT_PORT: u16 = 7470;

impl ClusterSpec {
    /// The hash of the part that a grant is bound to: what must be equal on all before one of them inits. Workers and
    /// policies of daily care may change without it.
    pub fn bootstrap_hash(&self) -> SpecHash {
        let essence = (
            &self.name,
            &self.kubernetes.version,
            &self.networks,
            &self.endpoint,
            &self.etcd,
            &self.control_planes,
            self.policies.grants,
            &self.policies.init_node,
        );
        // Serializing plain owned data to JSON cannot fail: no map has a key that is not a string.
        let json = serde_json::to_vec(&essence).unwrap_or_default();
        SpecHash(Sha256::digest(&json).into())
    }

    /// The declared node of that name, with its role.
    pub fn declared(&self, name: &NodeName) -> Option<(&DeclaredNode, NodeRole)> {
        let find = |nodes: &'_ [DeclaredNode]| nodes.iter().position(|node| node.name == *name);
        if let Some(at) = find(&self.control_planes) {
            return Some((&self.control_planes[at], NodeRole::ControlPlane));
        }
        find(&self.workers).map(|at| (&self.workers[at], NodeRole::Worker))
    }

    /// The one node that may run `kubeadm init`: fixed by the spec, never "the lowest reachable".
    pub fn candidate(&self) -> Option<&NodeName> {
        self.policies
            .init_node
            .as_ref()
            .or_else(|| self.control_planes.first().map(|node| &node.name))
    }
}

impl SpecHash {
    /// From the 32 bytes of the wire.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash itself.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Cidr {
    /// Whether the address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                u32::from(net) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                u128::from(net) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }

    /// Whether the two networks share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.prefix <= other.prefix {
            self.contains(other.address)
        } else {
            other.contains(self.address)
        }
    }

    /// The network's address as written.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length in bits.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network in CIDR notation, such as 10.244.0.0/16")]
pub struct CidrError(String);

impl std::str::FromStr for Cidr {
    type Err = CidrError;
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            (prefix <= most).then_some(Self { address, prefix })
        });
        parsed.ok_or_else(|| CidrError(text.to_owned()))
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;
    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl TryFrom<String> for SpecHash {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl From<SpecHash> for String {
    fn from(hash: SpecHash) -> String {
        hex::encode(hash.0)
    }
}

impl fmt::Display for SpecHash {
    /// The first twelve digits: enough to tell two specs apart in a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..6]))
    }
}

impl fmt::Debug for SpecHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
