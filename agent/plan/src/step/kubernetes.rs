//! Steps that change Kubernetes on this node.
//!
//! They carry no secrets and no texts: what they write is rendered from the node's spec and the instruction when they run.

use crate::kubeadm::command::Entrance;

/// Steps that change Kubernetes on this node. Each looks whether its effect is there already, and is done only when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubernetesStep {
    /// Hooks the guard against an empty etcd into the kubelet's start.
    InstallEtcdGuard,
    /// `kubeadm reset`, and what it leaves: etcd's data, the marker. Refuses where a member that votes lives here.
    Reset,
    /// Writes kubeadm's configuration to tmpfs and has kubeadm check it.
    WriteConfig(Entrance),
    /// kubeadm's own preflight, which pulls missing images.
    Preflight(Entrance),
    /// `kubeadm init`.
    Init,
    /// `kubeadm join`.
    Join,
    /// The phases that an interrupted init left undone.
    FinishInit,
    /// The phases that an interrupted join of a control plane left undone.
    FinishJoin,
    /// Waits for this node's API server: `/readyz` and `/livez`.
    AwaitApiServer,
    /// Waits for this node's etcd member: started, voting, healthy.
    AwaitEtcdMember,
    /// Waits for this node's Node: registered and Ready.
    AwaitNode,
    /// Writes down that here lives an etcd member.
    RecordEtcdMember,
    /// Removes the bootstrap tokens and certificates that init left in the cluster, and checks that they are gone.
    RemoveInitSecrets,
    /// Makes `initial-cluster-state: existing` hold for all etcd that comes after this init.
    KeepEtcdExisting,
    /// Applies the pod network's manifest.
    ApplyPodNetwork,
    /// Labels the Node with its zone.
    LabelZone,
    /// Removes kubeadm's configuration from tmpfs.
    RemoveConfig,
}

impl KubernetesStep {
    /// The step's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::InstallEtcdGuard => "install-etcd-guard",
            Self::Reset => "kubeadm-reset",
            Self::WriteConfig(_) => "write-kubeadm-config",
            Self::Preflight(_) => "kubeadm-preflight",
            Self::Init => "kubeadm-init",
            Self::Join => "kubeadm-join",
            Self::FinishInit => "finish-kubeadm-init",
            Self::FinishJoin => "finish-kubeadm-join",
            Self::AwaitApiServer => "await-api-server",
            Self::AwaitEtcdMember => "await-etcd-member",
            Self::AwaitNode => "await-node",
            Self::RecordEtcdMember => "record-etcd-member",
            Self::RemoveInitSecrets => "remove-init-secrets",
            Self::KeepEtcdExisting => "keep-etcd-existing",
            Self::ApplyPodNetwork => "apply-pod-network",
            Self::LabelZone => "label-zone",
            Self::RemoveConfig => "remove-kubeadm-config",
        }
    }
}
