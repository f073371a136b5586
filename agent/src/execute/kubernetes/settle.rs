//! What an init leaves to do in the cluster: secrets away, etcd's state fixed, pod network in, zone named.

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::command;
use hactl_node_plan::kubeadm::config::{INIT_TOKEN_DESCRIPTION, ZONE_LABEL};
use hactl_node_plan::kubeadm::output::listed_tokens;
use hactl_node_plan::plan::kubernetes::pod_network_hash;
use serde_json::json;

use super::{config, kubectl};
use crate::execute::{ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::kubernetes::cluster_objects;

/// The namespace of kubeadm's objects, and ours.
const NAMESPACE: &str = "kube-system";

/// Removes the bootstrap tokens that init made, and checks that they are gone.
pub(super) async fn remove_init_secrets<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let left = init_tokens(cx).await?;
    if !left.is_empty() {
        let names = left.iter().map(String::as_str);
        cx.run(&kubectl(cx).delete(NAMESPACE, "secret", names))
            .await?;
    }
    let left = init_tokens(cx).await?;
    if left.is_empty() {
        return Ok(());
    }
    Err(StepError::State {
        what: "remove the bootstrap tokens of init".to_owned(),
        observed: format!("{} still there", left.join(", ")),
        remedy:
            "Remove them with `kubectl -n kube-system delete secret`, and see who makes them again."
                .to_owned(),
    })
}

async fn init_tokens<H: Host>(cx: &ExecuteContext<H>) -> Result<Vec<String>, StepError> {
    let output = cx.run(&kubectl(cx).bootstrap_tokens()).await?;
    Ok(listed_tokens(&output.stdout)
        .into_iter()
        .filter(|token| token.description == INIT_TOKEN_DESCRIPTION)
        .map(|token| token.secret)
        .collect())
}

/// Puts `initial-cluster-state: existing` into kubeadm-config, by kubeadm's own phase: joins and upgrades take it from there.
///
/// This node's own manifest stays as init wrote it until its first upgrade; till then the guard stands for it. To change it now
/// would restart the only etcd: measured 10 s with v1.20 and 70 s with v1.36, whose kubelet asks the API, which is away without
/// etcd, to delete the mirror pod before it starts the new one.
pub(super) async fn keep_etcd_existing<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    config::write_existing(cx).await?;
    let file = config::argument(&config::path(cx));
    cx.run(&command::init_phase(&["upload-config", "kubeadm"], &file))
        .await?;
    config::remove(cx).await?;
    let observed = match cluster_objects(&*cx.host, &cx.node).await {
        Known::Is(objects) if objects.etcd_existing => return Ok(()),
        Known::Is(_) => "kubeadm-config does not say initial-cluster-state: existing".to_owned(),
        Known::Unknown(reason) => reason,
    };
    Err(StepError::State {
        what: "keep an etcd that lost its data from starting empty".to_owned(),
        observed,
        remedy: "Look at the ConfigMap kube-system/kubeadm-config.".to_owned(),
    })
}

/// Applies the pod network's manifest and writes down which one it was.
pub(super) async fn apply_pod_network<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (Some(network), Some(hash)) = (&cx.node.spec.pod_network, pod_network_hash(&cx.node))
    else {
        return Ok(());
    };
    cx.run(&kubectl(cx).apply(&network.manifest)).await?;
    let record = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "hactl", "namespace": NAMESPACE },
        "data": { "pod-network": hash },
    });
    cx.run(&kubectl(cx).apply(&record.to_string())).await?;
    Ok(())
}

/// Labels the Node with its zone.
pub(super) async fn label_zone<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let zone = cx.node.zone.as_str();
    cx.run(&kubectl(cx).label_node(&cx.node.node, ZONE_LABEL, zone))
        .await?;
    Ok(())
}
