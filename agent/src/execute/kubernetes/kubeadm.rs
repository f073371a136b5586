//! Runs of kubeadm. The long ones are transient units, which a restart of the agent does not end and finds again.

use hactl_node_plan::command::Command;
use hactl_node_plan::kubeadm::command::{self, Entrance};
use hactl_node_plan::kubeadm::output::preflight_findings;
use hactl_node_plan::step::kubernetes::KubernetesStep;
use hactl_proto::finding::Severity;

use super::{config, installed};
use crate::execute::{ExecuteContext, StepError};
use crate::host::Host;

/// kubeadm's own preflight; all its errors at once.
pub(super) async fn preflight<H: Host>(
    cx: &ExecuteContext<H>,
    entrance: Entrance,
) -> Result<(), StepError> {
    let file = config::argument(&config::path(cx));
    let step = KubernetesStep::Preflight(entrance);
    let output = long(cx, command::preflight(entrance, &file), step).await;
    let Err(StepError::Program { line, ended, words }) = output else {
        return output;
    };
    let said = hactl_node_plan::command::Output {
        status: None,
        stdout: String::new(),
        stderr: words.clone(),
    };
    let errors: Vec<String> = preflight_findings(&said)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Refusal)
        .map(|finding| format!("{}: {}", finding.check, finding.observed))
        .collect();
    if errors.is_empty() {
        return Err(StepError::Program { line, ended, words });
    }
    Err(StepError::State {
        what: "pass kubeadm's preflight".to_owned(),
        observed: errors.join("; "),
        remedy:
            "Put right what kubeadm names; `hactl-agent doctor` says how for what the agent knows."
                .to_owned(),
    })
}

/// `kubeadm init`.
pub(super) async fn init<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let file = config::argument(&config::path(cx));
    long(
        cx,
        command::init(installed(cx)?, &file),
        KubernetesStep::Init,
    )
    .await
}

/// `kubeadm join`.
pub(super) async fn join<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let file = config::argument(&config::path(cx));
    long(cx, command::join(&file), KubernetesStep::Join).await
}

/// What an interrupted init left undone; every phase is create-or-update.
pub(super) async fn finish_init<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let file = config::argument(&config::path(cx));
    for phase in command::remaining_init_phases(installed(cx)?) {
        cx.run(&command::init_phase(&phase, &file)).await?;
    }
    Ok(())
}

/// What an interrupted join left undone.
pub(super) async fn finish_join<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let file = config::argument(&config::path(cx));
    for phase in command::remaining_join_phases(installed(cx)?) {
        cx.run(&command::join_phase(&phase, &file)).await?;
    }
    Ok(())
}

async fn long<H: Host>(
    cx: &ExecuteContext<H>,
    command: Command,
    step: KubernetesStep,
) -> Result<(), StepError> {
    cx.progress
        .waiting(&command.line(), "it runs", cx.host.now());
    let ended = cx.run(&command.unit(cx.unit(step.name()))).await;
    cx.progress.resumed();
    ended.map(|_| ())
}
