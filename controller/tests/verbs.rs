//! The program as an operator runs it, without a node: what it writes, what it says, how it ends.

// The lint's leave for tests does not reach the functions beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A home of its own, with a spec in it.
struct Home {
    folder: TempDir,
}

/// Loopback addresses on which nothing listens, so that nodes refuse at once.
const SPEC: &str = "\
apiVersion: hactl.io/v1alpha1
kind: Cluster
metadata: {name: prod}
spec:
  kubernetes: {version: v1.36.2}
  endpoint: {host: 127.0.0.10}
  zones: [a, b, c]
  controlPlanes:
    - {name: cp1, address: 127.0.0.11, zone: a}
    - {name: cp2, address: 127.0.0.12, zone: b}
    - {name: cp3, address: 127.0.0.13, zone: c}
  workers:
    - {name: w1, address: 127.0.0.21, zone: a}
  workerEnrolment: true
  policies: {agentPort: 1}
";

impl Home {
    fn new() -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(home.path("cluster.yaml"), SPEC).unwrap();
        home
    }

    /// With a cluster made from the spec.
    fn with_cluster() -> Self {
        let home = Self::new();
        assert_eq!(home.run(&["init", "cluster.yaml"]).code, 0);
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn state(&self, below: &str) -> PathBuf {
        self.path("state/hactl/prod").join(below)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_hactl-controller"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("XDG_STATE_HOME", self.path("state"))
            .output()
            .unwrap();
        Ended::new(&output)
    }

    fn change_spec(&self, part: &str, other: &str) {
        assert!(SPEC.contains(part));
        fs::write(self.path("cluster.yaml"), SPEC.replace(part, other)).unwrap();
    }

    fn bundle(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.state(&format!("bundles/{name}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    fn new(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_writes_a_bundle_for_each_node_that_its_owner_alone_can_read() {
    let home = Home::new();
    let ended = home.run(&["init", "cluster.yaml"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.err.contains("loopback"),
        "warnings go to standard error: {}",
        ended.err
    );
    for name in [
        "cp1", "cp2", "cp3", "w1", "worker-a", "worker-b", "worker-c",
    ] {
        assert!(
            ended.out.contains(&format!("bundles/{name}.json")),
            "{}",
            ended.out
        );
        assert_eq!(
            mode(&home.state(&format!("bundles/{name}.json"))),
            0o600,
            "{name}"
        );
    }
    for secret in ["ca.key", "operator.key", "gossip.key"] {
        assert_eq!(mode(&home.state(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(&home.state("")), 0o700);
    assert_eq!(home.bundle("cp1")["generation"], 1);
}

#[test]
fn init_twice_is_refused_and_changes_nothing() {
    let home = Home::with_cluster();
    let before = fs::read(home.state("bundles/cp1.json")).unwrap();
    let ended = home.run(&["init", "cluster.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (3, ""));
    assert!(ended.err.contains("is there already"), "{}", ended.err);
    assert_eq!(fs::read(home.state("bundles/cp1.json")).unwrap(), before);
}

#[test]
fn a_spec_that_is_refused_makes_no_cluster() {
    let home = Home::new();
    home.change_spec("    - {name: cp3, address: 127.0.0.13, zone: c}\n", "");
    let ended = home.run(&["init", "cluster.yaml"]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.out.contains("even number") && ended.out.contains("cluster.yaml refused"),
        "{}",
        ended.out
    );
    assert!(!home.path("state").exists());
}

#[test]
fn a_node_added_to_the_spec_gets_a_bundle_of_a_raised_generation() {
    let home = Home::with_cluster();
    let unchanged = home.run(&["bundle", "--spec", "cluster.yaml", "cp1"]);
    assert_eq!(
        (unchanged.code, home.bundle("cp1")["generation"].clone()),
        (0, Value::from(1))
    );
    home.change_spec(
        "zone: a}\n  workerE",
        "zone: a}\n    - {name: w2, address: 127.0.0.22, zone: b}\n  workerE",
    );
    let ended = home.run(&["bundle", "--spec", "cluster.yaml", "w2", "-o", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let view: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&view["generation"], &view["bundles"][0]["node"]),
        (&Value::from(2), &Value::from("w2"))
    );
    assert_eq!(home.bundle("w2")["node"], "w2");
    // Workers are no part of what control planes agree on: no note.
    assert!(!ended.err.contains("must agree"), "{}", ended.err);
}

#[test]
fn a_change_of_what_all_must_agree_on_is_said() {
    let home = Home::with_cluster();
    home.change_spec("v1.36.2", "v1.36.3");
    let ended = home.run(&["bundle", "--spec", "cluster.yaml"]);
    assert_eq!(ended.code, 0);
    assert!(
        ended.err.contains("give every node its new bundle"),
        "{}",
        ended.err
    );
    assert_eq!(
        home.bundle("cp2")["spec"]["kubernetes"]["version"],
        "v1.36.3"
    );
}

#[test]
fn bundles_that_may_not_be_made_are_refused() {
    let home = Home::with_cluster();
    let unknown = home.run(&["bundle", "w9"]);
    assert!(
        unknown.code == 3 && unknown.err.contains("no node of that name"),
        "{}",
        unknown.err
    );
    let zone = home.run(&["bundle", "--enrol-zone", "z"]);
    assert!(
        zone.code == 3 && zone.err.contains("no such zone"),
        "{}",
        zone.err
    );
    let plane = home.run(&["bundle", "--enrol-zone", "a", "--enrol-name", "cp1"]);
    assert!(
        plane.code == 3 && plane.err.contains("declared control plane"),
        "{}",
        plane.err
    );
    home.change_spec("{name: prod}", "{name: other}");
    let other = home.run(&["bundle", "--spec", "cluster.yaml"]);
    assert!(
        other.code == 3 && other.err.contains("nothing was changed"),
        "{}",
        other.err
    );
}

#[test]
fn status_names_every_node_that_does_not_answer() {
    let home = Home::with_cluster();
    let ended = home.run(&["status"]);
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    for node in [
        "127.0.0.11:1",
        "127.0.0.12:1",
        "127.0.0.13:1",
        "127.0.0.21:1",
    ] {
        assert!(ended.out.contains(node), "{}", ended.out);
    }
    assert!(
        ended.out.contains("standing unknown") && !ended.out.contains('\u{1b}'),
        "{}",
        ended.out
    );
    let json = home.run(&["status", "-o", "json"]);
    let view: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (
            json.code,
            view["observed"]["nodes"].as_array().unwrap().len()
        ),
        (4, 4)
    );
    let reason = &view["observed"]["nodes"][0]["status"]["silent"]["reason"];
    assert!(reason.as_str().unwrap().contains("refused"), "{reason}");
}

#[test]
fn the_other_asking_verbs_end_partial_too() {
    let home = Home::with_cluster();
    for verb in [
        &["members"][..],
        &["doctor"],
        &["doctor", "w1"],
        &["kubeconfig"],
        &["journal", "cp1"],
    ] {
        let ended = home.run(verb);
        assert_eq!(ended.code, 4, "{verb:?}: {}{}", ended.out, ended.err);
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains("refused"), "{verb:?}: {said}");
    }
    let nobody = home.run(&["journal", "cp9"]);
    assert!(
        nobody.code == 2 && nobody.err.contains("no node cp9"),
        "{}",
        nobody.err
    );
}

#[test]
fn an_override_needs_its_assertion_and_somebody_who_answers() {
    let home = Home::with_cluster();
    let words = [
        "grant",
        "override",
        "--candidate",
        "cp2",
        "--reason",
        "cp1 burned",
        "--lost",
        "cp1",
    ];
    let bare = home.run(&words);
    assert!(
        bare.code == 2 && bare.err.contains("--never-run-again"),
        "{}",
        bare.err
    );
    let asserted = home.run(&[&words[..], &["--never-run-again"]].concat());
    assert_eq!(asserted.code, 3, "{}", asserted.out);
    assert!(
        asserted.out.contains("cp2 neither answers nor") && !asserted.out.contains("cp1 neither"),
        "{}",
        asserted.out
    );
    let undeclared = home.run(&[
        "grant",
        "override",
        "--candidate",
        "w1",
        "--reason",
        "x",
        "--never-run-again",
    ]);
    assert!(
        undeclared.code == 3 && undeclared.out.contains("no declared control plane"),
        "{}",
        undeclared.out
    );
}

#[test]
fn without_a_state_folder_the_way_to_one_is_said() {
    let home = Home::new();
    for verb in ["status", "members", "doctor", "kubeconfig", "bundle"] {
        let ended = home.run(&[verb]);
        assert_eq!(ended.code, 2, "{verb}: {}", ended.err);
        assert!(
            ended.err.contains("hactl-controller init"),
            "{verb}: {}",
            ended.err
        );
    }
}

#[test]
fn a_damaged_state_folder_is_named_and_left_alone() {
    let home = Home::with_cluster();
    fs::write(home.state("spec.json"), "{\"generation\":").unwrap();
    let status = home.run(&["status"]);
    assert!(
        status.code == 1 && status.err.contains("spec.json"),
        "{}",
        status.err
    );
    fs::write(home.state("operator.key"), "garbage").unwrap();
    fs::remove_file(home.state("spec.json")).unwrap();
    // `bundle` with the spec makes good what an interrupted `init` left.
    let ended = home.run(&[
        "bundle",
        "--spec",
        "cluster.yaml",
        "--state",
        home.state("").to_str().unwrap(),
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let status = home.run(&["status"]);
    assert!(
        status.code == 1 && status.err.contains("certificate of operator"),
        "{}",
        status.err
    );
}

#[test]
fn output_that_is_lost_is_a_failure() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let program = env!("CARGO_BIN_EXE_hactl-controller");
    let output = Command::new(program)
        .arg("schema")
        .stdout(full)
        .output()
        .unwrap();
    let ended = Ended::new(&output);
    assert!(
        ended.code == 1 && ended.err.contains("write to standard output"),
        "{}",
        ended.err
    );
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let program = env!("CARGO_BIN_EXE_hactl-controller");
    let output = Command::new(program)
        .arg("schema")
        .stdout(writer)
        .output()
        .unwrap();
    let ended = Ended::new(&output);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}
