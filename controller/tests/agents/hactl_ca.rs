//! `certs rotate-hactl-ca` against agents with real identities: forward, back, to its end, cut off, with agents that die meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hactl_agent::api::duties::MutualTrust;
use hactl_proto::rotation::Fingerprint;

use crate::nodes::Nodes;

const ROTATE: [&str; 4] = ["certs", "rotate-hactl-ca", "--without", "w1"];

async fn rotate(nodes: &Nodes, more: &str) -> crate::nodes::Ended {
    let more: Vec<&str> = more.split_whitespace().collect();
    nodes.run(&[&ROTATE[..], &more].concat()).await
}

async fn well(nodes: &Nodes, more: &str) {
    let ended = rotate(nodes, more).await;
    assert_eq!(ended.code, 0, "{more}: {}{}", ended.out, ended.err);
}

/// What every agent believes and shows: the same.
async fn all(nodes: &Nodes) -> (BTreeSet<Fingerprint>, BTreeSet<Fingerprint>) {
    let mut parts = Vec::new();
    for made in &nodes.made {
        let seen = MutualTrust::own_trust(&**made).await.unwrap();
        parts.push((seen.believes, seen.shows));
    }
    assert!(parts.windows(2).all(|pair| pair[0] == pair[1]), "{parts:?}");
    parts.swap_remove(0)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Whether agents let the operator of before in, who believes what is believed now.
async fn old_answered(nodes: &Nodes) -> bool {
    let now = nodes.path("state/hactl/prod/ca.crt");
    fs::copy(now, nodes.path("before/ca.crt")).unwrap();
    answered(nodes, &["--state", "before"]).await
}

async fn answered(nodes: &Nodes, more: &[&str]) -> bool {
    let ended = nodes.run(&[&["journal", "cp2"], more].concat()).await;
    assert!(
        ended.code == 0 || ended.err.contains("be trusted by"),
        "{}",
        ended.err
    );
    ended.code == 0
}

#[tokio::test]
async fn it_stops_before_the_old_root_goes_turns_back_and_ends() {
    let mut nodes = Nodes::start().await;
    let state = nodes.path("state/hactl/prod");
    copy(&state, &nodes.path("before"));
    let first = all(&nodes).await;
    assert!(first.0.len() == 1 && first.0 == first.1, "{first:?}");

    // It needs every node to begin.
    let ended = nodes.run(&ROTATE[..2]).await;
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("w1 does not answer"), "{}", ended.out);
    assert_eq!(all(&nodes).await, first);

    well(&nodes, "").await;
    let both = all(&nodes).await;
    assert!(both.0.len() == 2 && both.1.len() == 1, "{both:?}");
    assert_ne!(both.1, first.1);
    // The operator of before and of now, and an agent that died meanwhile.
    assert!(old_answered(&nodes).await);
    nodes.restart(1).await;
    assert_eq!(all(&nodes).await, both);

    well(&nodes, "--abort").await;
    assert_eq!(all(&nodes).await, first);
    assert!(old_answered(&nodes).await);

    well(&nodes, "").await;
    nodes.restart(0).await;
    well(&nodes, "--finish").await;
    let last = all(&nodes).await;
    assert!(last.0.len() == 1 && last.0 == last.1, "{last:?}");
    assert_ne!(last, first);
    nodes.restart(2).await;
    assert_eq!(all(&nodes).await, last);
    assert!(answered(&nodes, &[]).await);
    assert!(!old_answered(&nodes).await);
    let text = |name: &str| fs::read_to_string(state.join(name)).unwrap();
    for (file, begin) in [("ca.crt", "BEGIN CERT"), ("ca.key", "BEGIN PRIV")] {
        assert_eq!(text(file).matches(begin).count(), 1, "{file}");
    }
    assert_eq!(text("operator.key").matches("BEGIN PRIV").count(), 1);
    let old = fs::read_to_string(nodes.path("before/operator.key")).unwrap();
    assert_ne!(text("operator.key").trim(), old.trim());
}

#[tokio::test]
async fn cut_off_at_an_issuer_it_goes_on_and_everybody_is_understood_meanwhile() {
    let mut nodes = Nodes::start().await;
    *nodes.made[1].deaf.lock().unwrap() = true;
    let ended = rotate(&nodes, "").await;
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("cp2: use"), "{}", ended.out);
    assert!(answered(&nodes, &[]).await);
    // It had asked for an issuer, and asks for the same again.
    nodes.restart(1).await;
    let ended = nodes.run(&["status"]).await;
    assert!(!ended.out.contains("cp2  down"), "{}", ended.out);
    well(&nodes, "--finish").await;
    let last = all(&nodes).await;
    assert!(last.0.len() == 1 && last.0 == last.1, "{last:?}");
    assert!(
        !nodes
            .path("cp2/var/lib/hactl/identity/issuer-next.key")
            .exists()
    );
}

#[tokio::test]
async fn a_state_folder_that_was_cut_off_between_two_files_goes_on() {
    let nodes = Nodes::start().await;
    well(&nodes, "").await;
    let state = nodes.path("state/hactl/prod");
    let text = |name: &str| fs::read_to_string(state.join(name)).unwrap();
    let (key, certificate) = (text("operator.key"), text("operator.crt"));
    well(&nodes, "--abort").await;
    // Behind the first of three strokes: both keys are there, and the certificate of before.
    let both = format!("{}{key}", text("operator.key"));
    fs::write(state.join("operator.key"), &both).unwrap();
    assert!(answered(&nodes, &[]).await);
    // Behind the second one.
    fs::write(state.join("operator.crt"), certificate).unwrap();
    let ended = nodes.run(&["journal", "cp2"]).await;
    assert!(ended.err.contains("be trusted by"), "{}", ended.err);
    // A second root's key whose certificate was not written yet.
    let nodes = Nodes::start().await;
    let state = nodes.path("state/hactl/prod");
    let ca = fs::read_to_string(state.join("ca.key")).unwrap();
    fs::write(state.join("ca.key"), format!("{ca}{key}")).unwrap();
    well(&nodes, "").await;
    well(&nodes, "--finish").await;
    let ca = fs::read_to_string(state.join("ca.key")).unwrap();
    assert_eq!(ca.matches("BEGIN PRIV").count(), 1);
}
