//! Long commands as transient systemd units: what runs in one outlives the agent and is found again by its name.

use std::path::Path;
use std::time::Duration;

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::systemd::{self, UnitState};

use super::{HostError, file, process};

/// How soon a running unit is looked at: at first, and at most. Between them each pause is double the one before, so that what takes a
/// second is not held up by a third of one.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Runs a command as the unit `name`, or, where that unit exists, waits for its end and reads its result. Dropping the
/// future leaves the unit alone. Once the result is read the unit is gone.
pub(super) async fn run(name: &str, command: &Command, run: &Path) -> Result<Output, HostError> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Err(failed(name, "systemd does not run on this machine"));
    }
    let service = format!("{name}.service");
    let secret_file = run.join(format!("{name}.out"));
    let output_file = secret_file.to_str().filter(|_| command.secret_output);
    if !show(&service).await?.found() {
        if output_file.is_some() {
            // systemd makes no folders, and would let others read the file.
            make(&secret_file)?;
        }
        let started = process::run(&systemd::transient(name, command, output_file)).await?;
        if !started.success() {
            return Err(failed(name, started.stderr.trim()));
        }
    }
    let state = ended(name, &service).await?;
    let printed = match output_file {
        Some(_) => take(&secret_file)?,
        None => journal(name, &state).await,
    };
    persist().await;
    forget(&service).await?;
    if state.timed_out() {
        return Err(HostError::Limit {
            line: command.line(),
            seconds: command.limit.as_secs(),
        });
    }
    Ok(systemd::result(&state, printed))
}

/// Brings what the command wrote to the disk: kubeadm fsyncs nothing, and what is recorded of it next outlives a power cut.
async fn persist() {
    let _ = tokio::task::spawn_blocking(nix::unistd::sync).await;
}

/// Waits until the unit's command has ended.
async fn ended(name: &str, service: &str) -> Result<UnitState, HostError> {
    let mut pause = LOOK_FIRST;
    loop {
        let state = show(service).await?;
        if !state.found() {
            return Err(failed(name, "it is gone before its result was read"));
        }
        if state.ended() {
            return Ok(state);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_EVERY);
    }
}

async fn show(service: &str) -> Result<UnitState, HostError> {
    let shown = process::run(&systemd::show(service)).await?;
    if shown.success() {
        Ok(UnitState::parse(&shown.stdout))
    } else {
        Err(failed(service, shown.stderr.trim()))
    }
}

/// What the unit printed. A journal that can't be read costs the words, not the result.
async fn journal(name: &str, state: &UnitState) -> String {
    let _ = process::run(&systemd::sync_journal()).await;
    match process::run(&systemd::output(name, &state.invocation)).await {
        Ok(output) if output.success() => output.stdout,
        Ok(output) => format!("(its journal could not be read: {})", output.stderr.trim()),
        Err(error) => format!("(its journal could not be read: {error})"),
    }
}

/// Makes the file that a secret output goes to, before anything is in it.
fn make(path: &Path) -> Result<(), HostError> {
    file::replace(path, b"", 0o600).map_err(|source| HostError::File {
        verb: "replace",
        path: path.display().to_string(),
        source,
    })
}

/// Reads a secret output and removes it from tmpfs.
fn take(path: &Path) -> Result<String, HostError> {
    let wrong = |source| HostError::File {
        verb: "read",
        path: path.display().to_string(),
        source,
    };
    let bytes = file::read(path).map_err(wrong)?.unwrap_or_default();
    file::remove(path).map_err(wrong)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Unloads the unit, so that its name is free again.
async fn forget(service: &str) -> Result<(), HostError> {
    process::run(&systemd::stop(service)).await?;
    // Fails where the unit had not failed: it is unloaded by the stop already.
    process::run(&systemd::reset_failed(service)).await?;
    Ok(())
}

fn failed(unit: &str, reason: &str) -> HostError {
    HostError::Unit {
        unit: unit.to_owned(),
        reason: reason.to_owned(),
    }
}
