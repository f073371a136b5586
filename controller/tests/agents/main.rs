//! The program as an operator runs it, against the agent's own server: three control planes at loopback with real
//! certificates, real bundles and made-up duties; the worker is away.

// The lint's leave for tests does not reach the functions beside them.
#![allow(clippy::unwrap_used)]

mod duties;
mod gossip_key;
mod hactl_ca;
mod mutual_trust;
mod nodes;

use hactl_proto::Timestamp;
use hactl_proto::rollout::{RolloutRecord, RolloutWish};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use nodes::Nodes;

#[tokio::test]
async fn status_shows_who_answers_and_names_who_does_not() {
    let nodes = Nodes::start().await;
    let ended = nodes.run(&["status"]).await;
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    assert!(
        ended
            .out
            .contains("first boot: no grant seen; the candidate is cp1"),
        "{}",
        ended.out
    );
    let line = |node: &str| {
        ended
            .out
            .lines()
            .find(|line| line.contains(&format!("  {node} ")))
            .unwrap()
    };
    assert!(
        line("cp2").contains("v1.36.2") && line("cp2").contains("no: kubelet"),
        "{}",
        ended.out
    );
    assert!(
        line("w1").contains("down") && line("w1").contains("? no answer"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("cp3  warning  swap-off"),
        "{}",
        ended.out
    );
}

#[tokio::test]
async fn status_as_json_holds_what_the_agents_said() {
    let nodes = Nodes::start().await;
    let ended = nodes.run(&["status", "-o", "json"]).await;
    let view: Value = serde_json::from_str(&ended.out).unwrap();
    let said = |at: usize, pointer: &str| {
        view["observed"]["nodes"][at]
            .pointer(pointer)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(said(0, "/status/said/standing/standing"), "virgin");
    assert_eq!(said(0, "/status/said/generation"), 1);
    assert_eq!(said(1, "/members/said/3/state"), "down");
    assert!(
        said(3, "/status/silent/reason")
            .as_str()
            .unwrap()
            .contains("refused")
    );
}

#[tokio::test]
async fn members_shows_each_view() {
    let nodes = Nodes::start().await;
    let ended = nodes.run(&["members"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    let w1 = ended
        .out
        .lines()
        .find(|line| line.starts_with("w1"))
        .unwrap();
    assert!(
        w1.contains("down") && w1.contains("cp1, cp2, cp3"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("w1 does not answer"), "{}", ended.out);
}

#[tokio::test]
async fn doctor_runs_checks_on_the_nodes() {
    let nodes = Nodes::start().await;
    let ended = nodes.run(&["doctor", "cp1", "cp3"]).await;
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("checked-just-now") && !ended.out.contains("cp2 ("),
        "{}",
        ended.out
    );
    let away = nodes.run(&["doctor", "w1"]).await;
    assert!(
        away.code == 4 && away.out.contains("its checks could not be run"),
        "{}",
        away.out
    );
}

#[tokio::test]
async fn journal_shows_a_nodes_operations() {
    let nodes = Nodes::start().await;
    let ended = nodes.run(&["journal", "cp2", "--last", "1"]).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.starts_with("prepare-cp2 (prepare)") && ended.out.contains("succeeded"),
        "{}",
        ended.out
    );
    assert_eq!(ended.out.lines().count(), 2, "{}", ended.out);
    let other = nodes
        .run(&["journal", "cp2", "--operation", "no-such"])
        .await;
    assert!(
        other.code == 0 && other.out.contains("no entry"),
        "{}",
        other.out
    );
}

#[tokio::test]
async fn kubeconfig_comes_from_the_first_that_has_it() {
    let nodes = Nodes::start().await;
    let ended = nodes.run(&["kubeconfig"]).await;
    // cp1 has none; cp2 has.
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "apiVersion: v1 # cp2"),
        "{}",
        ended.err
    );
    assert_eq!(nodes.run(&["kubeconfig", "--to", "config"]).await.code, 0);
    assert_eq!(
        std::fs::read_to_string(nodes.path("config")).unwrap(),
        "apiVersion: v1 # cp2"
    );
}

#[tokio::test]
async fn an_override_reaches_every_control_plane_at_a_raised_epoch() {
    let nodes = Nodes::start().await;
    let words = [
        "grant",
        "override",
        "--candidate",
        "cp2",
        "--reason",
        "tried",
        "--never-run-again",
    ];
    let ended = nodes.run(&words).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    for word in nodes.overrides() {
        assert_eq!(
            (word.epoch, word.candidate.as_str(), word.roster.len()),
            (1, "cp2", 3)
        );
        assert_eq!((word.reason.as_str(), word.lost.len()), ("tried", 0));
    }
    assert_eq!(nodes.overrides().len(), 3);
    let lost = nodes.run(&[&words[..], &["--lost", "cp1"]].concat()).await;
    assert!(
        lost.code == 3 && lost.out.contains("cp1 answers, though it is called lost"),
        "{}",
        lost.out
    );
    assert_eq!(nodes.overrides().len(), 3);
}

#[tokio::test]
async fn a_state_folder_of_another_cluster_is_refused_by_every_agent() {
    let nodes = Nodes::start().await;
    let other = nodes
        .run(&["init", "cluster.yaml", "--state", "other"])
        .await;
    assert_eq!(other.code, 0, "{}", other.err);
    let ended = nodes.run(&["status", "--state", "other"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert_eq!(
        ended
            .out
            .matches("holds the bundle of another cluster")
            .count(),
        3,
        "{}",
        ended.out
    );
}

#[tokio::test]
async fn a_watch_says_what_changes_of_a_rollout_that_others_carry_out() {
    let nodes = Nodes::start().await;
    let record = |revision, wish| RolloutRecord {
        number: 7,
        revision,
        wish,
        by: "ann@desk/1".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        plan: "{}".to_owned(),
    };
    nodes.keep(&record(1, RolloutWish::Running));
    let words = ["status", "--watch", "--every", "1", "-o", "json"];
    let mut program = nodes.start_program(&words);
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut wishes = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let glance: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(glance["rollout"]["number"], 7, "{line}");
        assert_eq!(glance["doubt"], Value::Null, "{line}");
        let wish = glance["rollout"]["wish"].as_str().unwrap().to_owned();
        if wishes.last() != Some(&wish) {
            wishes.push(wish);
        }
        match wishes.len() {
            1 => nodes.keep(&record(2, RolloutWish::Paused)),
            _ => break,
        }
    }
    assert_eq!(wishes, ["running", "paused"]);
    program.kill().await.unwrap();
}
