//! Long commands under a real systemd. Wants root and systemd as init: `just lab-check` runs it in a node of the lab
//! (`transient_unit --ignored --test-threads=1`).
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use std::path::PathBuf;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use hactl_agent::host::{Host, HostError, RealHost};
use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::systemd::{self, UnitState};

const CHILD: &str = "HACTL_TEST_UNIT_OF_CHILD";

fn host() -> RealHost {
    RealHost::new(PathBuf::from("/run/hactl-test"))
}

fn shell(unit: &str, script: &str) -> Command {
    Command::new("sh", ["-c", script]).unit(unit)
}

async fn state(unit: &str) -> UnitState {
    let shown = host().run(&systemd::show(&format!("{unit}.service"))).await;
    UnitState::parse(&shown.unwrap().stdout)
}

async fn run(command: &Command) -> Output {
    host().run(command).await.unwrap()
}

#[tokio::test]
#[ignore = "wants systemd as init"]
async fn status_and_words_come_back_and_the_name_is_free_again() {
    for status in [0, 3] {
        let script = format!("echo first; echo second >&2; exit {status}");
        let output = run(&shell("hactl-test-words", &script)).await;
        assert_eq!(output.status, Some(status));
        assert_eq!(output.stdout, "first\nsecond\n");
        assert!(!state("hactl-test-words").await.found());
    }
    assert_eq!(
        run(&shell("hactl-test-words", "kill -9 $$")).await.status,
        None
    );
}

#[tokio::test]
#[ignore = "wants systemd as init"]
async fn a_secret_is_not_in_the_journal_and_not_left_behind() {
    let command = shell("hactl-test-secret", "echo very-$((6*7))-secret").secret_output();
    assert_eq!(run(&command).await.stdout, "very-42-secret\n");
    let journal = Command::new(
        "journalctl",
        ["--no-pager", "--output=cat", "--since=-1min"],
    );
    assert!(!run(&journal).await.stdout.contains("very-42-secret"));
    let left = std::fs::read_dir("/run/hactl-test").map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

#[tokio::test]
#[ignore = "wants systemd as init"]
async fn a_unit_over_its_limit_is_ended_and_named() {
    let command = shell("hactl-test-limit", "sleep 600").limit(Duration::from_secs(1));
    let error = host().run(&command).await.unwrap_err();
    assert!(
        matches!(error, HostError::Limit { seconds: 1, .. }),
        "{error}"
    );
    assert!(!state("hactl-test-limit").await.found());
}

#[tokio::test]
#[ignore = "wants systemd as init"]
async fn what_runs_outlives_a_killed_agent_and_is_not_run_twice() {
    let marks = tempfile::NamedTempFile::new().unwrap();
    // It ends once it is told to: no guess about times.
    let go = marks.path().with_extension("go");
    let script = format!(
        "echo ran >> {marks}; until [ -e {go} ]; do sleep 0.1; done; echo finished",
        marks = marks.path().display(),
        go = go.display()
    );
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["child_runs_the_unit", "--ignored", "--exact"])
        .env(CHILD, &script)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !state("hactl-test-kill").await.found() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!state("hactl-test-kill").await.ended());
    std::fs::write(&go, "").unwrap();
    let output = run(&shell("hactl-test-kill", &script)).await;
    std::fs::remove_file(&go).unwrap();
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (Some(0), "finished\n")
    );
    assert_eq!(std::fs::read_to_string(marks.path()).unwrap(), "ran\n");
    // The result is read: the next of that name is a new one.
    let again = run(&shell("hactl-test-kill", "echo again")).await;
    assert_eq!(again.stdout, "again\n");
}

/// The agent that is killed, in a process of its own.
#[tokio::test]
#[ignore = "is the child of another test"]
async fn child_runs_the_unit() {
    if let Ok(script) = std::env::var(CHILD) {
        let output = run(&shell("hactl-test-kill", &script)).await;
        panic!("it ended before it was killed: {output:?}");
    }
}
