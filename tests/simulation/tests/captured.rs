//! The model held against what the real programs said in the lab (`captured/`): the same commands, read by the agent's own
//! parsers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    clippy::format_push_string,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test: one transcript, told in one piece"
)]

mod support;

use std::collections::BTreeSet;

use hactl_agent::host::Host;
use hactl_node_plan::command::{Command, Input, Output};
use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::command::{self, Entrance};
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::{Kubeadm, output};
use hactl_node_plan::systemd::UnitState;
use hactl_proto::instruction::Order;
use hactl_proto::report::Outcome;
use hactl_simulation::World;
use serde_json::json;
use support::captured::{captured, pair};
use support::*;

/// A control plane after its init, in the version that was captured.
fn initialised() -> World {
    let world = world();
    for machine in world.state().machines.values_mut() {
        "v1.20.2".clone_into(&mut machine.version);
    }
    life(&world, async {
        let mut node = context("cp1");
        node.spec.kubernetes.version = "v1.20.2".parse().unwrap();
        let engine = engine(&world, "cp1").await;
        engine.set_node(node);
        assert_eq!(
            carry_out(&engine, "init", Order::Init).await,
            Outcome::Succeeded
        );
    });
    world
}

fn lease(name: &str, version: Option<&str>) -> String {
    let metadata = json!({ "name": name, "namespace": "kube-system", "resourceVersion": version });
    json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata })
        .to_string()
}

/// Lines that name one of the files that kubeadm and etcd make.
fn files(output: &Output) -> BTreeSet<String> {
    let lines = output.stdout.lines();
    lines
        .filter(|line| {
            line.ends_with(".conf") || line.ends_with("config.yaml") || line.ends_with(".wal")
        })
        .map(|line| {
            line.rsplit_once('/')
                .map_or("", |(folder, _)| folder)
                .to_owned()
                + suffix(line)
        })
        .collect()
}

/// A file of etcd's log has a number for a name; the others are known by theirs.
fn suffix(line: &str) -> &str {
    match line.rsplit_once('/') {
        Some((_, name)) if !name.ends_with(".wal") => name,
        _ => ".wal",
    }
}

/// What `find` would say of the model's machine.
fn found(world: &World) -> Output {
    let state = world.state();
    let tree = &state.machines[&name("cp1")].tree;
    let mut stdout = String::new();
    for folder in [
        "/etc/kubernetes",
        "/var/lib/kubelet",
        "/var/lib/etcd/member/wal",
    ] {
        for entry in tree.list(folder).unwrap_or_default() {
            stdout.push_str(&format!("{folder}/{}\n", entry.name));
        }
    }
    Output {
        status: Some(0),
        stdout,
        stderr: String::new(),
    }
}

#[test]
fn the_model_says_what_the_real_programs_said() {
    let real = captured(include_str!("../captured/v1.20.2"));
    let world = initialised();
    // kubeadm 1.29 and later make one more.
    let without_super_admin = |output: &Output| -> BTreeSet<String> {
        files(output)
            .into_iter()
            .filter(|name| !name.ends_with("super-admin.conf"))
            .collect()
    };
    assert_eq!(without_super_admin(&found(&world)), files(&real["files"]));
    life(&world, async {
        let host = world.host(&name("cp1"));
        let kubectl = Kubectl::admin([10, 99, 0, 11].into());
        let kubeadm = Kubeadm::of(&"v1.20.2".parse().unwrap()).unwrap();
        let ask = |name: &'static str, command: Command| pair(&host, &real, name, command);

        let version = ask("kubeadm-version", command::version()).await;
        version.read_the_same(|output| output::kubeadm_version(&output.stdout));

        let node = ask("node", kubectl.node(&name("cp1"))).await;
        node.read_the_same(|output| match output::object(output, output::node) {
            Known::Is(Some(node)) => (node.ready, node.marked_control_plane()),
            other => panic!("{other:?}"),
        });
        let missing = ask("node-missing", kubectl.node(&name("nowhere"))).await;
        missing.read_the_same(|output| {
            matches!(output::object(output, output::node), Known::Is(None))
        });
        let missing = ask(
            "object-missing",
            kubectl.object("kube-system", "configmap", "nothing"),
        )
        .await;
        missing.read_the_same(|output| {
            matches!(output::object(output, output::config_map), Known::Is(None))
        });

        let names = ask(
            "names",
            kubectl.names("kube-system", "configmaps,daemonsets,deployments"),
        )
        .await;
        let known: BTreeSet<&str> = names.real.stdout.lines().collect();
        let wanted = [
            "configmap/kubeadm-config",
            "configmap/kubelet-config-1.20",
            "daemonset.apps/kube-proxy",
            "deployment.apps/coredns",
        ];
        for name in wanted {
            assert!(
                known.contains(name) && names.model.stdout.lines().any(|line| line == name),
                "{name}"
            );
        }
        let public = ask("names-public", kubectl.names("kube-public", "configmaps")).await;
        public.read_the_same(|output| {
            output
                .stdout
                .lines()
                .any(|line| line == "configmap/cluster-info")
        });

        let created = ask("token-create", command::create_token("hactl join", "15m")).await;
        created.read_the_same(|output| output::created_token(&output.stdout).is_some());
        let tokens = ask("tokens", kubectl.bootstrap_tokens()).await;
        tokens.read_the_same(|output| {
            let listed = output::listed_tokens(&output.stdout);
            listed
                .iter()
                .filter(|token| token.description == "hactl join")
                .count()
        });

        let lost = |output: &Output| output::conflict(output);
        ask("lease-create", kubectl.create(&lease("captured", None)))
            .await
            .read_the_same(lost);
        ask(
            "lease-create-again",
            kubectl.create(&lease("captured", None)),
        )
        .await
        .read_the_same(lost);
        ask(
            "lease-replace-stale",
            kubectl.replace(&lease("captured", Some("1"))),
        )
        .await
        .read_the_same(lost);
        ask(
            "lease-replace-missing",
            kubectl.replace(&lease("nothing", None)),
        )
        .await
        .read_the_same(lost);
        ask(
            "lease-delete",
            kubectl.delete("kube-system", "lease", ["captured", "nothing"]),
        )
        .await;
        ask(
            "label",
            kubectl.label_node(&name("cp1"), "topology.kubernetes.io/zone", "a"),
        )
        .await;

        let elsewhere = Kubectl::admin([10, 99, 0, 99].into());
        let gone = ask("api-gone", elsewhere.node(&name("cp1"))).await;
        gone.read_the_same(|output| {
            matches!(output::object(output, output::node), Known::Unknown(_))
        });

        host.replace("/run/hactl/kubeadm.yaml".as_ref(), b"---\n{}\n", 0o600)
            .await
            .unwrap();
        let preflight = ask(
            "preflight",
            command::preflight(Entrance::Init, "/run/hactl/kubeadm.yaml"),
        )
        .await;
        preflight.read_the_same(|output| {
            let findings = output::preflight_findings(output);
            findings
                .into_iter()
                .map(|finding| finding.check)
                .collect::<BTreeSet<_>>()
        });

        let show = |unit: &str| {
            Command::new(
                "systemctl",
                [
                    "show",
                    "--property=LoadState,ActiveState,SubState,UnitFileState",
                    "--",
                    unit,
                ],
            )
        };
        ask("unit-missing", show("nothing.service"))
            .await
            .read_the_same(|output| UnitState::parse(&output.stdout));
        ask("unit-kubelet", show("kubelet.service"))
            .await
            .read_the_same(|output| UnitState::parse(&output.stdout));

        ask("reset", command::reset(kubeadm).input(Input::Empty)).await;
    });
    assert_eq!(files(&found(&world)), files(&real["files-after-reset"]));
}

/// Which etcd a version brings: that of 1.20.2 by what the real node had; that patch releases raise it is from kubeadm's own
/// constants, and has no captured counterpart.
#[test]
fn a_version_brings_the_etcd_that_the_real_one_brought() {
    let real = captured(include_str!("../captured/v1.20.2"));
    let node: serde_json::Value = serde_json::from_str(&real["node"].stdout).unwrap();
    let images = node["status"]["images"].as_array().unwrap().iter();
    let names = images.filter_map(|image| image["names"][0].as_str());
    let etcd: Vec<_> = names
        .filter_map(|name| name.strip_prefix("k8s.gcr.io/etcd:"))
        .collect();
    let world = initialised();
    let state = world.state();
    let tree = &state.machines[&name("cp1")].tree;
    let manifest = tree.text("/etc/kubernetes/manifests/etcd.yaml");
    let modelled = hactl_node_plan::rollout::images::of_manifest(&manifest, "etcd");
    assert_eq!(modelled.as_deref(), Some(etcd[0]));
    assert_eq!(etcd.len(), 1);
}

#[test]
fn a_unit_that_runs_and_one_that_ended_are_listed_as_systemd_lists_them() {
    let real = captured(include_str!("../captured/v1.20.2"));
    let columns = |output: &Output| -> Vec<String> {
        output
            .stdout
            .split_whitespace()
            .take(4)
            .map(str::to_owned)
            .collect()
    };
    let world = world();
    life(&world, async {
        let host = std::sync::Arc::new(world.host(&name("cp1")));
        let list = Command::new("systemctl", ["list-units", "hactl-*-kubeadm-*.service"]);
        let long = Command::new("kubeadm", ["reset", "--force"]).unit("hactl-a-kubeadm-init");
        let runs = tokio::spawn({
            let host = std::sync::Arc::clone(&host);
            async move { host.run(&long).await.unwrap() }
        });
        tokio::task::yield_now().await;
        let listed = host.run(&list).await.unwrap();
        assert_eq!(columns(&listed), columns(&real["unit-running"]));
        runs.abort();
        tokio::time::sleep(std::time::Duration::from_mins(1)).await;
        let listed = host.run(&list).await.unwrap();
        assert_eq!(columns(&listed), columns(&real["unit-ended"]));
    });
}
