//! Facts that only a rolling upgrade asks for: what is staged, what runs, who leads, who holds the lease.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::certificate::CertificateInventory;
use hactl_proto::name::NodeName;
use hactl_proto::rollout::agent::AgentVersion;
use hactl_proto::rollout::survey::{PackageSource, Staged};
use hactl_proto::rotation::{Authority, TrustSeen};
use hactl_proto::version::KubernetesVersion;

use super::Known;
use crate::certificate::renewal::RenewalProgress;
use crate::etcd::MemberId;
use crate::join::lease::Lease;
use crate::kubeadm::output::NodeObject;
use crate::rollout::agent_package::InstalledAgent;
use crate::rollout::packages::Offers;
use crate::rollout::progress::Progress;

/// What a rolling upgrade asks for. The default is a node of which nothing is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RolloutFacts {
    /// Where kubeadm and its kin come from.
    pub source: PackageSource,
    /// What the repositories offer; empty where binaries come from a folder.
    pub offers: Known<Offers>,
    /// Versions that lie whole in the folder of binaries.
    pub folder: BTreeSet<KubernetesVersion>,
    /// What was brought here for a version.
    pub staged: Known<Option<Staged>>,
    /// Tags of the images in the static pods' manifests, by component.
    pub manifests: Known<BTreeMap<String, String>>,
    /// Tags that run, by component, as the container runtime sees them.
    pub running: Known<BTreeMap<String, BTreeSet<String>>>,
    /// How far an upgrade has come; `None`: none was begun.
    pub progress: Known<Option<Progress>>,
    /// `kubernetesVersion` of kubeadm-config.
    pub cluster_version: Known<Option<KubernetesVersion>>,
    /// etcd's leader as this node's member knows it.
    pub leader: Known<Option<MemberId>>,
    /// The cluster's lease; read on control planes alone.
    pub lease: Known<Option<Lease>>,
    /// This node's own Node. Read on its own since a control plane whose API server is down has others to ask.
    pub node: Known<Option<NodeObject>>,
    /// What `kubeadm upgrade` would overwrite of the kubelet's configuration.
    pub kubelet_changes: Known<Vec<String>>,
    /// CAs whose rotation is under way on this node; read for an upgrade alone.
    pub rotating: Known<BTreeSet<Authority>>,
    /// Bytes free under `/var/lib/hactl` and `/etc/kubernetes`, the lesser.
    pub free_bytes: Known<u64>,
    /// The Node that a drain or its undoing is about; `None`: there is no such Node.
    pub subject: Known<Option<NodeObject>>,
    /// Pods that a drain of it would still evict, as `namespace/name`.
    pub evictable: Known<Vec<String>>,
    /// Of the control planes behind this node's load balancer, those that it was told to let go of.
    pub released: Known<BTreeSet<NodeName>>,
    /// hactl-agent as the node's package database has it; `None`: it is no package's.
    pub agent: Known<Option<InstalledAgent>>,
    /// Name and version that the package holds which the order is about; `None`: it was not brought.
    pub brought: Known<Option<(String, AgentVersion)>>,
    /// How far a renewal of certificates has come; `None`: none was begun.
    pub renewal: Known<Option<RenewalProgress>>,
    /// The certificates, with what ports serve; read for a renewal alone.
    pub certificates: Known<CertificateInventory>,
    /// The node's part in the CA that an order is about; read for a rotation alone.
    pub trust: Known<TrustSeen>,
    /// Whether a certificate and key that the agent has got for the kubelet lie ready to be put in.
    pub kubelet_pair: Known<bool>,
    /// Files of verified snapshots that are kept here.
    pub snapshots: BTreeSet<String>,
}
