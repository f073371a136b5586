//! Effects of a rolling upgrade's steps. Each looks whether its effect is there; none is done because a program exited with 0.

mod agent_package;
mod backend;
mod drain;
mod keep;
mod kubeadm;
mod packages;
mod stage;
pub(super) mod wait;

use hactl_node_plan::step::rollout::RolloutStep;
use hactl_proto::instruction::Order;
use hactl_proto::rollout::{RolloutOrder, Upgrade};
use hactl_proto::version::KubernetesVersion;

use super::{ExecuteContext, StepError};
use crate::host::Host;

/// Carries one of these steps out.
pub(super) async fn execute<H: Host>(
    step: RolloutStep,
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    match step {
        RolloutStep::FetchPackages => stage::packages(cx).await,
        RolloutStep::FetchImages => stage::images(cx).await,
        RolloutStep::SnapshotEtcd => stage::snapshot(cx).await,
        RolloutStep::ReleaseBackend => backend::set(cx, true).await,
        RolloutStep::ReturnBackend => backend::set(cx, false).await,
        RolloutStep::Cordon => drain::cordon(cx).await,
        RolloutStep::Evict => drain::evict(cx).await,
        RolloutStep::Uncordon => drain::uncordon(cx).await,
        RolloutStep::KeepAside => keep::keep(cx).await,
        RolloutStep::MoveLeader => wait::move_leader(cx).await,
        RolloutStep::InstallKubeadm => packages::install(cx, step, &["kubeadm"]).await,
        RolloutStep::UpgradeKubeadm => kubeadm::upgrade(cx).await,
        RolloutStep::AwaitStaticPods => wait::static_pods(cx).await,
        RolloutStep::AwaitControlPlane => wait::control_plane(cx, Some(target(cx)?)).await,
        RolloutStep::RecordKubeadm => {
            keep::record(cx, |progress| progress.kubeadm_done = true).await
        }
        RolloutStep::InstallKubelet => packages::install(cx, step, &["kubelet", "kubectl"]).await,
        RolloutStep::RestartKubelet => kubeadm::restart_kubelet(cx).await,
        RolloutStep::AwaitUpgradedNode => wait::node(cx, target(cx)?).await,
        RolloutStep::RecordUpgraded => keep::record(cx, |progress| progress.finished = true).await,
        RolloutStep::RestoreFiles => keep::restore(cx).await,
        RolloutStep::RestorePackages => packages::restore(cx, step).await,
        RolloutStep::AwaitRestored => wait::restored(cx).await,
        RolloutStep::ForgetUpgrade => keep::forget(cx).await,
        RolloutStep::InstallAgent => agent_package::install(cx).await,
    }
}

fn order<H>(cx: &ExecuteContext<H>) -> Result<&RolloutOrder, StepError> {
    match &cx.instruction.order {
        Order::Rollout(order) => Ok(order),
        other => Err(misfit(other.kind())),
    }
}

fn upgrade<H>(cx: &ExecuteContext<H>) -> Result<&Upgrade, StepError> {
    match order(cx)? {
        RolloutOrder::Upgrade(upgrade) => Ok(upgrade),
        other => Err(misfit(other.kind())),
    }
}

/// The version that the order is about.
fn target<H>(cx: &ExecuteContext<H>) -> Result<&KubernetesVersion, StepError> {
    match order(cx)? {
        RolloutOrder::Upgrade(upgrade) => Ok(&upgrade.target),
        RolloutOrder::Stage { target } => Ok(target),
        other => Err(misfit(other.kind())),
    }
}

fn misfit(kind: &str) -> StepError {
    StepError::State {
        what: "carry out a step of a rolling upgrade".to_owned(),
        observed: format!("the order {kind} has no such step"),
        remedy: "Report this: the plan and the order do not fit.".to_owned(),
    }
}
