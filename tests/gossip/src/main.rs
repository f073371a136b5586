//! `just bench-gossip`: detection at the size of large clusters, in virtual time, beside foca as it comes.
//!
//! Every member is the core that the agent runs, sealing included; the network and the clocks are made up, from one seed. Each
//! run has a process of its own, so that its memory is its own.

use std::alloc::System;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use serde::de::DeserializeOwned;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use hactl_gossip::alone::{Tape, alone};
use hactl_gossip::bound::{Bound, bounds};
use hactl_gossip::node::Node;
use hactl_gossip::row::{Agent, Costs, Rare, Row, Subject};
use hactl_gossip::stalls::Stalls;
use hactl_gossip::world::{Condition, World};
use hactl_gossip::{cluster, measure, picture, scenario, spread, stalls, table};

/// Detection at the size of large clusters, in virtual time.
#[derive(Debug, Clone, Parser)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
struct Arguments {
    /// Cluster sizes.
    #[arg(long, value_delimiter = ',', default_value = "5,10,100,500")]
    sizes: Vec<usize>,
    /// Parts of datagrams lost.
    #[arg(long, value_delimiter = ',', default_value = "0,0.05")]
    loss: Vec<f64>,
    /// Nodes lost one after the other, for the percentiles; no more than a third of the cluster.
    #[arg(long, default_value_t = 20)]
    losses: usize,
    /// Idle time for bytes, cpu and alarms, in seconds.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// Seed of everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// All of it: 5 to 5,000 members, loss 0, 1 and 5 %. Takes hours, and 10 GB.
    #[arg(long)]
    full: bool,
    /// Leave foca as it comes out.
    #[arg(long)]
    only_hactl: bool,
    /// Leave the stalled quarter of 128 out.
    #[arg(long)]
    no_stalls: bool,
    /// Leave out what takes most of the time at thousands of members: starved nodes, zones, repair.
    #[arg(long)]
    brief: bool,
    /// A folder for the figures of each run: those that are there are not measured again.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Measure nothing: only what the folder holds is printed and drawn.
    #[arg(long, requires = "keep")]
    kept: bool,
    /// Where the tables go, beside the standard output.
    #[arg(long)]
    table: Option<PathBuf>,
    /// Where the picture goes.
    #[arg(long)]
    picture: Option<PathBuf>,
    /// Which commit the figures are of.
    #[arg(long, default_value = "a working tree")]
    commit: String,
    /// Bytes a second that a node sends anyway, for a run that measures what comes on top.
    #[arg(long, default_value_t = 0.0, hide = true)]
    beyond: f64,
    /// One run, for the process that prints: what it is of.
    #[arg(long, hide = true)]
    one: Option<String>,
}

/// Counts what is allocated, for what a node alone holds.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Thousands of members are gigabytes that are touched here and there: larger pages spare look-ups of where they are.
const HUGE_PAGES: &str = "glibc.malloc.hugetlb=1";

/// From so many members on a run says how far it is.
const LARGE: usize = 999;

/// Until a cluster has settled: what every node told of itself at its start has been passed on.
const WARM: Duration = Duration::from_secs(30);

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::parse();
    if let Some(one) = arguments.one.clone() {
        one_run(&one, &arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.full {
        arguments.sizes = vec![5, 10, 100, 999, 5000];
        arguments.loss = vec![0.0, 0.01, 0.05];
    }
    let (mut rows, mut stalled) = (Vec::new(), Vec::new());
    let names: &[&str] = if arguments.only_hactl {
        &["hactl"]
    } else {
        &["hactl", "foca"]
    };
    if !arguments.no_stalls {
        for of in names {
            for (loss, by) in [
                (0.0, "cpu"),
                (0.0, "network"),
                (0.2, "cpu"),
                (0.2, "network"),
            ] {
                let one = format!("stalls {of} {loss} {by}");
                stalled.extend(spawn::<Stalls>(&one, &arguments)?);
            }
        }
    }
    for members in &arguments.sizes {
        for loss in &arguments.loss {
            for of in names {
                rows.extend(row(of, *loss, *members, &arguments)?);
            }
        }
    }
    print(&arguments, &rows, &stalled)?;
    Ok(judge(&bounds(&rows, &stalled)))
}

/// One line of the tables: a run of each kind.
fn row(of: &str, loss: f64, members: usize, arguments: &Arguments) -> anyhow::Result<Option<Row>> {
    let row: Option<Row> = spawn(&format!("row {of} {loss} {members}"), arguments)?;
    let Some(row) = row else {
        return Ok(None);
    };
    if of != "hactl" {
        return Ok(Some(row));
    }
    let beyond = Arguments {
        beyond: row.bytes[0],
        ..arguments.clone()
    };
    let agent = spawn(&format!("agent {of} {loss} {members}"), &beyond)?;
    Ok(Some(Row { agent, ..row }))
}

/// Says which goals were missed.
fn judge(bounds: &[Bound]) -> ExitCode {
    let missed: Vec<&Bound> = bounds.iter().filter(|bound| !bound.holds()).collect();
    for bound in &missed {
        println!("missed: {bound}");
    }
    let held = bounds.len() - missed.len();
    println!("bench-gossip: {held} passed, {} failed", missed.len());
    if missed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(arguments: &Arguments, rows: &[Row], stalled: &[Stalls]) -> anyhow::Result<()> {
    let from = format!("Seed {}, {}.", arguments.seed, arguments.commit);
    let text = format!(
        "{from} Times in seconds, median / 99 % over the nodes lost.\n\n{}\n{}\n{}",
        table::detection(rows),
        table::spread(rows),
        table::stalls(stalled)
    );
    print!("{text}");
    if let Some(path) = &arguments.table {
        std::fs::write(path, &text).with_context(|| format!("write {}", path.display()))?;
    }
    if let Some(path) = &arguments.picture {
        let under = format!("virtual time, no loss, three zones 15 ± 5 ms apart; {from}");
        let picture = picture::draw(rows, &under);
        std::fs::write(path, picture).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// A run in a process of its own; `None` where it is not kept and nothing is to be measured.
fn spawn<T: DeserializeOwned>(one: &str, arguments: &Arguments) -> anyhow::Result<Option<T>> {
    let name = format!("{}-{}.json", one.replace(' ', "-"), arguments.seed);
    let kept = arguments.keep.as_ref().map(|folder| folder.join(name));
    let before = kept
        .as_ref()
        .and_then(|path| std::fs::read_to_string(path).ok());
    if let Some(line) = before {
        return serde_json::from_str(&line).with_context(|| format!("read the kept run of {one}"));
    }
    if arguments.kept {
        return Ok(None);
    }
    let start = Instant::now();
    let mut command = Command::new(std::env::current_exe()?);
    command.env("GLIBC_TUNABLES", HUGE_PAGES);
    command.args(["--one", one, "--seed", &arguments.seed.to_string()]);
    command.args(["--losses", &arguments.losses.to_string()]);
    command.args(["--idle", &arguments.idle.to_string()]);
    command.args(["--beyond", &arguments.beyond.to_string()]);
    if arguments.brief {
        command.arg("--brief");
    }
    let done = command.stderr(Stdio::inherit()).output()?;
    ensure!(done.status.success(), "the run of {one} failed");
    eprintln!("{one}: {:.0} s", start.elapsed().as_secs_f64());
    let line = String::from_utf8(done.stdout)?;
    if let Some(path) = kept {
        std::fs::write(&path, &line).with_context(|| format!("keep {}", path.display()))?;
    }
    serde_json::from_str(&line).with_context(|| format!("read the run of {one}"))
}

fn one_run(one: &str, arguments: &Arguments) -> anyhow::Result<()> {
    let words: Vec<&str> = one.split(' ').collect();
    let [kind, of, loss, last] = words[..] else {
        anyhow::bail!("run {one}: it has four words");
    };
    let loss: f64 = loss.parse()?;
    let seed = arguments.seed;
    let line = match (kind, of) {
        ("stalls", _) => {
            let condition = if last == "cpu" {
                Condition::Starved
            } else {
                Condition::Blocked
            };
            let stalls = if of == "hactl" {
                stalls::stall(
                    &mut cluster::agents(stalls::MEMBERS, loss, seed)?,
                    of,
                    condition,
                    stalls::SECONDS,
                )
            } else {
                stalls::stall(
                    &mut cluster::plain(stalls::MEMBERS, loss, seed)?,
                    of,
                    condition,
                    stalls::SECONDS,
                )
            };
            serde_json::to_string(&stalls)?
        }
        ("agent", _) => serde_json::to_string(&only_agent(last.parse()?, loss, arguments)?)?,
        (_, "hactl") => {
            let before = measure::resident();
            let mut world = cluster::agents(last.parse()?, loss, seed)?;
            let (row, tape) = measure(&mut world, of, before, arguments);
            drop(world);
            let alone = tape.map(|tape| alone(&tape, WARM)).transpose()?;
            let alone = alone.map(Costs::from);
            serde_json::to_string(&Row { alone, ..row })?
        }
        _ => {
            let before = measure::resident();
            let mut world = cluster::plain(last.parse()?, loss, seed)?;
            serde_json::to_string(&measure(&mut world, of, before, arguments).0)?
        }
    };
    println!("{line}");
    Ok(())
}

/// What every kind of member does.
fn measure<N: Node>(
    world: &mut World<N>,
    of: &str,
    before: u64,
    arguments: &Arguments,
) -> (Row, Option<Tape>) {
    let members = world.slots.len();
    let subject = Subject {
        of: of.to_owned(),
        members,
        loss: world.network.loss,
    };
    let told = |what: &str| tell(members, what);
    told("made");
    world.run(WARM);
    let memory = measure::resident().saturating_sub(before) / (members as u64).max(1);
    let idle = scenario::idle(world, Duration::from_secs(arguments.idle));
    let tape = world.tape.take();
    told("idle");
    let count = arguments.losses.min(members / 3).max(1);
    let losses = scenario::lose(world, count, Duration::from_secs(30));
    told("nodes lost");
    let rare = !arguments.brief;
    let disturbed = rare.then(|| starve(world, Duration::from_secs(arguments.idle)));
    told("starved");
    let zone = rare.then(|| scenario::lose_zone(world, 1, Duration::from_mins(2)));
    told("zone lost");
    let row = Row::new(subject, &idle, &losses, disturbed, zone, memory);
    (row, tape)
}

/// Says how far a run is that takes minutes.
fn tell(members: usize, what: &str) {
    if members >= LARGE {
        eprintln!(
            "  {what} after {:.0} s of cpu",
            measure::cpu_time().as_secs_f64()
        );
    }
}

/// One node in a hundred gets no cpu for ten seconds again and again.
fn starve<N: Node>(world: &mut World<N>, time: Duration) -> scenario::Idle {
    let members = world.slots.len();
    let starved: Vec<usize> = (0..members)
        .filter(|index| world.answers(*index))
        .take((members / 100).max(1))
        .collect();
    world.watch.spare(&starved);
    let rhythm = (Duration::from_secs(10), Duration::from_secs(1));
    let idle = scenario::disturb(world, &starved, Condition::Starved, rhythm, time);
    world.run(Duration::from_secs(10));
    idle
}

/// What only the agent's core does, in a cluster of its own.
fn only_agent(members: usize, loss: f64, arguments: &Arguments) -> anyhow::Result<Agent> {
    let idle = arguments.beyond;
    let told = |what: &str| tell(members, what);
    let mut world = cluster::agents(members, loss, arguments.seed)?;
    world.run(Duration::from_secs(10));
    told("settled");
    let joins = spread::joins(&mut world, 3)?;
    told("joined");
    let heard = spread::digests(&mut world, 5, false, idle)?;
    told("digests told");
    let rare = if arguments.brief {
        None
    } else {
        let missed = spread::digests(&mut world, 1, true, idle)?;
        told("repaired");
        let cut = spread::cut(&mut world);
        told("cut and healed");
        Some(Rare::new(&missed, &cut))
    };
    Ok(Agent::new(joins, &heard, rare))
}
