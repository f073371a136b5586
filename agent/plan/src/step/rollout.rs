//! Steps of a rolling upgrade. What they are about (the target, the node) is in the instruction.

/// An effect of a rolling upgrade. Each looks whether its effect is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutStep {
    /// Brings the target's packages, and those that are installed now, to the node without putting them in.
    FetchPackages,
    /// Has the target's kubeadm name its images, pulls what is missing, and writes down what was brought.
    FetchImages,
    /// Takes a snapshot of etcd, verifies its checksum, keeps it.
    SnapshotEtcd,
    /// HAProxy gives the control plane no new connections; those that are open may end.
    ReleaseBackend,
    /// HAProxy gives it connections again as soon as its checks pass.
    ReturnBackend,
    /// Marks the Node unschedulable, and under which lease number.
    Cordon,
    /// Evicts the Node's pods through the API, as budgets allow.
    Evict,
    /// Takes the marks away; schedulable again only where hactl made it unschedulable.
    Uncordon,
    /// Copies what an upgrade changes to a place of its own.
    KeepAside,
    /// Moves etcd's leadership to another member.
    MoveLeader,
    /// Puts the target's kubeadm in.
    InstallKubeadm,
    /// `kubeadm upgrade apply` or `kubeadm upgrade node`.
    UpgradeKubeadm,
    /// Waits until the container runtime runs the static pods at the target, after the kubelet has begun anew.
    AwaitStaticPods,
    /// Waits for static pods at the target, API server and etcd member, several looks in a row.
    AwaitControlPlane,
    /// Writes down that kubeadm's part is through.
    RecordKubeadm,
    /// Puts the target's kubelet and kubectl in.
    InstallKubelet,
    /// Restarts the kubelet.
    RestartKubelet,
    /// Waits until the Node is Ready at the target, several looks in a row.
    AwaitUpgradedNode,
    /// Writes down that all is through.
    RecordUpgraded,
    /// Puts back what was kept aside of kubeadm's files; never etcd's data, never an etcd that was raised already.
    RestoreFiles,
    /// Puts back the packages that were installed.
    RestorePackages,
    /// Waits until the node is as well as it was: API server, etcd member, Node.
    AwaitRestored,
    /// Forgets the upgrade that was given up.
    ForgetUpgrade,
    /// Puts in the package of the agent that was brought.
    InstallAgent,
}

impl RolloutStep {
    /// The step's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FetchPackages => "fetch-packages",
            Self::FetchImages => "fetch-images",
            Self::SnapshotEtcd => "snapshot-etcd",
            Self::ReleaseBackend => "release-backend",
            Self::ReturnBackend => "return-backend",
            Self::Cordon => "cordon-node",
            Self::Evict => "evict-pods",
            Self::Uncordon => "uncordon-node",
            Self::KeepAside => "keep-aside",
            Self::MoveLeader => "move-etcd-leader",
            Self::InstallKubeadm => "install-kubeadm",
            // `hactl-*-kubeadm-*` is what the agent looks for to see whether a kubeadm of its own still runs.
            Self::UpgradeKubeadm => "kubeadm-upgrade",
            Self::AwaitStaticPods => "await-static-pods",
            Self::AwaitControlPlane => "await-control-plane",
            Self::RecordKubeadm => "record-kubeadm",
            Self::InstallKubelet => "install-kubelet",
            Self::RestartKubelet => "restart-kubelet",
            Self::AwaitUpgradedNode => "await-upgraded-node",
            Self::RecordUpgraded => "record-upgraded",
            Self::RestoreFiles => "restore-files",
            Self::RestorePackages => "restore-packages",
            Self::AwaitRestored => "await-restored",
            Self::ForgetUpgrade => "forget-upgrade",
            Self::InstallAgent => "install-agent",
        }
    }
}
