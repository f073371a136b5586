//! The guard against an empty etcd: its hook in the kubelet's start, and the marker that it goes by.

use std::path::Path;

use hactl_node_plan::command::Command;
use hactl_node_plan::kubeadm::layout;

use super::wait;
use crate::etcd::marker;
use crate::execute::{ExecuteContext, StepError};
use crate::guard_etcd::drop_in;
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
    Ok(marker::write(&*cx.host, &cx.node, &cx.paths, cluster, member.id).await?)
}
