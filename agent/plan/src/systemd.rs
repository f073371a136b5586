//! systemd's commands as data: ordinary services, and the transient units that long commands run in.
//!
//! A transient unit belongs to systemd, not to the agent: a restart, an upgrade or a crash of the agent does not end what
//! runs in it, and its result stays until it is read (systemd.service(5), `RemainAfterExit=`).

/// A service that runs: which process, and since when.
mod running;

use std::time::Duration;

use crate::command::{Command, Output};

pub use running::{Running, running};

/// PATH of all that runs on the node; `/usr/sbin` is missing from what a service inherits on some distributions.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The properties that [`UnitState::parse`] reads.
const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainCode,ExecMainStatus,InvocationID,Job";

/// `CLD_EXITED` of waitid(2), as `ExecMainCode` shows it: the process ended by itself.
const CLD_EXITED: &str = "1";

/// A unit as `systemctl show` tells of it. Each field is systemd's own word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `activating`, `inactive`, `failed`, …
    pub active: String,
    /// `running`, `exited`, `dead`, …
    pub sub: String,
    /// `enabled`, `disabled`, `masked`, `static`, `transient`, …
    pub file: String,
    /// `success`, `exit-code`, `signal`, `timeout`, `oom-kill`, …
    pub result: String,
    /// The main process's exit status; `None` while it runs, and when a signal ended it.
    pub exit_status: Option<i32>,
    /// This run's id, 32 hexadecimal digits; empty when it never ran.
    pub invocation: String,
    /// Whether a job is queued for it.
    pub job_pending: bool,
}

impl UnitState {
    /// Reads the answer to [`show`]. Words that are not there stay empty: an empty state is neither found nor active.
    pub fn parse(text: &str) -> Self {
        let mut state = Self::default();
        let (mut code, mut status) = ("", "");
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "LoadState" => value.clone_into(&mut state.load),
                "ActiveState" => value.clone_into(&mut state.active),
                "SubState" => value.clone_into(&mut state.sub),
                "UnitFileState" => value.clone_into(&mut state.file),
                "Result" => value.clone_into(&mut state.result),
                "InvocationID" => value.clone_into(&mut state.invocation),
                "Job" => state.job_pending = !matches!(value, "" | "0"),
                "ExecMainCode" => code = value,
                "ExecMainStatus" => status = value,
                _ => {}
            }
        }
        state.exit_status = (code == CLD_EXITED).then(|| status.parse().ok()).flatten();
        state
    }

    /// Whether systemd knows such a unit.
    pub fn found(&self) -> bool {
        !matches!(self.load.as_str(), "" | "not-found")
    }

    /// Whether it is up.
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }

    /// Whether a transient unit's command has come to its end, well or not.
    pub fn ended(&self) -> bool {
        !self.job_pending
            && (self.active == "failed"
                || self.active == "inactive"
                || (self.active == "active" && self.sub == "exited"))
    }

    /// Whether systemd ended it because its time was over.
    pub fn timed_out(&self) -> bool {
        self.result == "timeout"
    }
}

/// `systemctl show` of one unit. Exits with 0 for an unknown unit too: see [`UnitState::found`].
pub fn show(unit: &str) -> Command {
    Command::new("systemctl", ["show", PROPERTIES, "--", unit])
}

/// Enables a unit at boot and starts it.
pub fn enable_now(unit: &str) -> Command {
    systemctl(&["enable", "--now", unit])
}

/// Enables a unit at boot without starting it.
pub fn enable(unit: &str) -> Command {
    systemctl(&["enable", unit])
}

/// Starts a unit.
pub fn start(unit: &str) -> Command {
    systemctl(&["start", unit])
}

/// Restarts a unit, or starts it.
pub fn restart(unit: &str) -> Command {
    systemctl(&["restart", unit])
}

/// Reloads a unit's configuration, or restarts it where it can't, or starts it.
pub fn reload(unit: &str) -> Command {
    systemctl(&["reload-or-restart", unit])
}

/// Stops a unit.
pub fn stop(unit: &str) -> Command {
    systemctl(&["stop", unit])
}

/// Stops a unit and keeps all from starting it.
pub fn mask_now(unit: &str) -> Command {
    systemctl(&["mask", "--now", unit])
}

/// Forgets a unit's failure; a failed transient unit is then gone.
pub fn reset_failed(unit: &str) -> Command {
    systemctl(&["reset-failed", unit])
}

/// Has systemd read its unit files again.
pub fn daemon_reload() -> Command {
    systemctl(&["daemon-reload"])
}

/// Starts `command` as a transient unit and returns at once. The unit bears its exit status until [`stop`] or
/// [`reset_failed`]; after `command.limit` systemd ends it. `output_file`: where a secret output goes, on tmpfs, instead of the
/// journal.
///
/// `Type=oneshot` rather than `exec`: RHEL 8's systemd 239 does not know the latter. There `TimeoutStartSec=` bounds the
/// run, and the unit is `activating` until the program has ended.
pub fn transient(unit: &str, command: &Command, output_file: Option<&str>) -> Command {
    let seconds = command.limit.as_secs().max(1);
    let mut arguments = vec![
        format!("--unit={unit}"),
        "--quiet".to_owned(),
        "--no-block".to_owned(),
        format!("--description=hactl: {}", command.program),
        "--property=Type=oneshot".to_owned(),
        "--property=RemainAfterExit=yes".to_owned(),
        format!("--property=TimeoutStartSec={seconds}"),
        "--property=TimeoutStopSec=10".to_owned(),
        format!("--setenv=PATH={PATH}"),
        "--setenv=LC_ALL=C".to_owned(),
        "--setenv=HOME=/root".to_owned(),
    ];
    if let Some(file) = output_file {
        arguments.push(format!("--property=StandardOutput=file:{file}"));
        arguments.push("--property=StandardError=inherit".to_owned());
    }
    if let Some((from, to)) = &command.bind {
        // Without a minus sign: where it can't be done the command does not run (systemd.exec(5)).
        arguments.push(format!("--property=BindPaths={from}:{to}"));
    }
    arguments.push("--".to_owned());
    arguments.push(command.program.clone());
    // systemd puts variables into the words of a command line; a doubled `$` is a plain one (systemd.service(5)).
    let plain = command.arguments.iter().map(|word| word.replace('$', "$$"));
    arguments.extend(plain);
    Command::new("systemd-run", arguments)
}

/// Has journald write down what it was given so far, so that [`output`] misses no last line.
pub fn sync_journal() -> Command {
    Command::new("journalctl", ["--sync"]).limit(Duration::from_secs(10))
}

/// What one run of a unit printed.
pub fn output(unit: &str, invocation: &str) -> Command {
    Command::new(
        "journalctl",
        [
            "--quiet".to_owned(),
            "--no-pager".to_owned(),
            "--output=cat".to_owned(),
            format!("_SYSTEMD_UNIT={unit}.service"),
            format!("_SYSTEMD_INVOCATION_ID={invocation}"),
        ],
    )
}

/// The result of a unit's command, as if it had been run directly. All that it printed counts as standard output: the journal
/// does not tell the two streams apart.
pub fn result(state: &UnitState, printed: String) -> Output {
    Output {
        status: state.exit_status,
        stdout: printed,
        stderr: String::new(),
    }
}

fn systemctl(arguments: &[&str]) -> Command {
    Command::new("systemctl", arguments.iter().copied()).limit(Duration::from_mins(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `systemctl show` of systemd 252, fields in systemd's own order.
    const FAILED: &str = "Result=exit-code\nExecMainCode=1\nExecMainStatus=3\nLoadState=loaded\nActiveState=failed\n\
                          SubState=failed\nUnitFileState=transient\nInvocationID=0f7a\n";

    #[test]
    fn a_failed_unit_has_ended_with_its_status() {
        let state = UnitState::parse(FAILED);
        assert!(state.found() && state.ended() && !state.timed_out());
        assert_eq!(state.exit_status, Some(3));
    }

    #[test]
    fn a_running_or_queued_unit_has_not_ended() {
        let running = UnitState::parse(
            "LoadState=loaded\nActiveState=activating\nSubState=start\nExecMainCode=0\n",
        );
        assert!(!running.ended());
        assert_eq!(running.exit_status, None);
        let queued =
            UnitState::parse("LoadState=loaded\nActiveState=inactive\nSubState=dead\nJob=17\n");
        assert!(!queued.ended());
    }

    #[test]
    fn a_signal_is_no_exit_status() {
        let state = UnitState::parse(
            "ActiveState=failed\nExecMainCode=2\nExecMainStatus=9\nResult=timeout\n",
        );
        assert_eq!(state.exit_status, None);
        assert!(state.timed_out());
    }

    #[test]
    fn garbage_is_a_unit_that_is_not_there() {
        for text in [
            "",
            "=",
            "LoadState",
            "LoadState=not-found\nActiveState=inactive",
            "\u{0}=\n\n",
        ] {
            assert!(!UnitState::parse(text).found(), "{text:?}");
        }
    }

    #[test]
    fn a_transient_unit_runs_the_command_after_the_dashes() {
        let command = Command::new("kubeadm", ["init", "--config=/run/hactl/kubeadm.yaml"])
            .limit(Duration::from_mins(10));
        let run = transient("hactl-op1-init", &command, None);
        let line = run.line();
        assert!(
            line.starts_with("systemd-run --unit=hactl-op1-init "),
            "{line}"
        );
        assert!(line.contains("--property=TimeoutStartSec=600 "), "{line}");
        let dollar = transient("u", &Command::new("sh", ["-c", "echo $HOME"]), None);
        assert_eq!(
            dollar.arguments.last().map(String::as_str),
            Some("echo $$HOME")
        );
        assert!(
            line.ends_with(" -- kubeadm init --config=/run/hactl/kubeadm.yaml"),
            "{line}"
        );
    }

    #[test]
    fn a_unit_is_up_where_systemd_calls_it_active() {
        let up = |text: &str| UnitState::parse(text).is_active();
        assert!(up(
            "LoadState=loaded\nActiveState=active\nSubState=running\n"
        ));
        assert!(!up(
            "LoadState=loaded\nActiveState=activating\nSubState=start\n"
        ));
        assert!(!up(FAILED));
    }
}
