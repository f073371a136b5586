//! What hactl costs and how fast it is, each figure beside that of the same thing by hand in the same run: a ratio says
//! something on any machine, a number of seconds does not.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::by_hand::Taken;
use crate::check;
use crate::gossip;
use crate::lab::{Lab, Node};
use crate::machine;
use crate::power;
use crate::progress::stage;

/// How long the idle agents are looked at.
const IDLE: Duration = Duration::from_mins(2);
/// How long after all is Ready a cluster still has to do with its first boot.
const SETTLE: Duration = Duration::from_secs(45);
/// Unit of the processor times in /proc, a second's share. Linux shows it to programs as 100 on every architecture.
const TICKS_A_SECOND: f64 = 100.0;

/// What an agent costs while nothing happens.
struct Cost {
    node: String,
    resident_kib: u64,
    processor_percent: f64,
    gossip_bytes_a_second: f64,
}

/// Prints how the two ways of making the cluster compare.
pub(crate) fn first_boot(hactl: Duration, by_hand: &Taken) {
    let seconds = hactl.as_secs_f64();
    println!("first boot, from power on to all Ready, by hactl: {seconds:.1} s");
    for (what, time) in [
        ("the kubeadm commands alone", by_hand.commands),
        ("from the first command to all Ready", by_hand.until_ready),
    ] {
        let time = time.as_secs_f64();
        println!(
            "by hand, {what}: {time:.1} s (hactl: {:.2} times that)",
            seconds / time
        );
    }
}

/// How long the endpoint is away, to a client, when its holder loses power.
pub(crate) fn endpoint_gap(lab: &Lab, whose: &str) -> Result<()> {
    let victim = check::holder(lab)?.name.clone();
    let client = check::start_client()?;
    thread::sleep(Duration::from_secs(3));
    power::off(lab, &victim)?;
    let seen = client
        .wait_with_output()
        .context("failed to wait for the client")?;
    let seen: Value = serde_json::from_slice(&seen.stdout).context("the client said no JSON")?;
    println!(
        "endpoint of {whose}, its holder powered off under 20 new connections a second: a gap of {:.2} s, {} of {} failed",
        seen["longestGapSeconds"].as_f64().unwrap_or_default(),
        seen["failed"],
        seen["requests"]
    );
    Ok(())
}

/// What the agents cost in a cluster that just boots no more.
pub(crate) fn idle(lab: &Lab) -> Result<()> {
    stage("letting the cluster settle", |_| {
        thread::sleep(SETTLE);
        Ok(())
    })?;
    costs(lab, IDLE)
}

/// What the agents cost in that time.
pub(crate) fn costs(lab: &Lab, time: Duration) -> Result<()> {
    let costs = stage("watching the agents", |_| {
        gossip::count(lab)?;
        let before: Vec<u64> = lab
            .nodes
            .iter()
            .map(|node| ticks(lab, node))
            .collect::<Result<_>>()?;
        let start = Instant::now();
        thread::sleep(time);
        let seconds = start.elapsed().as_secs_f64();
        let bytes = gossip::counted(lab)?;
        let nodes = lab.nodes.iter().zip(before);
        nodes
            .map(|(node, before)| cost(lab, node, before, seconds, &bytes))
            .collect::<Result<Vec<_>>>()
    })?;
    for Cost {
        node,
        resident_kib,
        processor_percent,
        gossip_bytes_a_second,
    } in costs
    {
        println!(
            "agent of {node}: {:.1} MiB resident, {processor_percent:.2} % of a core, {gossip_bytes_a_second:.0} bytes of gossip a second",
            f64::from(u32::try_from(resident_kib)?) / 1024.0
        );
    }
    Ok(())
}

fn cost(
    lab: &Lab,
    node: &Node,
    before: u64,
    seconds: f64,
    bytes: &[(String, u32)],
) -> Result<Cost> {
    let used = u32::try_from(ticks(lab, node)?.saturating_sub(before))?;
    let status = fs::read_to_string(format!("/proc/{}/status", agent(lab, node)?))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident
        .and_then(|line| line.split_whitespace().next())
        .context("a process without VmRSS")?;
    let sent = bytes
        .iter()
        .find(|(name, _)| *name == node.name)
        .map_or(0, |(_, bytes)| *bytes);
    Ok(Cost {
        node: node.name.clone(),
        resident_kib: resident.parse()?,
        processor_percent: f64::from(used) / TICKS_A_SECOND / seconds * 100.0,
        gossip_bytes_a_second: f64::from(sent) / seconds,
    })
}

/// Processor time of the node's agent so far, in ticks; that of threads that are gone is in it.
fn ticks(lab: &Lab, node: &Node) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", agent(lab, node)?))?;
    // The name in parentheses may hold blanks; utime and stime are the 12th and 13th fields after it.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    field(11)
        .zip(field(12))
        .map(|(user, system)| user + system)
        .context("a process without processor times")
}

/// The agent's process, by the host's numbering.
fn agent(lab: &Lab, node: &Node) -> Result<i32> {
    machine::find_process(lab.place(), &node.name, "hactl-agent")
        .with_context(|| format!("no hactl-agent runs on {}", node.name))
}
