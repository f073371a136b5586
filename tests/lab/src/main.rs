//! hactl-lab: real Kubernetes nodes on one machine, to try hactl on.
//!
//! A node is a booted systemd container with its own network namespace, containerd and kubelet; `up` makes everything it
//! needs from Debian's packages, so that a fresh machine ends with a cluster. What took minutes is kept in a cache folder.

mod agent;
mod by_hand;
mod by_hand_config;
mod cache;
mod cgroup;
mod cli;
mod client;
mod cluster;
mod disk;
mod host;
mod image;
mod images;
mod kubernetes;
mod kubernetes_build;
mod lab;
mod machine;
mod mount;
mod operator;
mod package;
mod partition;
mod power;
mod program;
mod progress;
mod rootfs;
mod spec;
mod status;
mod switch;
mod tally;
mod trust_anyone;
mod upgrade;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;

use crate::cache::Cache;
use crate::cli::{Cli, Up, Verb};
use crate::disk::Shared;
use crate::kubernetes::Kubernetes;
use crate::lab::{Lab, Place};
use crate::progress::say;
use crate::switch::Switch;

/// How long a first boot may take before `up` gives up.
const FIRST_BOOT_LIMIT: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hactl-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    host::check()?;
    let cache = Cache::open()?;
    let place = Place::usual(&cache)?;
    match verb {
        Verb::Up(options) => up(&cache, place, &options),
        Verb::Down => power::clear(&place),
        verb => with_lab(&cache, &Lab::load(place)?, verb),
    }
}

fn up(cache: &Cache, place: Place, options: &Up) -> Result<()> {
    let lab = Lab::plan(
        place,
        options.version,
        options.bare,
        &options.nodes,
        &options.zones,
    )?;
    host::install(&host::TO_RUN)?;
    let kubernetes = Kubernetes::obtain(cache, options.version)?;
    let shared = Shared::obtain(cache, &kubernetes)?;
    power::clear(lab.place())?;
    if !options.bare {
        agent::prepare(&lab, options)?;
    }
    power::make_disks(&lab, &shared, |node| agent::install(&lab, node))?;
    let start = Instant::now();
    power::boot(&lab, &lab.nodes)?;
    if options.bare || options.no_wait {
        return Ok(());
    }
    cluster::wait_ready(&lab, FIRST_BOOT_LIMIT)?;
    say(&format!(
        "from power on to a Ready cluster: {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn with_lab(cache: &Cache, lab: &Lab, verb: Verb) -> Result<()> {
    let set_cables = |nodes: &[String], plugged| {
        nodes
            .iter()
            .try_for_each(|node| Switch::of(lab.place()).set_cable(&lab.node(node)?.name, plugged))
    };
    match verb {
        Verb::Up(_) | Verb::Down => Ok(()),
        Verb::BootNode { node } => machine::become_node(cache, lab, lab.node(&node)?),
        Verb::Status => {
            status::show(cache, lab);
            Ok(())
        }
        Verb::Shell { node, command } => {
            machine::exec_inside(lab.place(), &lab.node(&node)?.name, &or_shell(command))
        }
        Verb::Operator { command } => operator::exec(lab, &or_shell(command)),
        Verb::PowerOff { nodes } => nodes.iter().try_for_each(|node| power::off(lab, node)),
        Verb::PowerOn { nodes } => power::on(cache, lab, &nodes),
        Verb::CutOff { nodes } => set_cables(&nodes, false),
        Verb::Reconnect { nodes } => set_cables(&nodes, true),
        Verb::Partition { groups } => partition::part(lab, &groups),
        Verb::Lose { percent } => partition::lose(lab, percent),
        Verb::Heal => partition::heal(lab),
        Verb::Logs { node, unit, follow } => status::logs(lab, &node, unit.as_deref(), follow),
        Verb::Wipe { nodes } => power::wipe(cache, lab, &nodes, |node| agent::install(lab, node)),
        Verb::ByHand => by_hand::make(lab),
        Verb::Wait { limit } => cluster::wait_ready(lab, Duration::from_secs(limit)),
        Verb::Client(options) => client::run(lab, &options),
        Verb::Version { version } => upgrade::provide(cache, lab, version),
    }
}

fn or_shell(command: Vec<String>) -> Vec<String> {
    if command.is_empty() {
        vec!["bash".to_owned()]
    } else {
        command
    }
}
