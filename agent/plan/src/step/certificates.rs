//! Steps of a renewal of certificates on a control plane, and of a rotation of their CA.

/// A static pod that has to begin anew to take up new certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StaticPod {
    /// etcd. It reads its own certificates at each handshake and is begun anew for certainty, first of all.
    Etcd,
    /// The API server: its client certificate towards etcd is read once.
    ApiServer,
    /// The controller manager: its kubeconfig is read once.
    ControllerManager,
    /// The scheduler: the same.
    Scheduler,
}

/// An effect of a renewal. Each looks whether its effect is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateStep {
    /// Copies certificates, keys and kubeconfigs to a place of their own, and writes down the serial numbers.
    Keep,
    /// `kubeadm certs renew all`; done when every serial number is another.
    Renew,
    /// Takes the pod's manifest away until the container runtime runs it no more, puts it back, waits until it is well.
    Restart(StaticPod),
    /// Compares what each port serves with its file.
    VerifyServed,
    /// Waits for API server and etcd member, several looks in a row.
    AwaitControlPlane,
    /// Writes down that all is through.
    Record,
    /// Has the CA's file hold the successor too, behind the one that signs.
    TrustSuccessor,
    /// Puts the successor's pair in the place of the one that signs, which stays believed; that one's pair lies aside.
    SignWithSuccessor,
    /// Has the CA's file hold the successor alone.
    TrustSuccessorAlone,
    /// Has the cluster publish again which CA of clients, or of front proxies, extension API servers believe.
    Republish,
    /// Removes the pairs of all CAs but the successor's.
    ForgetOthers,
    /// Puts the pairs in that lie ready for the kubelet, restarts the kubelet, waits until it is well.
    InstallKubelet,
    /// Restarts the kubelet, waits until it is well.
    RestartKubelet,
    /// Has HAProxy read the CA anew that it verifies API servers with.
    ReloadHaproxy,
    /// Has the config map that joining nodes read, `cluster-info`, name the CAs that are believed here.
    PublishClusterInfo,
    /// Has pods begin anew that may not believe the successor, and waits until none of them is left.
    RestartPods,
}

impl StaticPod {
    /// In the order in which they are begun anew.
    pub const ALL: [Self; 4] = [
        Self::Etcd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
    ];

    /// The container's name, and the manifest's without its ending.
    pub const fn component(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }
}

impl CertificateStep {
    /// The step's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep-certificates",
            // `hactl-*-kubeadm-*` is what the agent looks for to see whether a kubeadm of its own still runs.
            Self::Renew => "kubeadm-certs-renew",
            Self::Restart(StaticPod::Etcd) => "restart-etcd",
            Self::Restart(StaticPod::ApiServer) => "restart-api-server",
            Self::Restart(StaticPod::ControllerManager) => "restart-controller-manager",
            Self::Restart(StaticPod::Scheduler) => "restart-scheduler",
            Self::VerifyServed => "verify-served",
            Self::AwaitControlPlane => "await-control-plane",
            Self::Record => "record-renewed",
            Self::TrustSuccessor => "trust-successor",
            Self::SignWithSuccessor => "sign-with-successor",
            Self::TrustSuccessorAlone => "trust-successor-alone",
            Self::Republish => "republish-client-ca",
            Self::ForgetOthers => "forget-other-authorities",
            Self::InstallKubelet => "install-kubelet-certificate",
            Self::RestartKubelet => "restart-kubelet",
            Self::ReloadHaproxy => "reload-haproxy",
            Self::PublishClusterInfo => "publish-cluster-info",
            Self::RestartPods => "restart-pods",
        }
    }
}
