//! What real agents know each other by, exchanged while they gossip: nobody is called down, everybody answers, and what was given up is no use.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::agent;
use crate::disk;
use crate::gossip;
use crate::lab::Lab;
use crate::machine;
use crate::operator;
use crate::power;
use crate::program::program;
use crate::progress::{say, stage};
use crate::rollout::Rollout;
use crate::view;

const LIMIT: Duration = Duration::from_mins(3);
/// Every node probes and is probed many times in it.
const WATCHED: Duration = Duration::from_secs(10);
/// The operator's state folder from before a rotation.
const BEFORE: &str = "state-before";
/// Where a node keeps the ring that came after its bundle.
const RING: &str = "var/lib/hactl/gossip-ring.json";

/// Waits until each is alive to all others.
fn all_alive(lab: &Lab) -> Result<()> {
    stage("waiting until every agent sees every other", |stage| {
        for node in &lab.nodes {
            view::wait_for(lab, stage, &node.name, "alive", LIMIT)?;
        }
        Ok(())
    })
}

/// How often each agent has called another down since its node was made.
fn called_down(lab: &Lab) -> Result<Vec<(String, usize)>> {
    let argv = [
        "journalctl",
        "--unit=hactl-agent",
        "--output=cat",
        "--no-pager",
    ];
    let count = |node: &crate::lab::Node| {
        let log = machine::inside(lab.place(), &node.name, &argv)?.run()?;
        Ok((node.name.clone(), log.matches("member is down").count()))
    };
    lab.nodes.iter().map(count).collect()
}

fn controller(lab: &Lab, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let ended = operator::controller(lab, arguments)
        .limit(LIMIT)
        .outcome()?;
    let said = format!("{}{}", ended.stderr, ended.stdout);
    println!("$ hactl-controller {}\n{said}", arguments.join(" "));
    Ok((ended.code, said))
}

fn well(lab: &Lab, arguments: &[&str]) -> Result<String> {
    let (code, said) = controller(lab, arguments)?;
    ensure!(code == Some(0), "it ended with {code:?}");
    Ok(said)
}

fn kill_agent(lab: &Lab, node: &str) -> Result<()> {
    say(&format!("killing the agent of {node}"));
    let kill = [
        "systemctl",
        "kill",
        "--kill-whom=main",
        "--signal=KILL",
        "hactl-agent",
    ];
    machine::inside(lab.place(), node, &kill)?.run()?;
    Ok(())
}

/// The worker loses power: it holds the beginning up by name, and nothing is changed.
fn held_up_by_name(
    lab: &Lab,
    verb: &[&str],
    on_again: impl Fn(&[String]) -> Result<()>,
) -> Result<()> {
    let away = lab
        .nodes
        .last()
        .context("a lab without nodes")?
        .name
        .clone();
    power::off(lab, &away)?;
    let (code, said) = controller(lab, verb)?;
    ensure!(
        code == Some(3)
            && said.contains("nothing was changed")
            && said.contains(&format!("{away} does not answer")),
        "it ended with {code:?}"
    );
    on_again(&[away])?;
    all_alive(lab)
}

/// Datagrams that cross the switch for a while, by the key that they name.
fn sealed_with(lab: &Lab, key: u8) -> Result<Vec<(String, u32)>> {
    // Behind the eight bytes of UDP's header: the envelope's version, then the key's id.
    gossip::count_of(lab, &format!("@th,72,8 {key}"))?;
    thread::sleep(WATCHED);
    gossip::counted(lab)
}

fn sealed_by_all(lab: &Lab, with: u8, without: u8) -> Result<()> {
    let (used, unused) = (sealed_with(lab, with)?, sealed_with(lab, without)?);
    say(&format!(
        "bytes in {} s under key {with}: {used:?}; under key {without}: {unused:?}",
        WATCHED.as_secs()
    ));
    ensure!(
        used.len() == lab.nodes.len() && used.iter().all(|(_, bytes)| *bytes > 0),
        "not every node seals with key {with}"
    );
    ensure!(
        unused.iter().all(|(_, bytes)| *bytes == 0),
        "somebody seals with key {without}"
    );
    Ok(())
}

/// The ids of the keys that lie on every node, which no one but the agent reads.
fn rings(lab: &Lab) -> Result<Vec<u64>> {
    let mut all: Vec<Vec<u64>> = Vec::new();
    for node in &lab.nodes {
        let file = disk::root(lab.place(), &node.name).join(RING);
        let mode = fs::metadata(&file)
            .with_context(|| format!("failed to find {}", file.display()))?
            .permissions()
            .mode();
        ensure!(
            mode & 0o777 == 0o600,
            "{} has mode {mode:o}",
            file.display()
        );
        let ring: Value = serde_json::from_slice(&fs::read(&file)?)?;
        let keys = ring["keys"].as_array().into_iter().flatten();
        all.push(keys.filter_map(|key| key["id"].as_u64()).collect());
    }
    let first = all.first().cloned().context("a lab without nodes")?;
    ensure!(all.iter().all(|one| *one == first), "they differ: {all:?}");
    Ok(first)
}

/// Meanwhile no agent calls another down.
fn nobody_missed(lab: &Lab, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = called_down(lab)?;
    meanwhile()?;
    let after = called_down(lab)?;
    ensure!(before == after, "called down: {before:?}, then {after:?}");
    Ok(())
}

/// The key that seals gossip, with an agent that dies when it has both.
pub(crate) fn gossip_key(lab: &Lab, on_again: impl Fn(&[String]) -> Result<()>) -> Result<()> {
    let verb = ["certs", "rotate-gossip-key"];
    let finish = [&verb[..], &["--finish"]].concat();
    all_alive(lab)?;
    sealed_by_all(lab, 1, 2)?;
    held_up_by_name(lab, &verb, on_again)?;
    nobody_missed(lab, || {
        well(lab, &verb)?;
        ensure!(
            rings(lab)? == [2, 1],
            "it is not the new key and the old one"
        );
        sealed_by_all(lab, 2, 1)
    })?;
    kill_agent(lab, "cp2")?;
    all_alive(lab)?;
    nobody_missed(lab, || {
        well(lab, &finish)?;
        ensure!(rings(lab)? == [2], "the old key is there still");
        sealed_by_all(lab, 2, 1)
    })?;
    kill_agent(lab, "cp3")?;
    all_alive(lab)?;
    well(lab, &["members"]).map(drop)
}

/// Whether the operator of before is let in, who believes what is believed now.
fn old_operator_answered(lab: &Lab) -> Result<bool> {
    let folder = agent::operator_folder(lab);
    let place = |state: &str| folder.join(state).join("ca.crt");
    fs::copy(place(agent::STATE), place(BEFORE))?;
    operator_answered(lab, Some(BEFORE))
}

/// Whether every agent answers a person of that state folder; no: the first one says that it does not believe who asks.
fn operator_answered(lab: &Lab, state: Option<&str>) -> Result<bool> {
    for node in &lab.nodes {
        let verb = ["journal", &node.name, "--last", "1"];
        let more: Vec<&str> = state.into_iter().flat_map(|dir| ["--state", dir]).collect();
        let ended = operator::controller(lab, &[&verb[..], &more].concat())
            .limit(LIMIT)
            .outcome()?;
        let refused = ended.stderr.contains("be trusted by");
        ensure!(
            ended.code == Some(0) || refused,
            "{} says {:?}: {}",
            node.name,
            ended.code,
            ended.stderr
        );
        if refused {
            return Ok(false);
        }
    }
    Ok(true)
}

/// hactl's own CA, with agents that die in the midst, and the operator's files of before.
pub(crate) fn own_ca(lab: &Lab, on_again: impl Fn(&[String]) -> Result<()>) -> Result<()> {
    let verb = ["certs", "rotate-hactl-ca"];
    let with = |more: &'static str| [&verb[..], &[more]].concat();
    let folder = agent::operator_folder(lab);
    let copy = program("cp")
        .args(["--archive", "--no-target-directory", agent::STATE, BEFORE])
        .dir(&folder);
    copy.run()?;
    all_alive(lab)?;
    held_up_by_name(lab, &verb, on_again)?;
    nobody_missed(lab, || {
        let mut forward = Rollout::start(lab, &verb)?;
        forward.wait_for("cp1: install")?;
        say("killing the controller");
        forward.kill()
    })?;
    kill_agent(lab, "cp2")?;
    all_alive(lab)?;
    nobody_missed(lab, || well(lab, &verb).map(drop))?;
    ensure!(
        old_operator_answered(lab)?,
        "the old operator is let in nowhere"
    );
    nobody_missed(lab, || well(lab, &with("--abort")).map(drop))?;
    nobody_missed(lab, || well(lab, &verb).map(drop))?;
    kill_agent(lab, "w1")?;
    all_alive(lab)?;
    nobody_missed(lab, || well(lab, &with("--finish")).map(drop))?;
    kill_agent(lab, "cp3")?;
    all_alive(lab)?;
    ensure!(
        operator_answered(lab, None)?,
        "the operator is let in nowhere"
    );
    ensure!(
        !old_operator_answered(lab)?,
        "the old operator is let in still"
    );
    well(lab, &["members"]).map(drop)
}
