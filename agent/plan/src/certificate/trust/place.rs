//! Where each CA is on a node, which processes take it up, and what it signs.

use hactl_proto::role::NodeRole;
use hactl_proto::rotation::Authority;
use hactl_proto::spec::EndpointMode;

use crate::certificate::place::{KUBELET_CLIENT, KUBELET_SERVER};
use crate::kubeadm::layout;
use crate::plan::NodeContext;
use crate::step::certificates::StaticPod;

/// The certificate that the controller manager signs with, alone in its file: where the CA's own file holds two, it would not begin.
pub const SIGNING_CA: &str = "/etc/kubernetes/pki/signing-ca.pem";

/// A process that takes a CA up when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// A static pod of a control plane.
    Pod(StaticPod),
    /// The kubelet.
    Kubelet,
    /// The managed endpoint's: it verifies API servers.
    Haproxy,
}

impl Process {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pod(pod) => pod.component(),
            Self::Kubelet => "kubelet",
            Self::Haproxy => "haproxy",
        }
    }
}

/// Something that a CA signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Its name.
    pub name: &'static str,
    /// Its file. A kubeconfig says whom it believes too.
    pub file: &'static str,
    /// Who presents it from when it began; nobody: it is read anew each time.
    pub by: Option<Process>,
    /// Whether every node of the role has it.
    pub required: bool,
}

/// Where a CA is on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its certificate, or several: the first is the one whose key is beside it.
    pub bundle: &'static str,
    /// Its key; there on control planes alone.
    pub key: &'static str,
    /// Who takes it up when it begins.
    pub readers: &'static [Process],
    /// What it signs.
    pub leaves: &'static [Leaf],
    /// The field in which API servers publish it to extension API servers.
    pub published: Option<&'static str>,
}

impl Leaf {
    /// Whether it is a kubeconfig.
    pub fn kubeconfig(&self) -> bool {
        std::path::Path::new(self.file)
            .extension()
            .is_some_and(|end| end == "conf")
    }
}

const fn leaf(name: &'static str, file: &'static str, by: Option<Process>) -> Leaf {
    Leaf {
        name,
        file,
        by,
        required: true,
    }
}

const fn optional(name: &'static str, file: &'static str, by: Option<Process>) -> Leaf {
    Leaf {
        required: false,
        ..leaf(name, file, by)
    }
}

const ETCD: Process = Process::Pod(StaticPod::Etcd);
const API_SERVER: Process = Process::Pod(StaticPod::ApiServer);
const CONTROLLER_MANAGER: Process = Process::Pod(StaticPod::ControllerManager);
const SCHEDULER: Process = Process::Pod(StaticPod::Scheduler);

/// The place of a CA on that node; `None`: nothing there has to do with it.
pub fn place(authority: Authority, node: &NodeContext) -> Option<Place> {
    let managed = matches!(node.spec.endpoint.mode, EndpointMode::Managed { .. });
    match (authority, node.role) {
        (Authority::Kubernetes, NodeRole::ControlPlane) if managed => Some(CLUSTER),
        (Authority::Kubernetes, NodeRole::ControlPlane) => Some(CLUSTER_WITHOUT_PROXY),
        (Authority::Kubernetes, NodeRole::Worker) => Some(WORKER),
        (Authority::Etcd, NodeRole::ControlPlane) => Some(OF_ETCD),
        (Authority::FrontProxy, NodeRole::ControlPlane) => Some(FRONT_PROXY),
        (Authority::Etcd | Authority::FrontProxy, NodeRole::Worker) => None,
    }
}

const KUBELET_LEAVES: [Leaf; 3] = [
    leaf("kubelet.conf", layout::KUBELET_CONF, Some(Process::Kubelet)),
    leaf("kubelet-client", KUBELET_CLIENT, Some(Process::Kubelet)),
    optional("kubelet-server", KUBELET_SERVER, Some(Process::Kubelet)),
];

const WORKER: Place = Place {
    bundle: layout::CA,
    key: "/etc/kubernetes/pki/ca.key",
    readers: &[Process::Kubelet],
    leaves: &KUBELET_LEAVES,
    published: None,
};

const CLUSTER: Place = Place {
    readers: &[
        API_SERVER,
        CONTROLLER_MANAGER,
        SCHEDULER,
        Process::Kubelet,
        Process::Haproxy,
    ],
    leaves: &[
        leaf(
            "apiserver",
            "/etc/kubernetes/pki/apiserver.crt",
            Some(API_SERVER),
        ),
        leaf(
            "apiserver-kubelet-client",
            "/etc/kubernetes/pki/apiserver-kubelet-client.crt",
            Some(API_SERVER),
        ),
        leaf("admin.conf", layout::ADMIN_CONF, None),
        optional("super-admin.conf", "/etc/kubernetes/super-admin.conf", None),
        leaf(
            "controller-manager.conf",
            "/etc/kubernetes/controller-manager.conf",
            Some(CONTROLLER_MANAGER),
        ),
        leaf(
            "scheduler.conf",
            "/etc/kubernetes/scheduler.conf",
            Some(SCHEDULER),
        ),
        KUBELET_LEAVES[0],
        KUBELET_LEAVES[1],
        KUBELET_LEAVES[2],
    ],
    published: Some("client-ca-file"),
    ..WORKER
};

const CLUSTER_WITHOUT_PROXY: Place = Place {
    readers: &[API_SERVER, CONTROLLER_MANAGER, SCHEDULER, Process::Kubelet],
    ..CLUSTER
};

const OF_ETCD: Place = Place {
    bundle: layout::ETCD_CA,
    key: "/etc/kubernetes/pki/etcd/ca.key",
    readers: &[ETCD, API_SERVER],
    leaves: &[
        leaf(
            "etcd-server",
            "/etc/kubernetes/pki/etcd/server.crt",
            Some(ETCD),
        ),
        leaf("etcd-peer", "/etc/kubernetes/pki/etcd/peer.crt", Some(ETCD)),
        leaf("etcd-healthcheck-client", layout::ETCD_CLIENT, None),
        leaf(
            "apiserver-etcd-client",
            "/etc/kubernetes/pki/apiserver-etcd-client.crt",
            Some(API_SERVER),
        ),
    ],
    published: None,
};

const FRONT_PROXY: Place = Place {
    bundle: "/etc/kubernetes/pki/front-proxy-ca.crt",
    key: "/etc/kubernetes/pki/front-proxy-ca.key",
    readers: &[API_SERVER, CONTROLLER_MANAGER],
    leaves: &[leaf(
        "front-proxy-client",
        "/etc/kubernetes/pki/front-proxy-client.crt",
        Some(API_SERVER),
    )],
    published: Some("requestheader-client-ca-file"),
};
