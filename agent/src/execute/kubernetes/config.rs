//! kubeadm's configuration on tmpfs: written for one run, checked by kubeadm, removed after.

use std::path::{Path, PathBuf};

use hactl_node_plan::kubeadm::command::{self, Entrance};
use hactl_node_plan::kubeadm::config::{self, EtcdState};
use hactl_node_plan::kubeadm::output::strict_warning;
use hactl_proto::instruction::Order;

use super::installed;
use crate::execute::{ExecuteContext, StepError};
use crate::host::Host;
use crate::paths::Paths;

/// Where the configuration of a run lies: a folder of the agent on tmpfs, mode 0700.
pub(super) fn path<H>(cx: &ExecuteContext<H>) -> PathBuf {
    file(&cx.paths)
}

/// The same, by the agent's folders.
pub(in crate::execute) fn file(paths: &Paths) -> PathBuf {
    paths.run.join("kubeadm.yaml")
}

/// A path as an argument.
pub(super) fn argument(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Writes the configuration that the order needs, and has kubeadm read it.
pub(super) async fn write<H: Host>(
    cx: &ExecuteContext<H>,
    entrance: Entrance,
) -> Result<(), StepError> {
    let kubeadm = installed(cx)?;
    match (&cx.instruction.order, entrance) {
        (Order::JoinControlPlane(credentials) | Order::JoinWorker(credentials), Entrance::Join) => {
            let text = config::join(kubeadm, &cx.node, credentials);
            put(cx, text.expose()).await
        }
        (Order::Init, Entrance::Init) => {
            put(cx, &config::init(kubeadm, &cx.node, EtcdState::BeforeInit)).await
        }
        (order, _) => Err(StepError::State {
            what: "write kubeadm's configuration".to_owned(),
            observed: format!("the order {} has none", order.kind()),
            remedy: "Report this: the plan and the order do not fit.".to_owned(),
        }),
    }
}

/// Writes the configuration of a cluster whose etcd exists.
pub(super) async fn write_existing<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let kubeadm = installed(cx)?;
    put(cx, &config::init(kubeadm, &cx.node, EtcdState::Existing)).await
}

/// Removes it.
pub(super) async fn remove<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    Ok(cx.host.remove(&path(cx)).await?)
}

async fn put<H: Host>(cx: &ExecuteContext<H>, text: &str) -> Result<(), StepError> {
    let file = path(cx);
    cx.host.replace(&file, text.as_bytes(), 0o600).await?;
    let check = command::check_config(installed(cx)?, &argument(&file));
    let output = cx.host.run(&check).await?;
    if let Some(line) = strict_warning(&output) {
        return Err(wrong(line));
    }
    if output.success() {
        return Ok(());
    }
    Err(wrong(&hactl_node_plan::kubeadm::output::last_line(
        &output.stderr,
    )))
}

fn wrong(observed: &str) -> StepError {
    StepError::State {
        what: "have kubeadm read its configuration".to_owned(),
        observed: observed.to_owned(),
        remedy: "Look at kubernetes.kubelet, kubernetes.kubeProxy and kubernetes.apiServerArgs of the spec: this kubeadm does not \
                 know what it names."
            .to_owned(),
    }
}
