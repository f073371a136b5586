//! One node by itself, fed again what it took in within a cluster: what membership costs a machine.
//!
//! In the world thousands of members share two cores and their caches, and the event queue is paid for too. Equal inputs give
//! equal runs, so a node that is given the same datagrams at the same times does the same without all that.

use std::time::Duration;

use anyhow::bail;
use hactl_agent::membership::clock::Now;
use hactl_agent::membership::core::Core;
use hactl_agent::membership::exchange::{Exchange, Portion};
use stats_alloc::INSTRUMENTED_SYSTEM;

use crate::cluster;
use crate::measure::cpu_time;
use crate::world::{HEADERS, address};

/// What a node takes in.
#[derive(Debug, Clone)]
pub enum Input {
    /// A datagram.
    Datagram(Box<[u8]>),
    /// A timer is due.
    Timer,
    /// Another's question over a stream, or what it says this node lacks.
    Question(Box<[u8]>),
    /// The answer to a question of its own.
    Answer(Box<[u8]>),
}

/// All that the first node of a cluster took in since it was made.
#[derive(Debug)]
pub struct Tape {
    /// The seed of its core.
    pub seed: u64,
    /// The state of the cluster that it was told when it was made.
    pub everyone: Vec<u8>,
    /// When it was made.
    pub made: Now,
    /// In order.
    pub inputs: Vec<(Now, Input)>,
}

/// What the node costs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone {
    /// Bytes that it holds once it has heard every member, the allocator's own included.
    pub memory: u64,
    /// How many of them are for the names and digests of the members; the rest is for the membership itself.
    pub records: u64,
    /// Processor time for a second.
    pub cpu: Duration,
    /// Bytes that it sent in datagrams, headers included.
    pub sent: u64,
}

/// What glibc's allocator keeps beside each allocation.
const BESIDE: usize = 16;
/// Runs of which the median counts.
const RUNS: usize = 5;

/// Plays the tape to a node of its own; processor time counts from `from` on.
pub fn alone(tape: &Tape, from: Duration) -> anyhow::Result<Alone> {
    let mut runs = (0..RUNS)
        .map(|_| play(tape, from))
        .collect::<anyhow::Result<Vec<Alone>>>()?;
    runs.sort_by_key(|run| run.cpu);
    Ok(runs[RUNS / 2])
}

fn play(tape: &Tape, from: Duration) -> anyhow::Result<Alone> {
    let before = held();
    let mut core = cluster::core(0, tape.seed, tape.made)?;
    let records = learn(&mut core, tape)?;
    let idle = tape.inputs.partition_point(|(at, _)| at.mono < from);
    let mut sent = drain(&mut core);
    let (first, rest) = tape.inputs.split_at(idle);
    sent += feed(&mut core, first);
    let cpu = cpu_time();
    sent += feed(&mut core, rest);
    let cpu = cpu_time().saturating_sub(cpu);
    hear_all(&mut core, tape)?;
    let memory = held().saturating_sub(before);
    let until = tape.inputs.last().map_or(from, |(at, _)| at.mono);
    let seconds = until.saturating_sub(from).as_secs_f64().max(1.0);
    Ok(Alone {
        memory: memory as u64,
        records,
        cpu: cpu.div_f64(seconds),
        sent,
    })
}

/// Tells the node of everyone; what their names and digests take.
fn learn(core: &mut Core, tape: &Tape) -> anyhow::Result<u64> {
    let Exchange::Tell(mut told) = Exchange::decode(&tape.everyone)? else {
        bail!("the tape does not begin with a state");
    };
    let records = std::mem::take(&mut told.records);
    let parts = told.parts;
    core.answer(&Exchange::Tell(told).encode(), tape.made)?;
    let told = Portion {
        parts,
        members: Vec::new(),
        records,
    };
    let message = Exchange::Tell(told).encode();
    let before = held();
    core.answer(&message, tape.made)?;
    Ok(held().saturating_sub(before) as u64)
}

/// One datagram of each member: what is kept of a sender is kept of all of them in time.
fn hear_all(core: &mut Core, tape: &Tape) -> anyhow::Result<()> {
    let members = core.members().len();
    let now = tape.inputs.last().map_or(tape.made, |(at, _)| *at);
    for index in 1..members {
        let mut other = cluster::core(index, 0, now)?;
        other.advance(now);
        let mut sent = std::iter::from_fn(|| other.poll_datagram());
        if let Some((_, datagram)) = sent.find(|(to, _)| *to == address(0)) {
            let _ = core.receive(&datagram, now);
        }
        drain(core);
    }
    Ok(())
}

/// The bytes sent meanwhile.
fn feed(core: &mut Core, inputs: &[(Now, Input)]) -> u64 {
    let mut sent = 0;
    for (now, input) in inputs {
        match input {
            // A refusal, as in the world, is counted by the core.
            Input::Datagram(datagram) => drop(core.receive(datagram, *now)),
            Input::Question(message) => drop(core.answer(message, *now)),
            Input::Answer(message) => drop(core.take_answer(message, *now)),
            Input::Timer => {}
        }
        core.advance(*now);
        sent += drain(core);
    }
    sent
}

fn drain(core: &mut Core) -> u64 {
    while core.poll_event().is_some() {}
    while core.poll_zone_event().is_some() {}
    while core.poll_stream().is_some() {}
    while core.poll_repair().is_some() {}
    let sent = std::iter::from_fn(|| core.poll_datagram());
    sent.map(|(_, datagram)| datagram.len() as u64 + HEADERS)
        .sum()
}

/// Bytes held by this process, all of its threads. Zero where the program does not count them.
fn held() -> usize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    let bytes = stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated);
    let count = stats.allocations.saturating_sub(stats.deallocations);
    bytes + count * BESIDE
}
