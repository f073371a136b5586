//! How long an upgrade takes a node, and what a client feels of it, beside the same by hand in the same run.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::agent;
use crate::disk;
use crate::kubernetes::Version;
use crate::lab::{Lab, Role};
use crate::operator;
use crate::progress::say;
use crate::rollout::Rollout;
use crate::upgrade_by_hand;
use crate::writer::Writer;

/// What one way came to.
pub(crate) struct Seen {
    whole: Duration,
    nodes: BTreeMap<String, Duration>,
    client: Value,
}

/// By hactl: a node's turn from its endpoint's letting go until it takes it back, its drain not counted.
pub(crate) fn by_hactl(lab: &Lab, to: Version) -> Result<Seen> {
    let client = Writer::start(lab, &operator::controller(lab, &["kubeconfig"]).run()?)?;
    let start = Instant::now();
    Rollout::start(lab, &["upgrade", "--to", &to.to_string()])?.end()?;
    let whole = start.elapsed();
    let (client, words) = client.end()?;
    say(&format!("the client: {words}"));
    Ok(Seen {
        whole,
        nodes: turns(lab)?,
        client,
    })
}

/// By hand, on a cluster made by hand.
pub(crate) fn by_hand(lab: &Lab, to: Version) -> Result<Seen> {
    let first = lab.of_role(Role::ControlPlane).next();
    let first = first.context("no control plane")?;
    let admin = disk::root(lab.place(), &first.name).join("etc/kubernetes/admin.conf");
    let client = Writer::start(lab, &fs::read_to_string(admin)?)?;
    let start = Instant::now();
    let nodes = upgrade_by_hand::upgrade(lab, to)?;
    let whole = start.elapsed();
    let (client, words) = client.end()?;
    say(&format!("the client: {words}"));
    Ok(Seen {
        whole,
        nodes: nodes.into_iter().collect(),
        client,
    })
}

/// Prints them beside each other.
pub(crate) fn print(hactl: &Seen, hand: &Seen) {
    println!(
        "{:<14} {:>8} {:>8} {:>7}",
        "upgrade of", "hactl", "by hand", "ratio"
    );
    for (node, took) in &hactl.nodes {
        let by_hand = hand.nodes.get(node).copied().unwrap_or_default();
        let ratio = took.as_secs_f64() / by_hand.as_secs_f64();
        println!(
            "{node:<14} {:>6.1} s {:>6.1} s {ratio:>7.2}",
            took.as_secs_f64(),
            by_hand.as_secs_f64()
        );
    }
    for (who, seen) in [("hactl", hactl), ("by hand", hand)] {
        println!(
            "{who}: {:.0} s in all, drains too; a client that read and wrote 20 times a second: {} of {} requests failed, \
             slowest {:.2} s, longest time without an answer {:.2} s",
            seen.whole.as_secs_f64(),
            seen.client["failed"],
            seen.client["requests"],
            seen.client["slowestSeconds"].as_f64().unwrap_or_default(),
            seen.client["longestGapSeconds"]
                .as_f64()
                .unwrap_or_default()
        );
    }
}

/// Every node's turn out of the newest report: all of its orders, except the drain, staging and the snapshot.
fn turns(lab: &Lab) -> Result<BTreeMap<String, Duration>> {
    let folder = agent::operator_folder(lab)
        .join(agent::STATE)
        .join("rollouts");
    let mut reports: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("failed to read {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    reports.sort();
    let newest = reports.pop().context("the rollout left no report")?;
    let report: Value = serde_json::from_str(&fs::read_to_string(newest)?)?;
    let mut turns: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut drained: BTreeMap<String, f64> = BTreeMap::new();
    for line in report["timeline"].as_array().into_iter().flatten() {
        let order = line["order"].as_str().unwrap_or_default();
        let node = line["subject"].as_str().unwrap_or_default().to_owned();
        let (begun, ended) = (seconds(&line["begun"])?, seconds(&line["ended"])?);
        if matches!(order, "stage" | "snapshot-etcd") {
            continue;
        }
        if order == "drain" {
            *drained.entry(node.clone()).or_default() += ended - begun;
        }
        let turn = turns.entry(node).or_insert((begun, ended));
        *turn = (turn.0.min(begun), turn.1.max(ended));
    }
    let took = turns.into_iter().map(|(node, (begun, ended))| {
        let away = drained.get(&node).copied().unwrap_or_default();
        let took = Duration::from_secs_f64((ended - begun - away).max(0.0));
        (node, took)
    });
    Ok(took.collect())
}

/// A moment of a report, in seconds since 1970.
fn seconds(moment: &Value) -> Result<f64> {
    let moment: jiff::Timestamp = moment
        .as_str()
        .context("a line without its time")?
        .parse()?;
    Ok(moment.as_duration().as_secs_f64())
}
