//! An upgrade as a careful administrator does it with kubeadm, node after node: what hactl's is measured against.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster;
use crate::component;
use crate::kubernetes::Version;
use crate::lab::{Lab, Node, Role};
use crate::machine;
use crate::progress::stage;

const STEP_LIMIT: Duration = Duration::from_mins(15);
const READY_LIMIT: Duration = Duration::from_mins(10);

/// Upgrades every node; how long each took from kubeadm's package until it takes pods again, its drain not counted.
pub(crate) fn upgrade(lab: &Lab, to: Version) -> Result<Vec<(String, Duration)>> {
    let control_planes = lab.of_role(Role::ControlPlane);
    let nodes = control_planes.chain(lab.of_role(Role::Worker));
    let mut took = Vec::new();
    for (index, node) in nodes.enumerate() {
        let name = &node.name;
        stage(&format!("draining {name} by hand"), |_| drain(lab, name))?;
        let begin = Instant::now();
        stage(&format!("upgrading {name} by hand"), |stage| {
            install(lab, node, &["kubeadm"], to)?;
            stage.detail("kubeadm upgrade");
            kubeadm(lab, node, index == 0, to)?;
            install(lab, node, &["kubelet", "kubectl"], to)?;
            on(lab, node, &["systemctl", "daemon-reload"])?;
            on(lab, node, &["systemctl", "restart", "kubelet"])?;
            stage.wait("the node to be well", READY_LIMIT, || well(lab, node, to))
        })?;
        cluster::kubectl(lab, &["uncordon", name])?;
        took.push((name.clone(), begin.elapsed()));
    }
    Ok(took)
}

fn drain(lab: &Lab, node: &str) -> Result<()> {
    let first = lab.of_role(Role::ControlPlane).next();
    let steward = &first.context("no control plane")?.name;
    let argv = [
        "kubectl",
        "--kubeconfig=/etc/kubernetes/admin.conf",
        "drain",
        node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
    ];
    let drained = machine::inside(lab.place(), steward, &argv)?.limit(STEP_LIMIT);
    drained.run().map(drop)
}

fn install(lab: &Lab, node: &Node, names: &[&str], to: Version) -> Result<()> {
    let Version {
        major,
        minor,
        patch,
    } = to;
    let exact = names
        .iter()
        .map(|name| format!("{name}={major}.{minor}.{patch}-*"))
        .collect::<Vec<_>>();
    let mut argv = vec![
        "apt-get",
        "install",
        "--yes",
        "--allow-change-held-packages",
    ];
    argv.extend(exact.iter().map(String::as_str));
    on(lab, node, &argv)
}

fn kubeadm(lab: &Lab, node: &Node, first: bool, to: Version) -> Result<()> {
    let ignored = component::ignored_preflight_errors(lab.version).join(",");
    let ignore = format!("--ignore-preflight-errors={ignored}");
    let to = to.to_string();
    let mut argv = vec!["kubeadm", "upgrade"];
    argv.extend(if first {
        vec!["apply", &to, "--yes"]
    } else {
        vec!["node"]
    });
    argv.push(&ignore);
    on(lab, node, &argv)
}

/// The same that hactl waits for: a Ready Node of the new version, and on a control plane an API server of it that is ready.
fn well(lab: &Lab, node: &Node, to: Version) -> Result<()> {
    let found = cluster::kubectl(lab, &["get", "node", &node.name, "-o", "json"])?;
    let found: Value = serde_json::from_str(&found)?;
    let kubelet = &found["status"]["nodeInfo"]["kubeletVersion"];
    ensure!(*kubelet == to.to_string(), "its kubelet says {kubelet}");
    ensure!(cluster::has_condition(&found, "Ready"), "it is not Ready");
    if node.role == Role::ControlPlane {
        let server = format!("--server=https://{}:6443", node.address());
        let version = cluster::kubectl(lab, &[&server, "get", "--raw=/version"])?;
        let version: Value = serde_json::from_str(&version)?;
        let said = &version["gitVersion"];
        ensure!(*said == to.to_string(), "its API server says {said}");
        cluster::kubectl(lab, &[&server, "get", "--raw=/readyz"])?;
    }
    Ok(())
}

fn on(lab: &Lab, node: &Node, argv: &[&str]) -> Result<()> {
    machine::inside(lab.place(), &node.name, argv)?
        .limit(STEP_LIMIT)
        .run()
        .map(drop)
        .with_context(|| format!("on {}", node.name))
}
