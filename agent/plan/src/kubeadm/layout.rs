//! Where kubeadm and the kubelet keep things on a node. Fixed by kubeadm, never configured by us.

/// kubeadm's folder.
pub const KUBERNETES: &str = "/etc/kubernetes";
/// Static pods: the kubelet runs what lies here.
pub const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// etcd's static pod.
pub const ETCD_MANIFEST: &str = "/etc/kubernetes/manifests/etcd.yaml";
/// Certificates and keys.
pub const PKI: &str = "/etc/kubernetes/pki";
/// The cluster's CA.
pub const CA: &str = "/etc/kubernetes/pki/ca.crt";
/// etcd's CA.
pub const ETCD_CA: &str = "/etc/kubernetes/pki/etcd/ca.crt";
/// Client certificate that may ask etcd; made for probes.
pub const ETCD_CLIENT: &str = "/etc/kubernetes/pki/etcd/healthcheck-client.crt";
/// Its key.
pub const ETCD_CLIENT_KEY: &str = "/etc/kubernetes/pki/etcd/healthcheck-client.key";
/// Kubeconfig of the administrator.
pub const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
/// Kubeconfig of the kubelet; there once the node is bootstrapped.
pub const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
/// Kubeconfig of a kubelet that is being bootstrapped; it holds a token.
pub const BOOTSTRAP_KUBELET_CONF: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
/// The kubelet's configuration.
pub const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
/// Flags of the kubelet that kubeadm writes.
pub const KUBELET_FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
/// The drop-in that runs the guard against an empty etcd before each start of the kubelet.
pub const GUARD_DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/20-hactl-etcd-guard.conf";
/// The machine's identity.
pub const MACHINE_ID: &str = "/etc/machine-id";
/// The bind port of etcd's clients.
pub const ETCD_CLIENT_PORT: u16 = 2379;
/// The bind port of etcd's peers.
pub const ETCD_PEER_PORT: u16 = 2380;
/// The static pods of a control plane with etcd of its own.
pub const STATIC_PODS: [&str; 4] = [
    "etcd.yaml",
    "kube-apiserver.yaml",
    "kube-controller-manager.yaml",
    "kube-scheduler.yaml",
];
