//! `kubeadm upgrade` as a transient unit: a restart of the agent does not end it, and finds it again.

use hactl_node_plan::kubeadm::command;
use hactl_node_plan::step::rollout::RolloutStep;
use hactl_node_plan::systemd;

use super::upgrade as order;
use crate::execute::{ExecuteContext, StepError};
use crate::host::Host;

/// `kubeadm upgrade apply` on the first control plane, `kubeadm upgrade node` elsewhere.
pub(super) async fn upgrade<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let order = order(cx)?;
    let ignored = &cx.node.spec.kubernetes.ignore_preflight_errors;
    let command = if order.first {
        command::upgrade_apply(&order.target, order.keep_etcd, ignored)
    } else {
        command::upgrade_node(order.keep_etcd, ignored)
    };
    cx.progress
        .waiting(&command.line(), "it runs", cx.host.now());
    let ended = cx
        .run(&command.unit(cx.unit(RolloutStep::UpgradeKubeadm.name())))
        .await;
    cx.progress.resumed();
    ended.map(drop)
}

/// The unit's file may have come anew with the package.
pub(super) async fn restart_kubelet<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    cx.run(&systemd::daemon_reload()).await?;
    cx.run(&systemd::restart("kubelet.service")).await.map(drop)
}
