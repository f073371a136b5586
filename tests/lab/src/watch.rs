//! A cluster that nothing is done to, watched: each member that an agent takes for dead in that time is a false alarm. What
//! else runs on the machine meanwhile (a compile) is the caller's choice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::bench;
use crate::lab::{Lab, Node};
use crate::machine;

/// What an agent said of another one.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Alarm {
    Suspected,
    Down,
}

/// Watches, prints what the agents cost and how many alarms they raised; an error where a member was declared down.
pub(crate) fn run(lab: &Lab, time: Duration) -> Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    bench::costs(lab, time)?;
    let mut down = 0;
    for node in &lab.nodes {
        let alarms = alarms(lab, node, since)?;
        let count = |kind| alarms.iter().filter(|alarm| **alarm == kind).count();
        down += count(Alarm::Down);
        println!(
            "agent of {}: {} suspicions, {} members declared down",
            node.name,
            count(Alarm::Suspected),
            count(Alarm::Down)
        );
    }
    let minutes = time.as_secs() / 60;
    println!("false alarms in {minutes} minutes: {down}");
    ensure!(
        down == 0,
        "a member that lives was declared down {down} times"
    );
    Ok(())
}

fn alarms(lab: &Lab, node: &Node, since: u64) -> Result<Vec<Alarm>> {
    let argv = [
        "journalctl",
        "--unit=hactl-agent",
        "--output=cat",
        &format!("--since=@{since}"),
    ];
    let said = machine::inside(lab.place(), &node.name, &argv)?.run();
    let said = said.with_context(|| format!("failed to read the log of {}", node.name))?;
    Ok(said.lines().filter_map(alarm).collect())
}

fn alarm(line: &str) -> Option<Alarm> {
    let entry: Value = serde_json::from_str(line).ok()?;
    match entry["message"].as_str()? {
        "member is suspected" => Some(Alarm::Suspected),
        "member is down" => Some(Alarm::Down),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_told_from_the_rest_of_the_log() {
        let line =
            |message: &str| format!(r#"{{"level":"WARN","message":"{message}","node":"cp2"}}"#);
        assert_eq!(alarm(&line("member is down")), Some(Alarm::Down));
        assert_eq!(alarm(&line("member is suspected")), Some(Alarm::Suspected));
        assert_eq!(alarm(&line("member is up")), None);
        assert_eq!(alarm("Started hactl-agent.service"), None);
    }
}
