//! Where a node's certificates and keys are (kubeadm reference, 5.1), by kubeadm's own names, and which port serves which.

/// The kubelet's client certificate, its key in the same file.
pub const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
/// The kubelet's serving certificate, where it is signed by the cluster; its key in the same file.
pub const KUBELET_SERVER: &str = "/var/lib/kubelet/pki/kubelet-server-current.pem";
/// The kubelet's serving certificate that it signs itself.
pub const KUBELET_SELF_SIGNED: &str = "/var/lib/kubelet/pki/kubelet.crt";
const KUBELET_SELF_SIGNED_KEY: &str = "/var/lib/kubelet/pki/kubelet.key";
/// The pair that signs tokens of service accounts; it has no certificate.
pub const SERVICE_ACCOUNT: (&str, &str) =
    ("/etc/kubernetes/pki/sa.pub", "/etc/kubernetes/pki/sa.key");
/// Folders whose further `.crt` files are looked at too.
pub const FOLDERS: [&str; 3] = [
    "/etc/kubernetes/pki",
    "/etc/kubernetes/pki/etcd",
    "/var/lib/kubelet/pki",
];

/// What a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A CA, or several: the first is the one whose key is beside it.
    Authority,
    /// A certificate that `kubeadm certs renew` renews, signed by the CA of that name.
    Leaf(&'static str),
    /// A kubeconfig that `kubeadm certs renew` renews.
    Kubeconfig,
    /// The kubelet's kubeconfig.
    KubeletConfig,
    /// What the kubelet renews by itself.
    Kubelet,
    /// The agent's own chain.
    Agent,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// kubeadm's name.
    pub name: String,
    /// The file.
    pub file: String,
    /// The file of its key; absent: the same file.
    pub key: Option<String>,
    /// What it holds.
    pub kind: Kind,
}

/// A port and what serves there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// The TCP port; 0: the agent's own, as the spec has it.
    pub port: u16,
    /// Whose.
    pub by: &'static str,
    /// The certificates that it may serve, the first that is there; none: one that it made in memory.
    pub certificates: &'static [&'static str],
    /// Whether only control planes have it.
    pub control_plane: bool,
    /// Whether it is asked at the loopback address.
    pub loopback: bool,
}

const LEAVES: [(&str, &str, &str); 7] = [
    ("apiserver", "apiserver", "ca"),
    ("apiserver-kubelet-client", "apiserver-kubelet-client", "ca"),
    ("front-proxy-client", "front-proxy-client", "front-proxy-ca"),
    ("apiserver-etcd-client", "apiserver-etcd-client", "etcd-ca"),
    ("etcd-server", "etcd/server", "etcd-ca"),
    ("etcd-peer", "etcd/peer", "etcd-ca"),
    (
        "etcd-healthcheck-client",
        "etcd/healthcheck-client",
        "etcd-ca",
    ),
];
const AUTHORITIES: [(&str, &str); 3] = [
    ("ca", "ca"),
    ("front-proxy-ca", "front-proxy-ca"),
    ("etcd-ca", "etcd/ca"),
];
const KUBECONFIGS: [&str; 4] = [
    "admin.conf",
    "super-admin.conf",
    "controller-manager.conf",
    "scheduler.conf",
];

/// The kubelet's kubeconfig.
pub const KUBELET_CONF: &str = "kubelet.conf";
/// The agent's own certificate.
pub const AGENT: &str = "hactl-agent";

/// The ports of a node.
pub const PORTS: [Port; 7] = [
    port(6443, "kube-apiserver", &["apiserver"], true, false),
    port(2379, "etcd", &["etcd-server"], true, true),
    port(2380, "etcd (peers)", &["etcd-peer"], true, false),
    port(10257, "kube-controller-manager", &[], true, true),
    port(10259, "kube-scheduler", &[], true, true),
    port(
        10250,
        "kubelet",
        &["kubelet-server", "kubelet-self-signed"],
        false,
        false,
    ),
    port(0, "hactl-agent", &[AGENT], false, false),
];

const fn port(
    port: u16,
    by: &'static str,
    certificates: &'static [&'static str],
    control_plane: bool,
    loopback: bool,
) -> Port {
    Port {
        port,
        by,
        certificates,
        control_plane,
        loopback,
    }
}

/// Every place that is known by name. `agent`: the agent's own chain and key.
pub fn places(agent: (&str, &str)) -> Vec<Place> {
    let pki = |file: &str, end: &str| format!("/etc/kubernetes/pki/{file}.{end}");
    let pair = |name: &str, file: &str, kind| Place {
        name: name.to_owned(),
        file: pki(file, "crt"),
        key: Some(pki(file, "key")),
        kind,
    };
    let mut places: Vec<Place> = AUTHORITIES
        .iter()
        .map(|(name, file)| pair(name, file, Kind::Authority))
        .collect();
    places.extend(
        LEAVES
            .iter()
            .map(|(name, file, signer)| pair(name, file, Kind::Leaf(signer))),
    );
    let single = |name: &str, file: String, kind| Place {
        name: name.to_owned(),
        file,
        key: None,
        kind,
    };
    let conf = |name: &str, kind| single(name, format!("/etc/kubernetes/{name}"), kind);
    places.extend(KUBECONFIGS.iter().map(|name| conf(name, Kind::Kubeconfig)));
    places.push(conf(KUBELET_CONF, Kind::KubeletConfig));
    places.push(single(
        "kubelet-client",
        KUBELET_CLIENT.to_owned(),
        Kind::Kubelet,
    ));
    places.push(single(
        "kubelet-server",
        KUBELET_SERVER.to_owned(),
        Kind::Kubelet,
    ));
    places.push(Place {
        key: Some(KUBELET_SELF_SIGNED_KEY.to_owned()),
        ..single(
            "kubelet-self-signed",
            KUBELET_SELF_SIGNED.to_owned(),
            Kind::Kubelet,
        )
    });
    places.push(Place {
        key: Some(agent.1.to_owned()),
        ..single(AGENT, agent.0.to_owned(), Kind::Agent)
    });
    places
}

/// Names that a node of a kubeadm cluster has to have.
pub fn wanted(control_plane: bool, stacked: bool) -> Vec<&'static str> {
    if !control_plane {
        return vec!["ca", "kubelet-client"];
    }
    let etcd = |name: &str| name.starts_with("etcd") || name == "apiserver-etcd-client";
    AUTHORITIES
        .iter()
        .map(|(name, _)| *name)
        .chain(LEAVES.iter().map(|(name, ..)| *name))
        .filter(|name| stacked || !etcd(name))
        .chain([
            "admin.conf",
            "controller-manager.conf",
            "scheduler.conf",
            "kubelet-client",
        ])
        .collect()
}
