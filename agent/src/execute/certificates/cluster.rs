//! What follows the CA of Kubernetes itself beside its file: kubeconfigs, the file that the controller manager signs with, and what nodes that
//! join are told.

use std::path::Path;
use std::time::Duration;

use hactl_node_plan::certificate::trust::edit::{believing, cluster_info, signing_with};
use hactl_node_plan::certificate::trust::{Place, SIGNING_CA};
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::layout;
use hactl_proto::rotation::Fingerprint;

use super::EVERY;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::rollout::ask;

const PUBLIC: u32 = 0o644;
const CLOSED: u32 = 0o600;
const MANIFEST: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
const NAMESPACE: &str = "kube-public";
const INFO: &str = "cluster-info";
/// Another may write it at the same time: the controller manager signs it anew for each token.
const PUBLISH_LIMIT: Duration = Duration::from_mins(2);

/// Every kubeconfig of this node that has the CA in itself believes these.
pub(super) async fn believe<H: Host>(
    cx: &ExecuteContext<H>,
    place: Place,
    authorities: &str,
) -> Result<(), StepError> {
    for leaf in place.leaves.iter().filter(|leaf| leaf.kubeconfig()) {
        let file = Path::new(leaf.file);
        let Some(bytes) = cx.host.read(file).await? else {
            continue;
        };
        let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        let changed = believing(&text, authorities).map_err(|reason| {
            StepError::state(
                format!("have {} believe another CA", leaf.file),
                reason,
                "Write its certificate-authority-data in one line, or name the CA's file there; then go on.",
            )
        })?;
        if let Some(changed) = changed.map(zeroize::Zeroizing::new) {
            cx.host.replace(file, changed.as_bytes(), CLOSED).await?;
        }
    }
    Ok(())
}

/// The controller manager signs with a file that holds the signing CA alone.
pub(super) async fn sign_with_one<H: Host>(
    cx: &ExecuteContext<H>,
    texts: &[(Fingerprint, String)],
) -> Result<(), StepError> {
    if let Some((_, text)) = texts.first() {
        let file = Path::new(SIGNING_CA);
        cx.host.replace(file, text.as_bytes(), PUBLIC).await?;
    }
    signs_with(cx, SIGNING_CA).await
}

/// It signs with the CA's own file.
pub(super) async fn sign_with_own<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    signs_with(cx, layout::CA).await
}

/// The kubelet begins it anew by itself where its manifest changes.
async fn signs_with<H: Host>(cx: &ExecuteContext<H>, file: &str) -> Result<(), StepError> {
    let place = Path::new(MANIFEST);
    let Some(bytes) = cx.host.read(place).await? else {
        return Err(StepError::state(
            "have the controller manager sign with another file",
            format!("{MANIFEST} is not there"),
            "Make it anew with `kubeadm init phase control-plane controller-manager`, then go on.",
        ));
    };
    match signing_with(&String::from_utf8_lossy(&bytes), file) {
        Some(text) => Ok(cx.host.replace(place, text.as_bytes(), CLOSED).await?),
        None => Ok(()),
    }
}

/// Nodes that join are told these.
pub(super) async fn publish<H: Host>(
    cx: &ExecuteContext<H>,
    authorities: &str,
) -> Result<(), StepError> {
    let kubectl = Kubectl::admin(cx.node.address);
    let once = || async {
        let asked = ask(&*cx.host, &kubectl.object(NAMESPACE, "configmap", INFO)).await?;
        let unreadable = || format!("{INFO} can't be read");
        let mut object: serde_json::Value =
            serde_json::from_str(&asked.stdout).map_err(|_| unreadable())?;
        let text = object["data"]["kubeconfig"]
            .as_str()
            .ok_or_else(unreadable)?;
        if let Some(text) = cluster_info(text, authorities)? {
            object["data"]["kubeconfig"] = text.into();
            // With its version: whoever wrote it meanwhile is not overwritten.
            ask(&*cx.host, &kubectl.replace(&object.to_string())).await?;
        }
        Ok::<(), String>(())
    };
    cx.wait(
        "cluster-info to name the CAs",
        EVERY,
        PUBLISH_LIMIT,
        || async {
            Ok(match once().await {
                Ok(()) => Condition::Met(()),
                Err(reason) => Condition::Pending(reason),
            })
        },
    )
    .await
}
