//! hactl-lab: real Kubernetes nodes on one machine, to try hactl on.
//!
//! A node is a booted systemd container with its own network namespace, containerd and kubelet; `up` makes everything it
//! needs from Debian's packages, so that a fresh machine ends with a cluster. What took minutes is kept in a cache folder.

mod agent;
mod base64;
mod bench;
mod bench_upgrade;
mod binaries;
mod budget;
mod by_hand;
mod by_hand_config;
mod cache;
mod cgroup;
mod check;
mod check_agents;
mod check_certificates;
mod check_rotation;
mod check_trust;
mod check_upgrade;
mod cli;
mod client;
mod clock;
mod cluster;
mod component;
mod disk;
mod gossip;
mod host;
mod identity;
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
mod rollout;
mod rootfs;
mod short_lived;
mod spec;
mod status;
mod switch;
mod tally;
mod trust_anyone;
mod units;
mod upgrade;
mod upgrade_by_hand;
mod view;
mod watch;
mod writer;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;

use crate::cache::Cache;
use crate::cli::{Certificates, Cli, Up, Upgrade, Verb};
use crate::disk::Shared;
use crate::kubernetes::Kubernetes;
use crate::lab::{Lab, Place, Role};
use crate::progress::say;
use crate::switch::Switch;

/// How long a first boot may take before `up` gives up.
const FIRST_BOOT_LIMIT: Duration = Duration::from_mins(10);

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
        Verb::Up(options) => up(&cache, place, &options).map(|_| ()),
        Verb::Check(options) => check(&cache, &place, options),
        Verb::CheckCertificates(options) => check_certificates(&cache, &place, options),
        Verb::CheckUpgrade(options) => check_upgrade(&cache, &place, options),
        Verb::Bench(options) => bench(&cache, &place, options),
        Verb::BenchUpgrade(options) => bench_upgrade(&cache, &place, options),
        Verb::Down => power::clear(&place),
        Verb::Version { version } => upgrade::provide(&cache, place, version),
        verb => with_lab(&cache, &Lab::load(place)?, verb),
    }
}

/// A lab, and how long it took from power on until the cluster was Ready, where that was waited for.
fn up(cache: &Cache, place: Place, options: &Up) -> Result<(Lab, Duration)> {
    let Up { version, bare, .. } = *options;
    let lab = Lab::plan(place, version, bare, &options.nodes, &options.zones)?;
    host::install(&host::TO_RUN)?;
    host::raise_limits()?;
    let kubernetes = Kubernetes::obtain(cache, version)?;
    let shared = Shared::obtain(cache, &kubernetes)?;
    power::clear(lab.place())?;
    if !bare {
        agent::prepare(&lab, options)?;
    }
    power::make_disks(&lab, &shared, |node| agent::install(&lab, node))?;
    let start = Instant::now();
    power::boot(&lab, &lab.nodes)?;
    if !bare && !options.no_wait {
        cluster::wait_ready(&lab, FIRST_BOOT_LIMIT)?;
        let took = start.elapsed().as_secs_f64();
        say(&format!("from power on to a Ready cluster: {took:.1} s"));
    }
    Ok((lab, start.elapsed()))
}

/// A first boot and the same by hand, beside each other; then what the agents of five nodes cost.
fn bench(cache: &Cache, place: &Place, mut options: Up) -> Result<()> {
    let (lab, hactl) = up(cache, place.clone(), &options)?;
    bench::endpoint_gap(&lab, "hactl")?;
    options.bare = true;
    let (lab, _) = up(cache, place.clone(), &options)?;
    let by_hand = by_hand::make(&lab)?;
    bench::endpoint_gap(&lab, "hand")?;
    bench::first_boot(hactl, &by_hand);
    options.bare = false;
    options.nodes = ["cp1", "cp2", "cp3", "w1", "w2"]
        .map(str::to_owned)
        .to_vec();
    let (lab, _) = up(cache, place.clone(), &options)?;
    bench::idle(&lab)?;
    power::clear(place)
}

/// A first boot and a loss of power in its cluster, then a first boot under agents that get killed.
fn check(cache: &Cache, place: &Place, mut options: Up) -> Result<()> {
    let mut cases = check::Cases::default();
    let lab = cases.case(
        "a first boot ends with every node Ready and nothing left of the joins",
        || {
            let (lab, _) = up(cache, place.clone(), &options)?;
            check::whole(&lab)?;
            Ok(lab)
        },
    )?;
    let units = "long commands as transient units, under a node's systemd";
    match (units::build()?, lab.of_role(Role::Worker).next()) {
        (Some(test), Some(node)) => cases.case(units, || units::run(&lab, node, &test))?,
        (None, _) => cases.skipped(units, "there is no cargo here to build its test with"),
        (_, None) => cases.skipped(units, "the lab has no worker"),
    }
    cases.case(
        "the endpoint's holder loses power, is missed by all, comes back",
        || check::power_loss(&lab, |node| power::on(cache, &lab, &[node.to_owned()])),
    )?;
    cases.case("a setting that drifted is put right", || check::drift(&lab))?;
    cases.case(
        "a control plane that lost etcd's data starts none, and joins again with a fresh disk",
        || {
            check::lost_data(
                &lab,
                |node| power::on(cache, &lab, &[node.to_owned()]),
                |node| {
                    power::wipe(cache, &lab, &[node.to_owned()], |node| {
                        agent::install(&lab, node)
                    })
                },
            )
        },
    )?;
    options.no_wait = true;
    cases.case(
        "a first boot under agents that get killed and a package that is installed again",
        || {
            let (lab, _) = up(cache, place.clone(), &options)?;
            check::kill_agents(&lab)?;
            cluster::wait_ready(&lab, FIRST_BOOT_LIMIT)?;
            check::whole(&lab)
        },
    )?;
    power::clear(place)
}

/// A whole upgrade under a client, with killed controllers and a killed agent, and new agents; then one in which machines go away.
fn check_upgrade(cache: &Cache, place: &Place, options: Upgrade) -> Result<()> {
    let Upgrade { up: options, to } = options;
    let next = check_agents::Next::find()?;
    let mut cases = check::Cases::default();
    let again = |lab: &Lab, node: &str| power::on(cache, lab, &[node.to_owned()]);
    let ready = || -> Result<Lab> {
        let (lab, _) = up(cache, place.clone(), &options)?;
        upgrade::provide(cache, place.clone(), to)?;
        check_upgrade::refresh(&lab)?;
        Ok(lab)
    };
    let lab = cases.case("a cluster to upgrade", ready)?;
    cases.case(
        "an older target, one that is nowhere, one two minors ahead are refused",
        || check_upgrade::impossible_targets(&lab, to),
    )?;
    cases.case(
        "a budget that allows no disruption is refused with its owner and pod",
        || check_upgrade::budget(&lab, to),
    )?;
    cases.case("a control plane without power is refused", || {
        check_upgrade::powered_off_before(&lab, to, |node| again(&lab, node))
    })?;
    cases.case(
        "no request fails while controller and agents are killed and replaced in an upgrade of all nodes",
        || check_upgrade::whole(&lab, to, &next),
    )?;
    cases.case(
        "agents are replaced by the next version, beside controllers of both, and no request fails",
        || check_agents::replaced(&lab, &next),
    )?;
    let lab = cases.case(
        "another cluster to upgrade, of which two nodes have binaries in a folder",
        || {
            let lab = ready()?;
            for node in ["cp2", "w1"] {
                binaries::instead_of_packages(cache, &lab, node, to)?;
            }
            Ok(lab)
        },
    )?;
    cases.case(
        "a control plane without power, a budget and a node cut off for a minute are waited for",
        || check_upgrade::machines_go_away(&lab, to, |node| again(&lab, node)),
    )?;
    power::clear(place)
}

/// Certificates that are whole, renewed under a client, renewed by an agent that is killed meanwhile, of rotated CAs, renewed in time, and
/// all ended.
fn check_certificates(cache: &Cache, place: &Place, options: Certificates) -> Result<()> {
    let Certificates {
        mut up,
        only,
        life,
        keep,
    } = options;
    let mut cases = check::Cases::default();
    cases.only = only;
    let lab = match Lab::load(place.clone()) {
        Ok(lab) if keep => lab,
        _ => cases.case("a cluster with certificates", || {
            certificates_up(cache, place, &mut up)
        })?,
    };
    cases.picked(
        "every kubelet serves a certificate that the cluster signed",
        || check_certificates::kubelets_serve(&lab),
    )?;
    cases.picked("every certificate is whole, signed, and served", || {
        check_certificates::shown(&lab)
    })?;
    cases.picked(
        "no request fails while every control plane renews and begins anew",
        || check_certificates::renewed(&lab),
    )?;
    cases.picked(
        "an agent killed between renewal and restart ends it",
        || check_certificates::agent_killed(&lab),
    )?;
    cases.picked(
        "a control plane whose clock is ten minutes ahead waits for its turn",
        || check_certificates::clock_ahead(&lab),
    )?;
    cases.picked(
        "etcd's CA is rotated under a client that asks all the while",
        || check_rotation::rotated(&lab, &check_rotation::ETCD),
    )?;
    cases.picked(
        "the front proxy's CA is rotated under a client that asks all the while",
        || check_rotation::rotated(&lab, &check_rotation::FRONT_PROXY),
    )?;
    cases.picked(
        "Kubernetes' CA is rotated under a client that asks all the while",
        || check_rotation::cluster_rotated(&lab),
    )?;
    cases.picked(
        "a rotation that is cut off is turned back under a client",
        || check_rotation::turned_back(&lab, &check_rotation::FRONT_PROXY),
    )?;
    cases.picked(
        "Kubernetes' CA, cut off in the midst of its rotation, is turned back under a client",
        || check_rotation::cluster_turned_back(&lab),
    )?;
    cases.picked(
        "the gossip key is rotated, and a node that is off holds it up by name",
        || check_trust::gossip_key(&lab, |nodes| power::on(cache, &lab, nodes)),
    )?;
    cases.picked(
        "hactl's own CA is rotated, turned back and rotated, while agents die",
        || check_trust::own_ca(&lab, |nodes| power::on(cache, &lab, nodes)),
    )?;
    cases.picked(
        "certificates with minutes of life are renewed in time by the agents alone",
        || check_certificates::renewed_in_time(&lab, Duration::from_mins(life)),
    )?;
    cases.picked(
        "a cluster whose every certificate has ended comes back without its API",
        || check_certificates::all_ended(&lab, |nodes| power::on(cache, &lab, nodes)),
    )?;
    if keep {
        return Ok(());
    }
    power::clear(place)
}

/// A cluster whose kubelets ask it for their serving certificates.
fn certificates_up(cache: &Cache, place: &Place, options: &mut Up) -> Result<Lab> {
    let Up { version, bare, .. } = *options;
    let lab = Lab::plan(place.clone(), version, bare, &options.nodes, &options.zones)?;
    let spec = cache.path(format!("specs/{}.yaml", place.name()));
    cache::write(&spec, spec::with_serving_certificates(&lab))?;
    options.spec.get_or_insert(spec);
    up(cache, place.clone(), options).map(|(lab, _)| lab)
}

/// An upgrade by hactl and the same by hand, beside each other, on clusters of the same nodes.
fn bench_upgrade(cache: &Cache, place: &Place, options: Upgrade) -> Result<()> {
    let Upgrade {
        up: mut options,
        to,
    } = options;
    let mut seen = Vec::new();
    for bare in [false, true] {
        options.bare = bare;
        let (lab, _) = up(cache, place.clone(), &options)?;
        if bare {
            by_hand::make(&lab)?;
        }
        upgrade::provide(cache, place.clone(), to)?;
        check_upgrade::refresh(&lab)?;
        seen.push(if bare {
            bench_upgrade::by_hand(&lab, to)?
        } else {
            bench_upgrade::by_hactl(&lab, to)?
        });
    }
    if let [hactl, hand] = seen.as_slice() {
        bench_upgrade::print(hactl, hand);
    }
    power::clear(place)
}

fn with_lab(cache: &Cache, lab: &Lab, verb: Verb) -> Result<()> {
    let set_cables = |nodes: &[String], plugged| {
        nodes
            .iter()
            .try_for_each(|node| Switch::of(lab.place()).set_cable(&lab.node(node)?.name, plugged))
    };
    match verb {
        Verb::Up(_)
        | Verb::Check(_)
        | Verb::CheckCertificates(_)
        | Verb::CheckUpgrade(_)
        | Verb::Bench(_)
        | Verb::BenchUpgrade(_)
        | Verb::Down
        | Verb::Version { .. } => Ok(()),
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
        Verb::Shorten { seconds, kubelets } => {
            short_lived::all(lab, Duration::from_secs(seconds), kubelets)
        }
        Verb::Logs { node, unit, follow } => status::logs(lab, &node, unit.as_deref(), follow),
        Verb::Wipe { nodes } => power::wipe(cache, lab, &nodes, |node| agent::install(lab, node)),
        Verb::ByHand => by_hand::make(lab).map(|taken| taken.print()),
        Verb::Watch { minutes } => watch::run(lab, Duration::from_mins(minutes)),
        Verb::Wait { limit } => cluster::wait_ready(lab, Duration::from_secs(limit)),
        Verb::Client(options) => client::run(lab, &options),
    }
}

fn or_shell(command: Vec<String>) -> Vec<String> {
    if command.is_empty() {
        vec!["bash".to_owned()]
    } else {
        command
    }
}
