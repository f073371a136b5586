//! New versions of hactl's own agent on real nodes, by `upgrade --agents` and by hand, beside controllers of both versions.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::agent;
use crate::check_upgrade::{PLAN_LIMIT, REFUSED};
use crate::lab::{Lab, Node};
use crate::machine;
use crate::operator;
use crate::progress::say;
use crate::rollout::Rollout;
use crate::writer::Writer;

/// The next version of hactl.
pub(crate) struct Next {
    folder: PathBuf,
}

impl Next {
    /// What `just package-next` made.
    pub(crate) fn find() -> Result<Self> {
        let folder = agent::repository()?.join("out/next");
        let next = Self { folder };
        ensure!(
            next.controller().exists(),
            "{} is not there: `just package-next` makes it",
            next.controller().display()
        );
        next.package()?;
        Ok(next)
    }

    fn controller(&self) -> PathBuf {
        self.folder.join("hactl-controller")
    }

    fn packages(&self) -> String {
        self.folder.display().to_string()
    }

    fn package(&self) -> Result<PathBuf> {
        agent::newest_in(&self.folder)
    }

    /// Puts the package in as an operator without a controller would, whatever the agent is doing.
    pub(crate) fn install_by_hand(&self, lab: &Lab, node: &str) -> Result<()> {
        say(&format!("putting the next agent in on {node} by hand"));
        agent::install_over(lab, lab.node(node)?, &self.package()?)
    }
}

/// All agents come to the next version under a client, by a controller of that version that is killed in the middle. One runs it
/// already: to go back is refused. The controller of the version before goes on working with them.
pub(crate) fn replaced(lab: &Lab, next: &Next) -> Result<()> {
    let present = agent::packages_of_the_present()?.display().to_string();
    refused(lab, next, &present, "agent-newer")?;
    let before = processes(lab)?;
    let client = Writer::start(lab, &operator::controller(lab, &["kubeconfig"]).run()?)?;
    let folder = next.packages();
    let verb = ["upgrade", "--agents", "--packages", &folder];
    let mut first = Rollout::of(lab, &next.controller(), &verb)?;
    first.wait_for("cp1 replace-agent: install-agent")?;
    say("killing the controller");
    first.kill()?;
    Rollout::of(lab, &next.controller(), &verb)?.end()?;
    let (seen, words) = client.end()?;
    say(&format!("the client: {words}"));
    refused(lab, next, &folder, "agent-newer")?;
    let after = processes(lab)?;
    for (node, (before, after)) in lab.nodes.iter().zip(before.iter().zip(&after)) {
        let by_hand = node.name == "cp3";
        ensure!(
            (before == after) == by_hand,
            "{}: its agent was process {before}, and is {after}",
            node.name
        );
        if !by_hand {
            found_again(lab, node)?;
        }
    }
    controller_of_before(lab)?;
    ensure!(seen["failed"] == 0, "{} requests failed", seen["failed"]);
    Ok(())
}

/// The controller of the version before reads what the agents say. What they find on the nodes is the machine's own.
fn controller_of_before(lab: &Lab) -> Result<()> {
    let status = operator::controller(lab, &["status"])
        .limit(PLAN_LIMIT)
        .outcome()?;
    let all = lab.nodes.iter().all(|node| {
        status.stdout.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.contains(&node.name.as_str()) && words.contains(&"yes")
        })
    });
    ensure!(
        all,
        "the controller of before does not see every node Ready: {}{}",
        status.stdout,
        status.stderr
    );
    Ok(())
}

/// A plan that has to be refused, for this reason.
fn refused(lab: &Lab, next: &Next, folder: &str, reason: &str) -> Result<()> {
    let verb = ["upgrade", "--agents", "--packages", folder, "--plan"];
    let planned = operator::controller_of(lab, &next.controller(), &verb)
        .limit(PLAN_LIMIT)
        .outcome()?;
    println!(
        "$ hactl-controller {}\n{}",
        verb.join(" "),
        planned.stdout.trim_end()
    );
    ensure!(
        planned.code == REFUSED && planned.stdout.contains(reason),
        "it ended with {:?}, not refused for {reason}: {}",
        planned.code,
        planned.stderr
    );
    Ok(())
}

/// The agents' process numbers, as systemd has them.
fn processes(lab: &Lab) -> Result<Vec<String>> {
    let argv = [
        "systemctl",
        "show",
        "--property=MainPID",
        "--value",
        "hactl-agent",
    ];
    lab.nodes
        .iter()
        .map(|node| {
            Ok(machine::inside(lab.place(), &node.name, &argv)?
                .run()?
                .trim()
                .to_owned())
        })
        .collect()
}

/// The operation that replaced the agent was begun by the one before, and taken up again and ended by the one that came.
fn found_again(lab: &Lab, node: &Node) -> Result<()> {
    let verb = ["journal", &node.name, "--output", "json"];
    let told: Value = serde_json::from_str(&operator::controller(lab, &verb).run()?)
        .context("the journal is no JSON")?;
    let entries: Vec<&Value> = told["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["kind"] == "replace-agent")
        .collect();
    let resumed = |operation: &Value| {
        entries
            .iter()
            .any(|entry| entry["operation"] == *operation && entry["event"]["entry"] == "resumed")
    };
    let succeeded = entries
        .iter()
        .filter(|entry| entry["event"]["event"]["outcome"] == "succeeded")
        .map(|entry| &entry["operation"]);
    let found = succeeded.into_iter().any(resumed);
    ensure!(
        found,
        "{}: no new agent found the operation: {entries:#?}",
        node.name
    );
    Ok(())
}
