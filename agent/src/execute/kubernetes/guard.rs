//! The guard against an empty etcd: its hook in the kubelet's start, and the marker that it goes by.

use std::path::{Path, PathBuf};

use hactl_node_plan::command::Command;
use hactl_node_plan::etcd::guard::{EtcdMarker, MARKER_VERSION, is_mount_point};
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::plan::kubernetes::data_dir;

use super::wait;
use crate::execute::{ExecuteContext, StepError};
use crate::guard_etcd::{MARKER, drop_in};
use crate::host::Host;

/// Writes the drop-in and has systemd read it; the kubelet is not restarted.
pub(super) async fn install<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let path = Path::new(layout::GUARD_DROP_IN);
    if cx.host.read(path).await?.as_deref() != Some(drop_in().as_bytes()) {
        cx.host.replace(path, drop_in().as_bytes(), 0o644).await?;
    }
    cx.run(&Command::new("systemctl", ["daemon-reload"]))
        .await?;
    Ok(())
}

/// Writes down that here lives a member, by etcd's own word.
pub(super) async fn record<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (cluster, member) = wait::etcd_member(cx).await?;
    let marker = EtcdMarker {
        version: MARKER_VERSION,
        node: cx.node.node.clone(),
        address: cx.node.address,
        cluster,
        member: member.id,
        data_dir: data_dir(&cx.node).to_owned(),
        own_mount: mounted(cx).await?,
        machine_id: text(cx, layout::MACHINE_ID).await?.trim().to_owned(),
        written: cx.host.now(),
    };
    let text = serde_json::to_vec(&marker).map_err(|error| StepError::State {
        what: "write the marker of the etcd member".to_owned(),
        observed: error.to_string(),
        remedy: "Report this.".to_owned(),
    })?;
    Ok(cx.host.replace(&marker_path(cx), &text, 0o600).await?)
}

/// Where the marker lies.
pub(super) fn marker_path<H>(cx: &ExecuteContext<H>) -> PathBuf {
    cx.paths.state.join(MARKER)
}

/// Whether etcd's data folder is a mount point now; what is one now has to be one at every start.
async fn mounted<H: Host>(cx: &ExecuteContext<H>) -> Result<bool, StepError> {
    let mounts = text(cx, "/proc/self/mountinfo").await?;
    Ok(is_mount_point(&mounts, data_dir(&cx.node)))
}

async fn text<H: Host>(cx: &ExecuteContext<H>, path: &str) -> Result<String, StepError> {
    let bytes = cx.host.read(Path::new(path)).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
