//! What an init leaves to do in the cluster: secrets away, etcd's state fixed, pod network in, zone named.

use std::path::Path;
use std::time::Duration;

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::config::{INIT_TOKEN_DESCRIPTION, ZONE_LABEL};
use hactl_node_plan::kubeadm::output::listed_tokens;
use hactl_node_plan::kubeadm::{command, layout};
use hactl_node_plan::plan::kubernetes::pod_network_hash;
use serde_json::json;

use super::{config, kubectl, wait};
use crate::execute::{Condition, ExecuteContext, StepError};
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

/// Puts `initial-cluster-state: existing` into kubeadm-config, where later upgrades take it from, and into this node's manifest:
/// both by kubeadm's own phases. etcd starts again with it, on the data that it has; then everything is waited for again.
pub(super) async fn keep_etcd_existing<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    config::write_existing(cx).await?;
    let before = wait::etcd_start(cx).await;
    let changes = !manifest_says_existing(cx).await?;
    let file = config::argument(&config::path(cx));
    for phase in [&["upload-config", "kubeadm"], &["etcd", "local"]] {
        cx.run(&command::init_phase(phase, &file)).await?;
    }
    config::remove(cx).await?;
    if changes {
        wait::etcd_restarted(cx, before).await?;
    }
    wait::etcd_member(cx).await?;
    wait::api_server(cx).await?;
    // Its API server loses etcd for a moment, and may fail once more after it was ready.
    cx.wait(
        "kubeadm-config to say initial-cluster-state: existing",
        Duration::from_secs(1),
        Duration::from_mins(2),
        || async {
            Ok(match cluster_objects(&*cx.host, &cx.node).await {
                Known::Is(objects) if objects.etcd_existing => Condition::Met(()),
                Known::Is(_) => Condition::Pending("it does not".to_owned()),
                Known::Unknown(reason) => Condition::Pending(reason),
            })
        },
    )
    .await
}

/// Whether etcd's manifest has it already: then kubeadm writes the same file again and the kubelet leaves etcd alone.
async fn manifest_says_existing<H: Host>(cx: &ExecuteContext<H>) -> Result<bool, StepError> {
    let manifest = cx.host.read(Path::new(layout::ETCD_MANIFEST)).await?;
    let text = String::from_utf8_lossy(&manifest.unwrap_or_default()).into_owned();
    Ok(text.contains("--initial-cluster-state=existing"))
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
