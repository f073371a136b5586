//! Putting labs up and down, and single nodes off and on.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::cache::{Cache, remove};
use crate::cgroup;
use crate::disk::{self, Shared};
use crate::kubernetes::Kubernetes;
use crate::lab::{Lab, Node, Place};
use crate::machine;
use crate::mount;
use crate::progress::{say, stage};
use crate::switch::{self, Switch};

/// How long a node may take to boot; four at once share the host's processors.
const BOOT_LIMIT: Duration = Duration::from_mins(2);

/// Ends all that bears the lab's name and removes it: of a lab that was put up whole, or of one that was interrupted.
pub(crate) fn clear(place: &Place) -> Result<()> {
    let leftovers = fs::exists(place.path("nodes"))? || !machine::running(place).is_empty();
    if leftovers {
        stage("clearing the earlier lab", |stage| {
            for node in machine::running(place) {
                stage.detail(node.clone());
                machine::cut_power(place, &node)?;
            }
            mount::unmount_below(&place.path(""))
        })?;
    }
    switch::remove_namespaces(place)?;
    cgroup::remove(place, None)?;
    remove(&place.path(""))
}

/// Puts up the network and gives every node a fresh disk. `prepare` sees each disk before it is ever booted from.
pub(crate) fn make_disks(
    lab: &Lab,
    shared: &Shared,
    prepare: impl Fn(&Node) -> Result<()>,
) -> Result<()> {
    stage("making disks and network", |stage| {
        Switch::of(lab.place()).put_up()?;
        for node in &lab.nodes {
            stage.detail(node.name.clone());
            disk::make(lab, node, shared)?;
            prepare(node)?;
        }
        lab.save()
    })
}

/// Powers nodes on and waits until their systemd has started all it has to.
pub(crate) fn boot(lab: &Lab, nodes: &[Node]) -> Result<()> {
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    stage(&format!("booting {}", names.join(", ")), |stage| {
        for node in nodes {
            machine::start(lab, node)?;
        }
        for node in nodes {
            let what = format!("systemd on {}", node.name);
            stage.wait(&what, BOOT_LIMIT, || booted(lab.place(), &node.name))?;
        }
        Ok(())
    })
}

fn booted(place: &Place, node: &str) -> Result<()> {
    let outcome = machine::inside(place, node, &["systemctl", "is-system-running"])?.outcome()?;
    let state = outcome.stdout.trim();
    ensure!(
        ["running", "degraded"].contains(&state),
        "it says {state:?} {}",
        outcome.stderr.trim()
    );
    Ok(())
}

/// Powers a node off.
pub(crate) fn off(lab: &Lab, name: &str) -> Result<()> {
    let node = lab.node(name)?;
    ensure!(
        machine::manager(lab.place(), &node.name).is_some(),
        "{name} is off already"
    );
    machine::cut_power(lab.place(), &node.name)?;
    say(&format!("{name} is off"));
    Ok(())
}

/// Powers nodes on again, with the disks they have.
pub(crate) fn on(cache: &Cache, lab: &Lab, names: &[String]) -> Result<()> {
    let shared = shared(cache, lab)?;
    let nodes = named(lab, names)?;
    for node in &nodes {
        ensure!(
            machine::manager(lab.place(), &node.name).is_none(),
            "{} is on already",
            node.name
        );
        disk::mount(lab.place(), node, &shared)?;
    }
    boot(lab, &nodes)
}

/// Gives nodes fresh disks and boots them. `prepare` sees each disk before.
pub(crate) fn wipe(
    cache: &Cache,
    lab: &Lab,
    names: &[String],
    prepare: impl Fn(&Node) -> Result<()>,
) -> Result<()> {
    let shared = shared(cache, lab)?;
    let nodes = named(lab, names)?;
    for node in &nodes {
        machine::cut_power(lab.place(), &node.name)?;
        disk::make(lab, node, &shared)?;
        prepare(node)?;
    }
    boot(lab, &nodes)
}

fn named(lab: &Lab, names: &[String]) -> Result<Vec<Node>> {
    names.iter().map(|name| lab.node(name).cloned()).collect()
}

fn shared(cache: &Cache, lab: &Lab) -> Result<Shared> {
    Shared::obtain(cache, &Kubernetes::obtain(cache, lab.version)?)
}
