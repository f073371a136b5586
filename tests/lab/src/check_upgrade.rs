//! Rolling upgrades of real nodes with real kubeadm, and what may go wrong in them.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::budget::Budget;
use crate::check_agents::Next;
use crate::cluster;
use crate::kubernetes::Version;
use crate::lab::{Lab, Role};
use crate::machine;
use crate::operator;
use crate::power;
use crate::progress::{say, stage};
use crate::rollout::Rollout;
use crate::switch::Switch;
use crate::writer::Writer;

/// A plan asks every node.
pub(crate) const PLAN_LIMIT: Duration = Duration::from_mins(3);
const READY_LIMIT: Duration = Duration::from_mins(5);
/// `kubeadm upgrade node` takes seven seconds and more.
const UNDER_WAY: Duration = Duration::from_secs(3);
/// What a refused verb ends with.
pub(crate) const REFUSED: Option<i32> = Some(3);

/// Has every node's package tool read its repository anew.
pub(crate) fn refresh(lab: &Lab) -> Result<()> {
    stage("refreshing the nodes' repositories", |stage| {
        for node in &lab.nodes {
            stage.detail(node.name.clone());
            let argv = [
                "apt-get",
                "update",
                "-o",
                "Dir::Etc::sourceparts=/etc/apt/sources.list.d",
            ];
            machine::inside(lab.place(), &node.name, &argv)?
                .limit(PLAN_LIMIT)
                .run()?;
        }
        Ok(())
    })
}

/// Plans, prints what was said, and gives it; it has to be refused.
fn refused(lab: &Lab, to: &str) -> Result<String> {
    let planned = operator::controller(lab, &["upgrade", "--to", to, "--plan"])
        .limit(PLAN_LIMIT)
        .outcome()?;
    println!(
        "$ hactl-controller upgrade --to {to} --plan\n{}",
        planned.stdout.trim_end()
    );
    ensure!(
        planned.code == REFUSED,
        "a plan to {to} ended with {:?}: {}",
        planned.code,
        planned.stderr
    );
    Ok(planned.stdout)
}

/// Targets that can't be, in a lab whose nodes are offered `to`.
pub(crate) fn impossible_targets(lab: &Lab, to: Version) -> Result<()> {
    let Version {
        major,
        minor,
        patch,
    } = lab.version;
    let older = format!("v{major}.{}.0", minor - 1);
    // Where the minor between is offered, it is the farther one that is not.
    let far = if to.minor > minor {
        "packages-offered"
    } else {
        "hop-offered"
    };
    for (to, reason) in [
        (older, "target-newer"),
        (
            format!("v{major}.{minor}.{}", patch + 97),
            "packages-offered",
        ),
        (format!("v{major}.{}.0", minor + 2), far),
    ] {
        let said = refused(lab, &to)?;
        ensure!(said.contains(reason), "{to} was refused without {reason}");
    }
    Ok(())
}

/// A budget that allows no disruption.
pub(crate) fn budget(lab: &Lab, to: Version) -> Result<()> {
    let budget = Budget::close(lab)?;
    let said = refused(lab, &to.to_string())?;
    for word in ["disruption-budget", Budget::NAME, Budget::OWNER] {
        ensure!(said.contains(word), "the refusal does not name {word}");
    }
    budget.open()
}

/// A control plane has no power before the upgrade.
pub(crate) fn powered_off_before(
    lab: &Lab,
    to: Version,
    on_again: impl Fn(&str) -> Result<()>,
) -> Result<()> {
    let victim = last_control_plane(lab)?;
    power::off(lab, &victim)?;
    let said = refused(lab, &to.to_string())?;
    ensure!(said.contains(&victim), "the refusal does not name {victim}");
    on_again(&victim)?;
    cluster::wait_ready(lab, READY_LIMIT)
}

fn last_control_plane(lab: &Lab) -> Result<String> {
    let last = lab.of_role(Role::ControlPlane).last();
    Ok(last.context("no control plane")?.name.clone())
}

/// Upgrades all nodes under a client that reads and writes; the controller is killed twice, an agent in mid `kubeadm upgrade`,
/// and another one replaced by the next version just then.
pub(crate) fn whole(lab: &Lab, to: Version, next: &Next) -> Result<()> {
    let client = Writer::start(lab, &operator::controller(lab, &["kubeconfig"]).run()?)?;
    let start = Instant::now();
    let mut rollout = Rollout::start(lab, &["upgrade", "--to", &to.to_string()])?;
    rollout.wait_for("cp1 upgrade: kubeadm-upgrade")?;
    thread::sleep(Duration::from_secs(10));
    say("killing the controller");
    rollout.kill()?;
    let mut rollout = Rollout::start(lab, &["resume"])?;
    rollout.wait_for("cp2 upgrade: kubeadm-upgrade")?;
    thread::sleep(UNDER_WAY);
    say("killing cp2's agent in the middle of kubeadm upgrade");
    let kill = [
        "systemctl",
        "kill",
        "--kill-whom=main",
        "--signal=KILL",
        "hactl-agent",
    ];
    machine::inside(lab.place(), "cp2", &kill)?.run()?;
    rollout.wait_for("cp3 drain")?;
    say("killing the controller again");
    rollout.kill()?;
    let mut rollout = Rollout::start(lab, &["resume"])?;
    rollout.wait_for("cp3 upgrade: kubeadm-upgrade")?;
    thread::sleep(UNDER_WAY);
    next.install_by_hand(lab, "cp3")?;
    rollout.end()?;
    let took = start.elapsed().as_secs();
    let (seen, words) = client.end()?;
    say(&format!("the upgrade took {took} s; the client: {words}"));
    at_version(lab, to)?;
    cluster::wait_ready(lab, READY_LIMIT)?;
    ensure!(seen["failed"] == 0, "{} requests failed", seen["failed"]);
    Ok(())
}

/// While an upgrade is under way a control plane loses power, a budget allows no disruption, and a worker's cable is pulled.
pub(crate) fn machines_go_away(
    lab: &Lab,
    to: Version,
    on_again: impl Fn(&str) -> Result<()>,
) -> Result<()> {
    let victim = last_control_plane(lab)?;
    let mut rollout = Rollout::start(
        lab,
        &["upgrade", "--to", &to.to_string(), "--drain-limit", "20"],
    )?;
    rollout.wait_for("cp1 upgrade: kubeadm-upgrade")?;
    power::off(lab, &victim)?;
    rollout.wait_for(&format!("waiting for {victim}"))?;
    thread::sleep(Duration::from_secs(20));
    // While all wait for it: later a worker may be drained before the budget has its pod there.
    let budget = Budget::close(lab)?;
    on_again(&victim)?;
    rollout.wait_for(&format!("{victim} upgrade: done"))?;
    rollout.wait_for(&format!("{} of {}", Budget::NAME, Budget::OWNER))?;
    schedulable(lab)?;
    budget.open()?;
    let worker = lab
        .of_role(Role::Worker)
        .next()
        .context("no worker")?
        .name
        .clone();
    rollout.wait_for(&format!("{worker} upgrade"))?;
    let cable = |plugged| Switch::of(lab.place()).set_cable(&worker, plugged);
    cable(false)?;
    thread::sleep(Duration::from_mins(1));
    cable(true)?;
    rollout.end()?;
    at_version(lab, to)?;
    cluster::wait_ready(lab, READY_LIMIT)
}

/// A node whose drain could not end is not left cordoned while that is waited for.
fn schedulable(lab: &Lab) -> Result<()> {
    stage("waiting until no node is cordoned", |stage| {
        stage.wait("every node schedulable", READY_LIMIT, || {
            let cordoned = "jsonpath={.items[?(@.spec.unschedulable)].metadata.name}";
            let names = cluster::kubectl(lab, &["get", "nodes", "-o", cordoned])?;
            ensure!(names.trim().is_empty(), "cordoned: {names}");
            Ok(())
        })
    })
}

fn at_version(lab: &Lab, to: Version) -> Result<()> {
    let nodes: Value =
        serde_json::from_str(&cluster::kubectl(lab, &["get", "nodes", "-o", "json"])?)?;
    for node in nodes["items"].as_array().into_iter().flatten() {
        let (name, kubelet) = (
            &node["metadata"]["name"],
            &node["status"]["nodeInfo"]["kubeletVersion"],
        );
        ensure!(*kubelet == to.to_string(), "{name} is at {kubelet}");
        ensure!(
            node["spec"]["unschedulable"].is_null(),
            "{name} is cordoned"
        );
    }
    Ok(())
}
