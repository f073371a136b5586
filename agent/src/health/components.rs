//! Asks the components of this node how they are, each by the question that its own operators would ask.
//!
//! No process is started: this runs every few seconds for as long as the node lives.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use hactl_node_plan::endpoint::{HEALTH_PORT, KUBERNETES_CA};
use hactl_node_plan::plan::NodeContext;
use hactl_proto::health::ComponentHealth;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::{API_SERVER_PORT, EndpointMode, EtcdTopology};

use crate::host::{Host, Question};

/// Where containerd listens, on every distribution.
const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// The kubelet's own kubeconfig: without it this machine is no node yet.
const KUBELET_CONFIG: &str = "/etc/kubernetes/kubelet.conf";
/// kubeadm's static pod of etcd.
const ETCD_MANIFEST: &str = "/etc/kubernetes/manifests/etcd.yaml";
/// kubeadm's static pod of the API server.
const API_SERVER_MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// How each component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Components {
    /// The container runtime.
    pub containerd: ComponentHealth,
    /// The kubelet.
    pub kubelet: ComponentHealth,
    /// This node's API server.
    pub api_server: ComponentHealth,
    /// This node's etcd member.
    pub etcd: ComponentHealth,
    /// This node's part of the endpoint; in the external mode, what the operator provides.
    pub endpoint: ComponentHealth,
}

/// Asks all of them at once.
pub async fn ask<H: Host>(host: &H, node: &NodeContext) -> Components {
    let (containerd, kubelet, api_server, etcd, endpoint) = tokio::join!(
        containerd(host),
        kubelet(host),
        api_server(host, node),
        etcd(host, node),
        endpoint(host, node),
    );
    Components {
        containerd,
        kubelet,
        api_server,
        etcd,
        endpoint,
    }
}

async fn containerd<H: Host>(host: &H) -> ComponentHealth {
    let question = Question::ConnectUnix {
        path: CONTAINERD_SOCKET.to_owned(),
    };
    healthy(host.ask(&question).await.is_ok())
}

async fn kubelet<H: Host>(host: &H) -> ComponentHealth {
    if !present(host, KUBELET_CONFIG).await {
        return ComponentHealth::Absent;
    }
    healthy(kubelet_answers(host).await)
}

/// Whether the kubelet answers at its health port.
pub async fn kubelet_answers<H: Host>(host: &H) -> bool {
    // KubeletConfiguration healthzPort, 10248 by default.
    answers(host, plain("http://127.0.0.1:10248/healthz".to_owned())).await
}

/// Both paths: not every build has etcd in `/readyz` (kubeadm.md 7.1).
async fn api_server<H: Host>(host: &H, node: &NodeContext) -> ComponentHealth {
    if node.role != NodeRole::ControlPlane || !present(host, API_SERVER_MANIFEST).await {
        return ComponentHealth::Absent;
    }
    let base = SocketAddr::new(node.address, API_SERVER_PORT);
    let (readyz, livez) = tokio::join!(
        answers(host, verified(format!("https://{base}/readyz"))),
        answers(host, verified(format!("https://{base}/livez"))),
    );
    healthy(readyz && livez)
}

/// etcd's metrics listener of kubeadm's manifest, plain HTTP on loopback.
async fn etcd<H: Host>(host: &H, node: &NodeContext) -> ComponentHealth {
    let stacked = matches!(node.spec.etcd, EtcdTopology::Stacked { .. });
    if node.role != NodeRole::ControlPlane || !stacked || !present(host, ETCD_MANIFEST).await {
        return ComponentHealth::Absent;
    }
    healthy(answers(host, plain("http://127.0.0.1:2381/health".to_owned())).await)
}

async fn endpoint<H: Host>(host: &H, node: &NodeContext) -> ComponentHealth {
    if node.role != NodeRole::ControlPlane {
        return ComponentHealth::Absent;
    }
    match node.spec.endpoint.mode {
        EndpointMode::Managed { .. } => {
            let url = format!("http://127.0.0.1:{HEALTH_PORT}/healthz");
            healthy(answers(host, plain(url)).await)
        }
        EndpointMode::External if !present(host, KUBERNETES_CA).await => ComponentHealth::Unknown,
        EndpointMode::External => {
            let endpoint = &node.spec.endpoint;
            let host_part = match endpoint.host.parse::<IpAddr>() {
                Ok(IpAddr::V6(address)) => format!("[{address}]"),
                _ => endpoint.host.clone(),
            };
            let url = format!("https://{host_part}:{}/readyz", endpoint.port);
            healthy(answers(host, verified(url)).await)
        }
    }
}

const fn healthy(answers: bool) -> ComponentHealth {
    if answers {
        ComponentHealth::Healthy
    } else {
        ComponentHealth::Unhealthy
    }
}

async fn present<H: Host>(host: &H, path: &str) -> bool {
    matches!(host.stamp(Path::new(path)).await, Ok(Some(_)))
}

async fn answers<H: Host>(host: &H, question: Question) -> bool {
    matches!(host.ask(&question).await, Ok(answer) if answer.status == 200)
}

const fn plain(url: String) -> Question {
    Question::Get {
        url,
        ca_file: None,
        identity: None,
    }
}

fn verified(url: String) -> Question {
    Question::Get {
        url,
        ca_file: Some(KUBERNETES_CA.to_owned()),
        identity: None,
    }
}
