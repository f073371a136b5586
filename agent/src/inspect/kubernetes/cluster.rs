//! What an init leaves in the cluster, read through this node's own API server.

use hactl_node_plan::command::Output;
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::kubernetes::ClusterObjects;
use hactl_node_plan::kubeadm::Kubeadm;
use hactl_node_plan::kubeadm::config::INIT_TOKEN_DESCRIPTION;
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::{config_map, last_line, listed_tokens, object};
use hactl_node_plan::plan::NodeContext;

use crate::host::Host;

const NAMESPACE: &str = "kube-system";

/// Reads them; no secret's contents are asked for.
pub async fn cluster_objects<H: Host>(host: &H, node: &NodeContext) -> Known<ClusterObjects> {
    match read(host, node).await {
        Ok(objects) => Known::Is(objects),
        Err(reason) => Known::Unknown(reason),
    }
}

async fn read<H: Host>(host: &H, node: &NodeContext) -> Result<ClusterObjects, String> {
    let kubectl = Kubectl::admin(node.address);
    let kubeadm = Kubeadm::of(&node.spec.kubernetes.version).ok_or("the version is not known")?;
    let names = ask(
        host,
        kubectl.names(NAMESPACE, "configmaps,daemonsets,deployments"),
    )
    .await?;
    let public = ask(host, kubectl.names("kube-public", "configmaps")).await?;
    let tokens = ask(host, kubectl.bootstrap_tokens()).await?;
    let config = data(host, &kubectl, "kubeadm-config").await?;
    let ours = data(host, &kubectl, "hactl").await?;
    let there: Vec<&str> = names.stdout.lines().chain(public.stdout.lines()).collect();
    let wanted = [
        "configmap/kubeadm-config".to_owned(),
        format!("configmap/{}", kubeadm.kubelet_config_map()),
        "configmap/cluster-info".to_owned(),
        "daemonset.apps/kube-proxy".to_owned(),
        "deployment.apps/coredns".to_owned(),
    ];
    Ok(ClusterObjects {
        missing: wanted
            .into_iter()
            .filter(|name| !there.contains(&name.as_str()))
            .collect(),
        init_tokens: listed_tokens(&tokens.stdout)
            .into_iter()
            .filter(|token| token.description == INIT_TOKEN_DESCRIPTION)
            .map(|token| token.secret)
            .collect(),
        etcd_existing: config
            .get("ClusterConfiguration")
            .is_some_and(|text| says_existing(text)),
        pod_network: ours.get("pod-network").cloned(),
    })
}

/// kubeadm writes `initial-cluster-state: existing`, and from v1beta4 on a list of `name` and `value`.
fn says_existing(text: &str) -> bool {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim().trim_start_matches("- "))
        .collect();
    lines.contains(&"initial-cluster-state: existing")
        || lines
            .windows(2)
            .any(|pair| pair == ["name: initial-cluster-state", "value: existing"])
}

async fn data<H: Host>(
    host: &H,
    kubectl: &Kubectl,
    name: &str,
) -> Result<std::collections::BTreeMap<String, String>, String> {
    let command = kubectl.object(NAMESPACE, "configmap", name);
    let output = host
        .run(&command)
        .await
        .map_err(|error| error.to_string())?;
    match object(&output, config_map) {
        Known::Is(data) => Ok(data.unwrap_or_default()),
        Known::Unknown(reason) => Err(reason),
    }
}

async fn ask<H: Host>(
    host: &H,
    command: hactl_node_plan::command::Command,
) -> Result<Output, String> {
    let output = host
        .run(&command)
        .await
        .map_err(|error| error.to_string())?;
    if output.success() {
        Ok(output)
    } else {
        Err(last_line(&output.stderr))
    }
}

#[cfg(test)]
mod tests {
    use super::says_existing;

    #[test]
    fn both_shapes_of_the_argument_are_read() {
        let map = "etcd:\n  local:\n    dataDir: /var/lib/etcd\n    extraArgs:\n      initial-cluster-state: existing\n";
        let list = "etcd:\n  local:\n    extraArgs:\n    - name: initial-cluster-state\n      value: existing\n";
        assert!(says_existing(map) && says_existing(list));
        assert!(!says_existing("initial-cluster-state: new"));
        assert!(!says_existing(""));
    }
}
