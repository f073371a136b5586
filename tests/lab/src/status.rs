//! What there is: nodes, faults, Kubernetes versions, and what a node's log says.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::cluster;
use crate::disk;
use crate::kubernetes::Kubernetes;
use crate::lab::{ENDPOINT_ADDRESS, ENDPOINT_PORT, Lab, Node, Role};
use crate::machine;
use crate::partition;
use crate::switch::Switch;

/// Prints it.
pub(crate) fn show(cache: &Cache, lab: &Lab) {
    let kind = if lab.bare { "bare" } else { "with hactl" };
    println!(
        "lab {}, {kind}, Kubernetes {}",
        lab.place().name(),
        lab.version
    );
    println!("endpoint {ENDPOINT_ADDRESS}:{ENDPOINT_PORT}\n");
    println!(
        "{:<12} {:<10} {:<14} {:<12} {:<8} KUBERNETES",
        "NODE", "ZONE", "ROLE", "ADDRESS", "STATE"
    );
    let ready = "jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type==\"Ready\")].reason}{\"\\n\"}{end}";
    let known = cluster::kubectl(lab, &["get", "nodes", "-o", ready]).unwrap_or_default();
    for node in &lab.nodes {
        let role = if node.role == Role::Worker {
            "worker"
        } else {
            "control plane"
        };
        let condition = known
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{} ", node.name)))
            .unwrap_or("-");
        println!(
            "{:<12} {:<10} {role:<14} {:<12} {:<8} {condition}",
            node.name,
            node.zone,
            node.address(),
            state(lab, node)
        );
    }
    for rule in partition::shown(lab) {
        println!("fault: {rule}");
    }
    let versions: Vec<String> = Kubernetes::found(cache)
        .iter()
        .map(|found| found.version.to_string())
        .collect();
    println!("\nKubernetes at hand: {}", versions.join(", "));
}

fn state(lab: &Lab, node: &Node) -> &'static str {
    if machine::manager(lab.place(), &node.name).is_none() {
        "off"
    } else if Switch::of(lab.place()).has_cable(&node.name) {
        "on"
    } else {
        "cut off"
    }
}

/// Becomes journalctl on the node's journal; on its disk where the node is off.
pub(crate) fn logs(lab: &Lab, name: &str, unit: Option<&str>, follow: bool) -> Result<()> {
    let node = lab.node(name)?;
    let mut options = vec!["--no-pager".to_owned()];
    options.extend(unit.map(|unit| format!("--unit={unit}")));
    if machine::leader(lab.place(), &node.name).is_some() {
        options.extend(follow.then(|| "--follow".to_owned()));
        let argv: Vec<String> = std::iter::once("journalctl".to_owned())
            .chain(options)
            .collect();
        return machine::exec_inside(lab.place(), &node.name, &argv);
    }
    let upper = disk::folder(lab.place(), &node.name).join("upper/var/log/journal");
    Err(Command::new("journalctl")
        .arg("-D")
        .arg(upper)
        .args(options)
        .exec())
    .context("failed to become journalctl")
}
