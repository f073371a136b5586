//! What is done to a cluster, and what is read off.

use std::time::Duration;

use rand::RngExt as _;

use crate::measure::{cpu_time, percentile};
use crate::node::Node;
use crate::watch::{Alarms, Death};
use crate::world::{Condition, World};

/// Nothing happens to anybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idle {
    /// Bytes a second that a node sends in datagrams, IP and UDP headers included.
    pub datagram_bytes: f64,
    /// Bytes a second that a node sends over streams.
    pub stream_bytes: f64,
    /// Processor time a node needs for a second, the simulator's own included.
    pub cpu: Duration,
    /// False alarms an hour in the whole cluster.
    pub suspected_an_hour: f64,
    /// Healthy nodes called down an hour in the whole cluster.
    pub down_an_hour: f64,
    /// The alarms themselves.
    pub alarms: Alarms,
}

/// Runs for so long and looks at the costs.
pub fn idle<N: Node>(world: &mut World<N>, time: Duration) -> Idle {
    let running = world
        .slots
        .iter()
        .filter(|slot| slot.condition != Condition::Dead);
    let nodes = running.count().max(1);
    let sent = |world: &World<N>| -> (u64, u64) {
        let slots = world.slots.iter();
        slots.fold((0, 0), |(datagrams, streams), slot| {
            (datagrams + slot.sent, streams + slot.streamed)
        })
    };
    let (before, cpu) = (sent(world), cpu_time());
    world.watch.alarms = Alarms::default();
    world.run(time);
    let after = sent(world);
    let node_seconds = time.as_secs_f64() * float(nodes as u64);
    let hours = time.as_secs_f64() / 3600.0;
    Idle {
        datagram_bytes: float(after.0 - before.0) / node_seconds,
        stream_bytes: float(after.1 - before.1) / node_seconds,
        cpu: cpu_time().saturating_sub(cpu).div_f64(node_seconds),
        suspected_an_hour: float(world.watch.alarms.suspected) / hours,
        down_an_hour: float(world.watch.alarms.down) / hours,
        alarms: world.watch.alarms,
    }
}

/// A count as a number to divide; exact below 2⁵³.
#[allow(clippy::cast_precision_loss)]
pub const fn float(count: u64) -> f64 {
    count as f64
}

/// One of many nodes lost, again and again: median and 99 % over the losses, `None` where some did not end.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    /// Until somebody suspected.
    pub suspected: [Option<Duration>; 2],
    /// Until somebody called it down.
    pub first: [Option<Duration>; 2],
    /// Until 99 % had.
    pub most: [Option<Duration>; 2],
    /// Until all had.
    pub all: [Option<Duration>; 2],
    /// How many were lost.
    pub count: usize,
}

/// Powers nodes off one after the other, `pause` apart at least.
pub fn lose<N: Node>(world: &mut World<N>, count: usize, limit: Duration) -> Losses {
    let mut deaths = Vec::new();
    for _ in 0..count {
        let living: Vec<usize> = (0..world.slots.len())
            .filter(|index| world.answers(*index))
            .collect();
        let victim = living[world.rng.random_range(0..living.len())];
        // At any moment of a probe period.
        let wait = Duration::from_micros(world.rng.random_range(0..2_000_000));
        world.run(wait);
        world.kill(victim);
        let observers = living.len() - 1;
        let key = u32::try_from(victim).unwrap_or(u32::MAX);
        let end = world.now + limit;
        world.run_until(end, |world| {
            world.watch.deaths[&key].down.len() >= observers
        });
        deaths.push((world.watch.deaths[&key].clone(), observers));
    }
    summary(&deaths)
}

fn summary(deaths: &[(Death, usize)]) -> Losses {
    let both = |times: Vec<Option<Duration>>| [percentile(&times, 50), percentile(&times, 99)];
    let informed = |percent: usize| {
        let times = deaths.iter();
        both(
            times
                .map(|(death, of)| death.informed(*of, percent))
                .collect(),
        )
    };
    let suspected = deaths.iter().map(|(death, _)| death.first_suspicion());
    Losses {
        suspected: both(suspected.collect()),
        first: informed(0),
        most: informed(99),
        all: informed(100),
        count: deaths.len(),
    }
}

/// A zone of three lost at once: when the given part of all pairs of observer and lost knew.
#[derive(Debug, Clone, Copy, Default)]
pub struct ZoneLoss {
    /// Nine in ten pairs.
    pub most: Option<Duration>,
    /// 99 in a hundred.
    pub nearly_all: Option<Duration>,
    /// All pairs.
    pub all: Option<Duration>,
}

/// Powers a zone off.
pub fn lose_zone<N: Node>(world: &mut World<N>, zone: usize, limit: Duration) -> ZoneLoss {
    let lost: Vec<usize> = (0..world.slots.len())
        .filter(|index| world.slots[*index].zone == zone && world.answers(*index))
        .collect();
    let start = world.now;
    for index in &lost {
        world.kill(*index);
    }
    let observers = world
        .slots
        .iter()
        .filter(|slot| slot.condition == Condition::Running)
        .count();
    let pairs = observers * lost.len();
    let keys: Vec<u32> = lost
        .iter()
        .filter_map(|index| u32::try_from(*index).ok())
        .collect();
    let known = |world: &World<N>| -> usize {
        keys.iter()
            .map(|key| world.watch.deaths[key].down.len())
            .sum()
    };
    world.run_until(start + limit, |world| known(world) >= pairs);
    let mut times: Vec<Duration> = keys
        .iter()
        .flat_map(|key| world.watch.deaths[key].down.iter().copied())
        .collect();
    times.sort_unstable();
    let at = |percent: usize| {
        let wanted = (pairs * percent).div_ceil(100).max(1);
        times.get(wanted - 1).map(|at| at.saturating_sub(start))
    };
    ZoneLoss {
        most: at(90),
        nearly_all: at(99),
        all: at(100),
    }
}

/// Some nodes get no cpu, or no network, for `stall`, then `pause` of freedom, again and again; what that does to the healthy.
pub fn disturb<N: Node>(
    world: &mut World<N>,
    nodes: &[usize],
    condition: Condition,
    rhythm: (Duration, Duration),
    time: Duration,
) -> Idle {
    let end = world.now + time;
    let (stall, pause) = rhythm;
    let mut sum = Idle::default();
    let mut alarms = Alarms::default();
    while world.now < end {
        for index in nodes {
            world.disturb(*index, condition, stall);
        }
        let part = idle(world, stall + pause);
        alarms.suspected += world.watch.alarms.suspected;
        alarms.down += world.watch.alarms.down;
        sum = part;
    }
    let hours = time.as_secs_f64() / 3600.0;
    Idle {
        suspected_an_hour: float(alarms.suspected) / hours,
        down_an_hour: float(alarms.down) / hours,
        alarms,
        ..sum
    }
}
