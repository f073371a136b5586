//! `kubeadm upgrade` as a transient unit: a restart of the agent does not end it, and finds it again.

use std::time::Duration;

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::command;
use hactl_node_plan::step::rollout::RolloutStep;
use hactl_node_plan::systemd;

use super::upgrade as order;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::rollout::own_node;

/// How often kubeadm is run where the API went away under it: `kubeadm upgrade` may be repeated (its own documentation), and
/// a node that is cut off for a while need not be put back for that.
const TRIES: u32 = 3;
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

/// The unit's file may have come anew with the package.
pub(super) async fn restart_kubelet<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    cx.run(&systemd::daemon_reload()).await?;
    cx.run(&systemd::restart("kubelet.service")).await.map(drop)
}
