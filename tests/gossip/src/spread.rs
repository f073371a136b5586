//! Joins, digests, and zones that are cut off: what only the agent's core does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use hactl_agent::membership::core::{Core, ZoneEvent};
use hactl_agent::membership::identity::NodeId;
use hactl_proto::health::HealthDigest;
use hactl_proto::member::ZoneCondition;
use rand::RngExt as _;

use crate::cluster::{digest, join, seed_of};
use crate::measure::percentile;
use crate::world::World;

/// Median and 99 %, `None` where it did not end.
pub type Both = [Option<Duration>; 2];

fn both(times: &[Option<Duration>]) -> Both {
    [percentile(times, 50), percentile(times, 99)]
}

/// Nodes that join one after the other: until each knows all, and until all know it.
pub fn joins(world: &mut World<Core>, count: usize) -> anyhow::Result<(Both, Both)> {
    let (mut knows, mut seen_by_all) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let start = world.now;
        let index = join(world)?;
        let all = world.slots.len();
        let number = NodeId::of(&seed_of(index)?.node);
        let end = start + Duration::from_mins(1);
        let mut told = None;
        while world.now < end && told.is_none() {
            let next = world.now + Duration::from_millis(50);
            if world.run_until(next, |world| world.slots[index].node.status().known >= all) {
                told = Some(world.since(start));
            }
        }
        knows.push(told);
        let seen = world.run_until(end, |world| {
            (0..all).all(|other| other == index || world.slots[other].node.knows(number))
        });
        seen_by_all.push(seen.then(|| world.since(start)));
    }
    Ok((both(&knows), both(&seen_by_all)))
}

/// One node's health changes, again and again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread {
    /// Until 99 % know.
    pub most: Both,
    /// Until all know.
    pub all: Both,
    /// Bytes that a node sends for it in three seconds, a second, beyond what it sends anyway.
    pub bytes: f64,
}

fn changed(number: usize) -> HealthDigest {
    HealthDigest {
        findings: vec![format!("finding-{number}"), "swap-off".into()],
        ..digest(40)
    }
}

/// Who does not hold that very digest of the node yet. Who holds it keeps it, and is not asked again.
struct Uninformed {
    of: NodeId,
    wanted: HealthDigest,
    left: RefCell<Vec<usize>>,
}

impl Uninformed {
    fn all(of: NodeId, wanted: HealthDigest, members: usize) -> Self {
        Self {
            of,
            wanted,
            left: RefCell::new((0..members).collect()),
        }
    }

    fn count(&self, world: &World<Core>) -> usize {
        let mut left = self.left.borrow_mut();
        left.retain(|index| {
            let held = world.slots[*index].node.health_of(self.of);
            held.is_none_or(|held| held.findings != self.wanted.findings)
        });
        left.len()
    }
}

/// Changes one node's digest `count` times. `dark`: when half know it, every datagram is lost for two seconds, so that the rest
/// learn it from the exchange.
pub fn digests(
    world: &mut World<Core>,
    count: usize,
    dark: bool,
    idle_bytes: f64,
) -> anyhow::Result<Spread> {
    let (mut most, mut all) = (Vec::new(), Vec::new());
    let mut bytes = 0.0;
    let total = world.slots.len();
    for round in 0..count {
        let writer = world.rng.random_range(0..total);
        let number = NodeId::of(&seed_of(writer)?.node);
        let wanted = changed(round + 1000 * usize::from(dark));
        let (start, now) = (world.now, world.time());
        let before: u64 = world.slots.iter().map(|slot| slot.sent).sum();
        world.slots[writer].node.publish(wanted.clone(), now);
        let uninformed = Uninformed::all(number, wanted, total);
        world.drain(writer);
        if dark {
            let end = start + Duration::from_secs(5);
            world.run_until(end, |world| uninformed.count(world) * 2 <= total);
            let loss = std::mem::replace(&mut world.network.loss, 1.0);
            world.run(Duration::from_secs(2));
            world.network.loss = loss;
        }
        let end = start + Duration::from_mins(10);
        let knew = world.run_until(end, |world| uninformed.count(world) * 100 <= total);
        most.push(knew.then(|| world.since(start)));
        // What it costs is counted over three seconds, also where all know it sooner.
        let first = start + Duration::from_secs(3);
        let early = !dark && world.run_until(first, |world| uninformed.count(world) == 0);
        let at = world.now;
        if !dark {
            world.run((start + Duration::from_secs(3)).saturating_sub(world.now));
            let after: u64 = world.slots.iter().map(|slot| slot.sent).sum();
            let per_node =
                crate::scenario::float(after - before) / crate::scenario::float(total as u64);
            bytes += per_node / 3.0 - idle_bytes;
        }
        let knew = early || world.run_until(end, |world| uninformed.count(world) == 0);
        let at = if early { at } else { world.now };
        all.push(knew.then(|| at.saturating_sub(start)));
    }
    Ok(Spread {
        most: both(&most),
        all: both(&all),
        bytes: bytes / crate::scenario::float(count.max(1) as u64),
    })
}

/// A zone of three is cut off and comes back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cut {
    /// Until so many of the other zones said that it is silent: 90 %, all.
    pub silent: Both,
    /// Until so many of the zone said that it is cut off: 90 %, all.
    pub inside: Both,
    /// After its return: until all nodes said of all zones that they are reachable.
    pub healed: Option<Duration>,
    /// The most zone events that any node outside told until then, its return included.
    pub most_events: usize,
}

/// Cuts zone 2 off for a minute.
pub fn cut(world: &mut World<Core>) -> Cut {
    let zone = 2;
    world.watch.zones.clear();
    let start = world.now;
    world.network.cut.push(zone);
    world.run(Duration::from_mins(1));
    let part = |inside: bool, wanted: ZoneCondition, percent: usize| {
        let of = world
            .slots
            .iter()
            .filter(|slot| (slot.zone == zone) == inside)
            .count();
        let mut first: HashMap<u32, Duration> = HashMap::new();
        for (at, observer, event) in &world.watch.zones {
            let within = world.slots[*observer as usize].zone == zone;
            if matches!(event, ZoneEvent::Zone { condition, .. } if *condition == wanted)
                && within == inside
            {
                first.entry(*observer).or_insert(*at);
            }
        }
        let mut times: Vec<Duration> = first
            .into_values()
            .map(|at| at.saturating_sub(start))
            .collect();
        times.sort_unstable();
        times.get((of * percent).div_ceil(100) - 1).copied()
    };
    let silent = [90, 100].map(|percent| part(false, ZoneCondition::Silent, percent));
    let cut_off = [90, 100].map(|percent| part(true, ZoneCondition::CutOff, percent));
    world.network.cut.clear();
    let back = world.now;
    let healed = world.run_until(back + Duration::from_mins(2), |world| {
        world
            .slots
            .iter()
            .all(|slot| slot.node.all_zones_reachable())
    });
    let healed = healed.then(|| world.since(back));
    let mut events: HashMap<u32, usize> = HashMap::new();
    for (_, observer, event) in &world.watch.zones {
        if matches!(event, ZoneEvent::Zone { .. }) && world.slots[*observer as usize].zone != zone {
            *events.entry(*observer).or_default() += 1;
        }
    }
    Cut {
        silent,
        inside: cut_off,
        healed,
        most_events: events.into_values().max().unwrap_or(0),
    }
}
