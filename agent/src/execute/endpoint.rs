//! Effects of the steps of the managed endpoint: a checked configuration in place, its service running on it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::endpoint::{
    HAPROXY_CONFIG, HAPROXY_DROP_IN, HAPROXY_DROP_IN_TEXT, KEEPALIVED_CONFIG,
};
use hactl_node_plan::step::endpoint::EndpointStep;

use super::{Condition, ExecuteContext, StepError};
use crate::host::{Host, Question};

/// Carries one of these steps out.
pub(super) async fn execute<H: Host>(
    step: &EndpointStep,
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    match step {
        EndpointStep::ConfigureHaproxy { config } => {
            add_to_haproxy_unit(cx).await?;
            configure(cx, &HAPROXY, config).await
        }
        EndpointStep::ConfigureKeepalived { config } => configure(cx, &KEEPALIVED, config).await,
        EndpointStep::AwaitAddress { address, port } => await_address(cx, *address, *port).await,
    }
}

/// A service of the distribution and how it checks a configuration.
struct Service {
    unit: &'static str,
    path: &'static str,
    check: fn(&str) -> Command,
    accepted: fn(&Output) -> bool,
}

const HAPROXY: Service = Service {
    unit: "haproxy.service",
    path: HAPROXY_CONFIG,
    check: |file| Command::new("haproxy", ["-c", "-f", file]),
    accepted: Output::success,
};

const KEEPALIVED: Service = Service {
    unit: "keepalived.service",
    path: KEEPALIVED_CONFIG,
    check: |file| {
        Command::new(
            "keepalived",
            ["--config-test", "--log-console", "--use-file", file],
        )
    },
    // keepalived 2.2.7 ends its own test with SIGTERM, valid or not; what it says is what counts.
    accepted: |output| {
        let said = format!("{}{}", output.stdout, output.stderr);
        !said
            .lines()
            .any(|line| line.starts_with("(/") || line.contains("Unable to"))
    },
};

async fn add_to_haproxy_unit<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let path = Path::new(HAPROXY_DROP_IN);
    if cx.host.read(path).await?.as_deref() == Some(HAPROXY_DROP_IN_TEXT.as_bytes()) {
        return Ok(());
    }
    cx.host
        .replace(path, HAPROXY_DROP_IN_TEXT.as_bytes(), 0o644)
        .await?;
    cx.run(&Command::new("systemctl", ["daemon-reload"]))
        .await?;
    Ok(())
}

async fn configure<H: Host>(
    cx: &ExecuteContext<H>,
    service: &Service,
    config: &str,
) -> Result<(), StepError> {
    check(cx, service, config).await?;
    cx.host
        .replace(Path::new(service.path), config.as_bytes(), 0o644)
        .await?;
    // A unit that failed too often would not be started, however right its configuration is now. That there is nothing to
    // forget makes systemctl fail.
    let forget = Command::new("systemctl", ["reset-failed", service.unit]);
    cx.host.run(&forget).await?;
    for verb in ["enable", "reload-or-restart"] {
        cx.run(&Command::new("systemctl", [verb, service.unit]))
            .await?;
    }
    let active = Command::new("systemctl", ["is-active", service.unit]);
    cx.wait(
        &format!("{} active", service.unit),
        Duration::from_millis(200),
        Duration::from_secs(15),
        || async {
            let output = cx.host.run(&active).await?;
            Ok(match output.stdout.trim() {
                "active" => Condition::Met(()),
                state => Condition::Pending(state.to_owned()),
            })
        },
    )
    .await
}

/// The program itself reads the file before it replaces the one in use: a configuration that it refuses changes nothing.
async fn check<H: Host>(
    cx: &ExecuteContext<H>,
    service: &Service,
    config: &str,
) -> Result<(), StepError> {
    let draft = cx.paths.run.join(service.unit).with_extension("conf");
    cx.host.replace(&draft, config.as_bytes(), 0o600).await?;
    let output = cx
        .host
        .run(&(service.check)(&draft.to_string_lossy()))
        .await;
    cx.host.remove(&draft).await?;
    let output = output?;
    if (service.accepted)(&output) {
        return Ok(());
    }
    Err(StepError::State {
        what: format!("have {} accept its configuration", service.unit),
        observed: format!("{}{}", output.stdout, output.stderr)
            .trim()
            .to_owned(),
        remedy:
            "The file in use is unchanged. Compare the spec's endpoint with what the program says."
                .to_owned(),
    })
}

async fn await_address<H: Host>(
    cx: &ExecuteContext<H>,
    address: IpAddr,
    port: u16,
) -> Result<(), StepError> {
    let to = SocketAddr::new(address, port);
    cx.wait(
        &format!("the endpoint's address {to} held by a control plane"),
        Duration::from_millis(250),
        Duration::from_mins(1),
        || async {
            Ok(match cx.host.ask(&Question::Connect { to }).await {
                Ok(_) => Condition::Met(()),
                Err(error) => Condition::Pending(error.to_string()),
            })
        },
    )
    .await
}
