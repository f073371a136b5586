//! Facts about Kubernetes on this node: what kubeadm left, what serves, what etcd and the API say.

use std::collections::BTreeSet;

use hactl_proto::version::KubernetesVersion;

use super::Known;
use crate::etcd::guard::EtcdMarker;
use crate::etcd::{EtcdMember, EtcdView};
use crate::kubeadm::layout::STATIC_PODS;
use crate::kubeadm::output::NodeObject;

/// What kubeadm made, what serves, what etcd says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KubernetesFacts {
    /// The installed kubeadm.
    pub kubeadm: Known<KubernetesVersion>,
    /// A transient unit of ours in which kubeadm still runs, from before the agent's last start.
    pub running: Known<Option<String>>,
    /// What lies on the node.
    pub files: Known<KubernetesFiles>,
    /// This node's own API server.
    pub api_server: ApiServer,
    /// What this node's etcd member says of the whole; absent where none could be running.
    pub etcd: Known<Option<EtcdView>>,
    /// This node's member in that view, by its peer URL.
    pub member: Option<EtcdMember>,
    /// This node's own Node object; `None`: the API has none.
    pub node: Known<Option<NodeObject>>,
    /// What has to be, or must not be, in the cluster after an init. Asked on control planes only.
    pub cluster: Known<ClusterObjects>,
    /// The marker of a complete etcd member.
    pub marker: Known<Option<EtcdMarker>>,
    /// Whether the guard against an empty etcd is hooked into the kubelet's start.
    pub guarded: Known<bool>,
    /// `sha256:<hex>` over the public key of the cluster's CA, kubeadm's own pin; `None`: no CA here.
    pub ca_fingerprint: Known<Option<String>>,
}

/// What lies on the node, by bare name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KubernetesFiles {
    /// In `/etc/kubernetes`: `admin.conf` and its kin.
    pub kubeconfigs: BTreeSet<String>,
    /// In `/etc/kubernetes/manifests`.
    pub manifests: BTreeSet<String>,
    /// In `/etc/kubernetes/pki`, folders too.
    pub pki: BTreeSet<String>,
    /// Whether etcd's data folder holds a write-ahead log.
    pub etcd_data: bool,
    /// Whether the kubelet has a configuration.
    pub kubelet_config: bool,
}

/// This node's own API server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiServer {
    /// Whether `/readyz` answers 200.
    pub ready: Known<bool>,
    /// Whether `/livez` answers 200.
    pub live: Known<bool>,
}

/// What an init leaves in the cluster, and what has to be gone after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterObjects {
    /// Names of what kubeadm's later phases make and is missing, as `configmap/kubeadm-config`.
    pub missing: Vec<String>,
    /// Bootstrap tokens that our own init made, by their Secrets' names.
    pub init_tokens: Vec<String>,
    /// Whether kubeadm-config says `initial-cluster-state: existing` for etcd.
    pub etcd_existing: bool,
    /// Hash of the pod network's manifest that was applied last.
    pub pod_network: Option<String>,
}

impl KubernetesFiles {
    /// What an init or a join has left here, as paths for messages; empty: nothing.
    pub fn evidence(&self, data_dir: &str) -> Vec<String> {
        let mut evidence = Vec::new();
        if self.etcd_data {
            evidence.push(format!("{data_dir}/member"));
        }
        evidence.extend(
            self.manifests
                .iter()
                .map(|name| format!("/etc/kubernetes/manifests/{name}")),
        );
        evidence.extend(
            self.kubeconfigs
                .iter()
                .map(|name| format!("/etc/kubernetes/{name}")),
        );
        evidence.extend(
            self.pki
                .iter()
                .map(|name| format!("/etc/kubernetes/pki/{name}")),
        );
        if self.kubelet_config {
            evidence.push("/var/lib/kubelet/config.yaml".to_owned());
        }
        evidence
    }

    /// Whether the static pods of a control plane are all there; with an etcd elsewhere its own is not wanted.
    pub fn control_plane(&self, stacked: bool) -> bool {
        STATIC_PODS
            .iter()
            .filter(|name| stacked || **name != "etcd.yaml")
            .all(|name| self.manifests.contains(*name))
    }

    /// Whether the kubelet was bootstrapped.
    pub fn bootstrapped(&self) -> bool {
        self.kubeconfigs.contains("kubelet.conf")
    }
}

impl ApiServer {
    /// Whether it is known to serve.
    pub fn serves(&self) -> bool {
        self.ready == Known::Is(true) && self.live == Known::Is(true)
    }
}

impl KubernetesFacts {
    /// Whether this node's etcd member is started, votes and is well.
    pub fn member_votes(&self) -> bool {
        let Known::Is(Some(view)) = &self.etcd else {
            return false;
        };
        self.member
            .as_ref()
            .is_some_and(|member| !member.learner && view.healthy(member))
    }

    /// Whether this node serves the API now: others can join through it.
    pub fn serving(&self, stacked: bool) -> bool {
        self.api_server.serves() && (!stacked || self.member_votes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_plane_has_all_its_static_pods_and_an_etcd_only_where_it_is_stacked() {
        let mut files = KubernetesFiles {
            manifests: STATIC_PODS.map(str::to_owned).into(),
            ..KubernetesFiles::default()
        };
        assert!(files.control_plane(true) && files.control_plane(false));
        files.manifests.remove("etcd.yaml");
        assert!(!files.control_plane(true) && files.control_plane(false));
        files.manifests.remove("kube-scheduler.yaml");
        assert!(!files.control_plane(false));
    }
}
