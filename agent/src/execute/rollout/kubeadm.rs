//! `kubeadm upgrade` as a transient unit: a restart of the agent does not end it, and finds it again.

use std::path::Path;
use std::time::Duration;

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::{command, layout};
use hactl_node_plan::step::rollout::RolloutStep;
use hactl_node_plan::systemd::{self, Running};

use super::upgrade as order;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::rollout::own_node;

/// How often kubeadm is run where the API went away under it: `kubeadm upgrade` may be repeated (its own documentation), and
/// a node that is cut off for a while need not be put back for that.
const TRIES: u32 = 3;
/// Where packages put the kubelet.
const KUBELET: &str = "/usr/bin/kubelet";
const EVERY: Duration = Duration::from_secs(2);
/// How long the API may be away.
const LIMIT: Duration = Duration::from_mins(10);

/// `kubeadm upgrade apply` on the first control plane, `kubeadm upgrade node` elsewhere.
pub(super) async fn upgrade<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let order = order(cx)?;
    let ignored = &cx.node.spec.kubernetes.ignore_preflight_errors;
    let command = if order.first {
        command::upgrade_apply(&order.target, order.keep_etcd, ignored)
    } else {
        command::upgrade_node(order.keep_etcd, ignored)
    };
    let command = command.unit(cx.unit(RolloutStep::UpgradeKubeadm.name()));
    let mut tries = 1;
    loop {
        cx.wait("the API, which kubeadm needs", EVERY, LIMIT, || async {
            Ok(silence(cx)
                .await
                .map_or(Condition::Met(()), Condition::Pending))
        })
        .await?;
        cx.progress
            .waiting(&command.line(), "it runs", cx.host.now());
        let ended = cx.run(&command).await;
        cx.progress.resumed();
        let Err(error) = ended else {
            return Ok(());
        };
        if tries == TRIES || silence(cx).await.is_none() {
            return Err(error);
        }
        tracing::warn!(tries, "the API went away: failed to {error}");
        tries += 1;
    }
}

/// Why the API does not answer this node; `None` where it does.
async fn silence<H: Host>(cx: &ExecuteContext<H>) -> Option<String> {
    match own_node(&*cx.host, &cx.node).await {
        Known::Is(_) => None,
        Known::Unknown(reason) => Some(reason),
    }
}

/// The unit's file may have come anew with the package. A kubelet that the package's own script has just started is left: one that
/// is stopped while it starts takes ten seconds to end (seen with v1.20).
pub(super) async fn restart_kubelet<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    if renewed(cx).await == Some(true) {
        tracing::info!("the package has started the kubelet anew already");
        return Ok(());
    }
    cx.run(&systemd::daemon_reload()).await?;
    cx.run(&systemd::restart("kubelet.service")).await.map(drop)
}

/// Whether the kubelet that runs is the installed program, by its unit as it is, and began after its configuration was
/// written. `None` where that can't be told.
async fn renewed<H: Host>(cx: &ExecuteContext<H>) -> Option<bool> {
    let asked = cx.host.run(&systemd::running("kubelet.service")).await;
    let running = Running::parse(&asked.ok()?.stdout)?;
    let inode = async |path: &str| Some(cx.host.stamp(Path::new(path)).await.ok()??.inode);
    let (runs, installed) = (
        inode(&format!("/proc/{}/exe", running.pid)).await?,
        inode(KUBELET).await?,
    );
    let uptime = cx.host.read(Path::new("/proc/uptime")).await.ok()??;
    let since = running.since(&String::from_utf8_lossy(&uptime), cx.host.now())?;
    let mut written = 0;
    for file in [layout::KUBELET_CONFIG, layout::KUBELET_FLAGS] {
        written = written.max(cx.host.stamp(Path::new(file)).await.ok()??.modified);
    }
    Some(runs == installed && !running.needs_reload && since > written)
}
