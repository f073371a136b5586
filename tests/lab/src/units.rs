//! The agent's tests of transient units, run where they can be: in a node, under its systemd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::agent;
use crate::disk;
use crate::lab::{Lab, Node};
use crate::machine;
use crate::program::program;
use crate::progress::{say, stage};

/// The test, and its name on the node.
const TEST: &str = "transient_unit";
const BUILD_LIMIT: Duration = Duration::from_mins(30);
const RUN_LIMIT: Duration = Duration::from_mins(5);

/// Builds the test's program; `None`: there is no cargo here.
pub(crate) fn build() -> Result<Option<PathBuf>> {
    if program("cargo").arg("--version").run().is_err() {
        return Ok(None);
    }
    stage("building the agent's tests of transient units", |_| {
        let told = program("cargo")
            .words("test --no-run --quiet -p hactl-agent --message-format=json --test")
            .arg(TEST)
            .dir(&agent::repository()?)
            .limit(BUILD_LIMIT)
            .run()?;
        let built = told.lines().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let ours = message["target"]["name"] == TEST;
            message["executable"]
                .as_str()
                .filter(|_| ours)
                .map(PathBuf::from)
        });
        built.map(Some).context("cargo named no program of it")
    })
}

/// Runs it on the node. All of its tests are ignored elsewhere: they want systemd as the first process.
pub(crate) fn run(lab: &Lab, node: &Node, test: &Path) -> Result<()> {
    let there = disk::root(lab.place(), &node.name).join("root").join(TEST);
    std::fs::copy(test, there).with_context(|| format!("failed to take {}", test.display()))?;
    let own = format!("/root/{TEST}");
    let argv = [&own, "--ignored", "--test-threads=1"];
    let run = machine::inside(lab.place(), &node.name, &argv)?;
    let said = run.limit(RUN_LIMIT).run()?;
    let result = said
        .lines()
        .find(|line| line.starts_with("test result: ok"));
    let result = result.with_context(|| format!("it ended well and said:\n{said}"))?;
    ensure!(
        !result.contains(" 0 passed"),
        "nothing was tested: {result}"
    );
    say(&format!("on {}: {result}", node.name));
    Ok(())
}
