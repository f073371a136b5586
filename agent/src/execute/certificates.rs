//! Effects of a renewal's steps. None is done because a program exited with 0: `kubeadm certs renew` exits with 0 also where it
//! renewed nothing.

mod cluster;
mod keep;
mod kubelet;
mod pods;
mod restart;
mod rotate;

use std::time::Duration;

use hactl_node_plan::certificate::renewal::{not_renewed, serials};
use hactl_node_plan::kubeadm::command;
use hactl_node_plan::plan::rotate as rotate_plan;
use hactl_node_plan::step::certificates::CertificateStep;
use hactl_proto::certificate::CertificateInventory;
use hactl_proto::instruction::{OperationId, Order};
use hactl_proto::rollout::RolloutOrder;

use super::rollout::wait;
use super::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::certificates::{Ports, certificates};

pub use restart::put_back as put_back_manifests;

const EVERY: Duration = Duration::from_secs(1);
/// An API server that reads its files again does so within a minute.
const SERVED_LIMIT: Duration = Duration::from_mins(2);

/// Carries one of these steps out.
pub(super) async fn execute<H: Host>(
    step: CertificateStep,
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    match step {
        CertificateStep::Keep => keep::keep(cx).await,
        CertificateStep::Renew => renew(cx).await,
        CertificateStep::Restart(pod) => restart::restart(cx, pod).await,
        CertificateStep::VerifyServed => verify_served(cx).await,
        CertificateStep::AwaitControlPlane => wait::control_plane(cx, None).await,
        CertificateStep::InstallKubelet => kubelet::install(cx).await,
        CertificateStep::RestartKubelet => kubelet::restart(cx).await,
        CertificateStep::ReloadHaproxy => rotate::reload_haproxy(cx).await,
        CertificateStep::PublishClusterInfo => rotate::publish_cluster_info(cx).await,
        CertificateStep::RestartPods => pods::restart(cx).await,
        CertificateStep::TrustSuccessor => rotate::trust_successor(cx).await,
        CertificateStep::SignWithSuccessor => rotate::sign_with_successor(cx).await,
        CertificateStep::TrustSuccessorAlone => rotate::trust_successor_alone(cx).await,
        CertificateStep::Republish => rotate::republish(cx).await,
        CertificateStep::ForgetOthers => rotate::forget_others(cx).await,
        CertificateStep::Record => keep::record(cx, |progress| progress.finished = true).await,
    }
}

/// The renewal's name, and whether the API is away.
fn order<H>(cx: &ExecuteContext<H>) -> Result<(OperationId, bool), StepError> {
    match &cx.instruction.order {
        Order::Rollout(RolloutOrder::RenewCertificates {
            renewal,
            without_api,
        }) => Ok((renewal.clone(), *without_api)),
        Order::Rollout(RolloutOrder::RotateAuthority(order))
            if let Some(renewal) = rotate_plan::renewal(order) =>
        {
            Ok((renewal, false))
        }
        other => Err(StepError::state(
            "carry out a step of a renewal",
            format!("the order {} has no such step", other.kind()),
            "Report this: the plan and the order do not fit.",
        )),
    }
}

async fn look<H: Host>(cx: &ExecuteContext<H>, ports: Ports) -> CertificateInventory {
    certificates(&*cx.host, &cx.node, &cx.paths, ports).await
}

/// `kubeadm certs renew all`, then every serial number is another. What a killed run left half is put right from the copies first.
async fn renew<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let before = keep::begun(cx).await?.before;
    let now = look(cx, Ports::Leave).await;
    if !not_renewed(&before, &now).is_empty() {
        keep::mend(cx, &now).await?;
        let command = command::renew_certificates();
        cx.progress
            .waiting(&command.line(), "it runs", cx.host.now());
        let unit = cx.unit(CertificateStep::Renew.name());
        let ended = cx.run(&command.unit(unit)).await;
        cx.progress.resumed();
        let after = look(cx, Ports::Leave).await;
        let left = not_renewed(&before, &after);
        if !left.is_empty() {
            let words = match ended {
                Ok(said) => super::last_lines(&said),
                Err(error) => error.to_string(),
            };
            return Err(StepError::state(
                "renew every certificate",
                format!("{}; kubeadm's words: {words}", left.join(", ")),
                "What is valid still serves. Read kubeadm's words, put the cause right, then renew again.",
            ));
        }
        tracing::info!(serials = ?serials(&after), "certificates are renewed");
    }
    // Of two CAs kubeadm gives kubeconfigs the first alone, while others still present what the second signed.
    rotate::believe(cx).await?;
    keep::record(cx, |progress| progress.renewed = true).await
}

/// Each port serves its file's certificate. A process that serves another still holds the old one, and is named.
async fn verify_served<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (_, without_api) = order(cx)?;
    let wanted: &[u16] = if without_api {
        // Without a quorum etcd lets no client in and no API server comes up: they are looked at once all are through.
        &[2380]
    } else {
        &[6443, 2379, 2380]
    };
    let name = format!("the renewed certificates served on {}", cx.node.node);
    cx.wait(&name, EVERY, SERVED_LIMIT, || async {
        let seen = look(cx, Ports::Ask).await;
        let served = seen.served.iter().filter(|one| wanted.contains(&one.port));
        let wrong: Vec<String> = served
            .filter(|one| !one.same)
            .map(|one| match (&one.unknown, &one.serial) {
                (Some(reason), _) => format!("{} at port {}: {reason}", one.by, one.port),
                (None, serial) => format!(
                    "{} at port {} still serves serial {}",
                    one.by,
                    one.port,
                    serial.as_deref().unwrap_or("unknown")
                ),
            })
            .collect();
        Ok(if wrong.is_empty() {
            Condition::Met(())
        } else {
            Condition::Pending(wrong.join("; "))
        })
    })
    .await
}
