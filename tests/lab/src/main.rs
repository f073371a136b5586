//! hactl-lab: real Kubernetes nodes on one machine, to try hactl on.
//!
//! A node is a booted systemd container with its own network namespace, containerd and kubelet; `up` makes everything it
//! needs from Debian's packages, so that a fresh machine ends with a cluster. What took minutes is kept in a cache folder.

mod cache;
mod cgroup;
mod cli;
mod disk;
mod host;
mod image;
mod images;
mod kubernetes;
mod kubernetes_build;
mod lab;
mod machine;
mod mount;
mod package;
mod power;
mod program;
mod progress;
mod rootfs;
mod switch;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cache::Cache;
use crate::cli::{Cli, Up, Verb};
use crate::disk::Shared;
use crate::kubernetes::Kubernetes;
use crate::lab::{Lab, Place};

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
        Verb::Up(options) => return up(&cache, place, &options),
        Verb::Down => return power::clear(&place),
        _ => {}
    }
    let lab = Lab::load(place)?;
    match verb {
        Verb::BootNode { node } => {
            machine::become_node(&lab, lab.node(&node)?, &cache.path("packages"))
        }
        Verb::Shell { node, command } => {
            let command = if command.is_empty() {
                vec!["bash".to_owned()]
            } else {
                command
            };
            machine::exec_inside(lab.place(), &lab.node(&node)?.name, &command)
        }
        Verb::PowerOff { nodes } => nodes.iter().try_for_each(|node| power::off(&lab, node)),
        Verb::PowerOn { nodes } => power::on(&cache, &lab, &nodes),
        Verb::Wipe { nodes } => power::wipe(&cache, &lab, &nodes, |_| Ok(())),
        _ => anyhow::bail!("not yet"),
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
    power::clear(lab.place())?;
    let kubernetes = Kubernetes::obtain(cache, options.version)?;
    let shared = Shared::obtain(cache, kubernetes)?;
    power::boot_all(&lab, &shared, |_| Ok(()))
}
