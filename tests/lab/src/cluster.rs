//! The cluster on the nodes, as Kubernetes itself tells of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::disk;
use crate::lab::{Lab, Node, Role};
use crate::machine;
use crate::program::Program;
use crate::progress::stage;

/// Asking costs processor time that a first boot on the same machine needs itself.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until every node is Ready and every API server says that it and its etcd are.
pub(crate) fn wait_ready(lab: &Lab, limit: Duration) -> Result<()> {
    stage("waiting until every node is Ready", |stage| {
        stage.wait_every(PAUSE, "all nodes to be Ready", limit, || {
            ready(lab).with_context(|| last_words(lab))
        })
    })
}

/// What the agent of the first node that is not in a cluster yet said last.
fn last_words(lab: &Lab) -> String {
    let joined = |node: &&Node| {
        let root = disk::root(lab.place(), &node.name);
        root.join("etc/kubernetes/kubelet.conf").exists()
    };
    let next = lab.nodes.iter().find(|node| !joined(node));
    let Some(node) = next.filter(|_| !lab.bare) else {
        return "not yet".to_owned();
    };
    let argv = [
        "journalctl",
        "--unit=hactl-agent",
        "--lines=1",
        "--output=cat",
    ];
    let said = machine::inside(lab.place(), &node.name, &argv).and_then(Program::run);
    let said = said.unwrap_or_default();
    format!("{}'s agent: {}", node.name, in_words(said.trim()))
}

/// Runs kubectl with the rights of the administrator, on the first control plane that is on and has them.
pub(crate) fn kubectl(lab: &Lab, arguments: &[&str]) -> Result<String> {
    let has_rights = |node: &&Node| {
        machine::leader(lab.place(), &node.name).is_some()
            && disk::root(lab.place(), &node.name)
                .join("etc/kubernetes/admin.conf")
                .exists()
    };
    let node = lab
        .of_role(Role::ControlPlane)
        .find(has_rights)
        .context("no control plane has an admin.conf yet")?;
    let mut argv = vec![
        "kubectl",
        "--kubeconfig=/etc/kubernetes/admin.conf",
        "--request-timeout=5s",
    ];
    argv.extend(arguments);
    machine::inside(lab.place(), &node.name, &argv)?
        .limit(Duration::from_secs(30))
        .run()
}

/// A line of the agent's log, which is JSON where no terminal is: the message, and what it observed.
fn in_words(line: &str) -> String {
    let Ok(entry) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    let words = ["message", "node", "observed"].map(|field| entry[field].as_str());
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn ready(lab: &Lab) -> Result<()> {
    let nodes: Value = serde_json::from_str(&kubectl(lab, &["get", "nodes", "-o", "json"])?)?;
    let is_ready = |name: &str| {
        list(&nodes).any(|node| node["metadata"]["name"] == name && has_condition(node, "Ready"))
    };
    let missing: Vec<&str> = lab
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .filter(|name| !is_ready(name))
        .collect();
    ensure!(missing.is_empty(), "not Ready: {}", missing.join(", "));
    for node in lab.of_role(Role::ControlPlane) {
        let server = format!("--server=https://{}:6443", node.address());
        let answer = kubectl(lab, &[&server, "get", "--raw=/readyz"]);
        let answer =
            answer.with_context(|| format!("the API server of {} is not ready", node.name))?;
        ensure!(
            answer.trim() == "ok",
            "the API server of {} says {answer:?}",
            node.name
        );
    }
    Ok(())
}

fn list(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["items"].as_array().into_iter().flatten()
}

/// Whether an object has a condition, and it is true.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == kind && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn a_line_of_json_becomes_words() {
        let line = r#"{"level":"INFO","message":"waiting for the grants","observed":"cp2, cp3"}"#;
        assert_eq!(in_words(line), "waiting for the grants, cp2, cp3");
        assert_eq!(
            in_words("Started hactl-agent.service"),
            "Started hactl-agent.service"
        );
        assert_eq!(in_words(""), "");
    }
}
