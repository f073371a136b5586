//! What the cluster says, asked as this node: its own Node, the lease, the version, what a drain would evict.

use std::path::Path;

use hactl_node_plan::command::Command;
use hactl_node_plan::etcd::{EtcdCall, EtcdRequest, MemberId};
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::machine::packages::parse_kubernetes_version;
use hactl_node_plan::join::lease::{self, Lease};
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::{self, NodeObject, config_map, last_line};
use hactl_node_plan::kubeadm::{Kubeadm, layout};
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::rollout::budget::pods;
use hactl_node_plan::rollout::kubelet_config;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::version::KubernetesVersion;

use super::ask;
use crate::etcd::view;
use crate::host::Host;

/// This node's own Node: as administrator at its own API server, else through the endpoint; a worker as its kubelet.
pub async fn own_node<H: Host>(host: &H, node: &NodeContext) -> Known<Option<NodeObject>> {
    if node.role == NodeRole::Worker {
        return object(host, &Kubectl::kubelet(), &node.node).await;
    }
    match object(host, &Kubectl::admin(node.address), &node.node).await {
        Known::Unknown(_) => object(host, &Kubectl::admin_at_endpoint(), &node.node).await,
        known @ Known::Is(_) => known,
    }
}

pub(super) async fn object<H: Host>(
    host: &H,
    kubectl: &Kubectl,
    name: &NodeName,
) -> Known<Option<NodeObject>> {
    match host.run(&kubectl.node(name)).await {
        Ok(answer) => output::object(&answer, output::node),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// `kubernetesVersion` of kubeadm-config.
pub async fn cluster_version<H: Host>(
    host: &H,
    node: &NodeContext,
) -> Known<Option<KubernetesVersion>> {
    let command = Kubectl::admin(node.address).object("kube-system", "configmap", "kubeadm-config");
    let answer = match host.run(&command).await {
        Ok(answer) => answer,
        Err(error) => return Known::Unknown(error.to_string()),
    };
    let Known::Is(data) = output::object(&answer, config_map) else {
        return Known::Unknown(last_line(&answer.stderr));
    };
    let text = data
        .unwrap_or_default()
        .remove("ClusterConfiguration")
        .unwrap_or_default();
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("kubernetesVersion:"));
    Known::Is(version.and_then(|version| version.trim().parse().ok()))
}

/// What `kubeadm upgrade` would overwrite of the kubelet's configuration.
pub async fn kubelet_changes<H: Host>(host: &H, node: &NodeContext) -> Result<Vec<String>, String> {
    let own = host
        .read(Path::new(layout::KUBELET_CONFIG))
        .await
        .map_err(|error| error.to_string())?;
    let own = own.ok_or_else(|| format!("there is no {}", layout::KUBELET_CONFIG))?;
    let installed = ask(host, &Command::new("kubelet", ["--version"])).await?;
    let version =
        parse_kubernetes_version(&installed.stdout).ok_or("the kubelet names no version")?;
    let kubeadm = Kubeadm::of(&version).ok_or("the kubelet's version is not known here")?;
    let kubectl = match node.role {
        NodeRole::ControlPlane => Kubectl::admin(node.address),
        NodeRole::Worker => Kubectl::kubelet(),
    };
    let map = kubeadm.kubelet_config_map();
    let answer = ask(host, &kubectl.object("kube-system", "configmap", &map)).await?;
    let data = config_map(&answer.stdout).ok_or_else(|| format!("{map} can't be read"))?;
    let kept = data
        .get("kubelet")
        .ok_or_else(|| format!("{map} holds no configuration"))?;
    Ok(kubelet_config::changes(
        &String::from_utf8_lossy(&own),
        kept,
    ))
}

/// The cluster's lease, read at this node's own API server.
pub async fn cluster_lease<H: Host>(host: &H, node: &NodeContext) -> Known<Option<Lease>> {
    let command = Kubectl::admin(node.address).object(lease::NAMESPACE, "lease", lease::NAME);
    match host.run(&command).await {
        Ok(answer) => output::object(&answer, lease::read),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

pub(super) async fn leader<H: Host>(host: &H) -> Known<Option<MemberId>> {
    let endpoint = EtcdCall::local(EtcdRequest::Status).endpoint;
    match view::status(host, &endpoint).await {
        Ok(status) => Known::Is(status.leader),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

pub(super) async fn evictable<H: Host>(
    host: &H,
    node: &NodeContext,
    subject: &NodeName,
) -> Result<Vec<String>, String> {
    let answer = ask(host, &Kubectl::admin(node.address).pods(Some(subject))).await?;
    let pods = pods(&answer.stdout).ok_or("the pods can't be read")?;
    let left = pods.into_iter().filter(|pod| !pod.stays);
    Ok(left
        .map(|pod| format!("{}/{}", pod.namespace, pod.name))
        .collect())
}
