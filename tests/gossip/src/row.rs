//! One run's figures, as they go from the process that measured to the one that prints.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alone::Alone;
use crate::scenario::{Idle, Losses, ZoneLoss};
use crate::spread::{Both, Cut, Spread};

/// Seconds, `None` where something did not end.
pub type Time = Option<f64>;

/// What a run was of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// `hactl` or `foca`.
    pub of: String,
    /// Members.
    pub members: usize,
    /// Part of the datagrams lost.
    pub loss: f64,
}

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// What it was of.
    pub subject: Subject,
    /// Nodes lost one after the other.
    pub count: usize,
    /// Until the first suspicion: median, 99 %.
    pub suspected: [Time; 2],
    /// Until somebody called it down.
    pub down: [Time; 2],
    /// Until 99 % had.
    pub most: [Time; 2],
    /// Until all had.
    pub all: [Time; 2],
    /// Bytes a second a node, in datagrams and over streams.
    pub bytes: [f64; 2],
    /// Suspicions of healthy nodes and healthy nodes called down, an hour in the whole cluster.
    pub alarms: [f64; 2],
    /// The same with one node in a hundred (one at least) without cpu for 10 s again and again.
    pub starved: Option<[f64; 2]>,
    /// A zone of three powered off: until 90 %, 99 % and all pairs knew.
    pub zone: Option<[Time; 3]>,
    /// Bytes of memory a member.
    pub memory: u64,
    /// Microseconds of processor time a second a member, the simulator's included.
    pub cpu: f64,
    /// A node alone, see [`crate::alone`].
    pub alone: Option<Costs>,
    /// What only the agent's core does.
    pub agent: Option<Agent>,
}

/// What a node alone costs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Costs {
    /// Bytes that it holds for the membership itself: members, replay windows, probes.
    pub membership: u64,
    /// Bytes that it holds for names and digests.
    pub records: u64,
    /// Microseconds of processor time a second.
    pub cpu: f64,
}

/// Joins, digests and zone events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Agent {
    /// A joiner: until it knows all, and until all know it; median and 99 %.
    pub join: [[Time; 2]; 2],
    /// A changed digest: until 99 % and all know it; median and 99 %.
    pub digest: [[Time; 2]; 2],
    /// Bytes a second a node in the three seconds after, beyond idle.
    pub digest_bytes: f64,
    /// What is left out of a brief run.
    pub rare: Option<Rare>,
}

/// Half of the cluster missing a digest, and a zone cut off.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rare {
    /// Until 99 % and all know the digest that half missed.
    pub repaired: [Time; 2],
    /// Until 90 % and all others say that the zone is silent.
    pub silent: [Time; 2],
    /// Until 90 % and all of its own say that they are cut off.
    pub cut_off: [Time; 2],
    /// After its return, until nobody says so any more.
    pub healed: Time,
    /// The most zone events of any node outside, the return included.
    pub zone_events: usize,
}

fn seconds(times: Both) -> [Time; 2] {
    times.map(|time| time.map(|time| time.as_secs_f64()))
}

impl Row {
    /// From what was measured.
    pub fn new(
        subject: Subject,
        idle: &Idle,
        losses: &Losses,
        starved: Option<Idle>,
        zone: Option<ZoneLoss>,
        memory: u64,
    ) -> Self {
        let time = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        Self {
            subject,
            count: losses.count,
            suspected: seconds(losses.suspected),
            down: seconds(losses.first),
            most: seconds(losses.most),
            all: seconds(losses.all),
            bytes: [idle.datagram_bytes, idle.stream_bytes],
            alarms: [idle.suspected_an_hour, idle.down_an_hour],
            starved: starved.map(|idle| [idle.suspected_an_hour, idle.down_an_hour]),
            zone: zone.map(|zone| [zone.most, zone.nearly_all, zone.all].map(time)),
            memory,
            cpu: idle.cpu.as_secs_f64() * 1e6,
            alone: None,
            agent: None,
        }
    }
}

impl From<Alone> for Costs {
    fn from(alone: Alone) -> Self {
        Self {
            membership: alone.memory.saturating_sub(alone.records),
            records: alone.records,
            cpu: alone.cpu.as_secs_f64() * 1e6,
        }
    }
}

impl Agent {
    /// From what was measured.
    pub fn new(joins: (Both, Both), heard: &Spread, rare: Option<Rare>) -> Self {
        Self {
            join: [seconds(joins.0), seconds(joins.1)],
            digest: [seconds(heard.most), seconds(heard.all)],
            digest_bytes: heard.bytes,
            rare,
        }
    }
}

impl Rare {
    /// From what was measured.
    pub fn new(missed: &Spread, cut: &Cut) -> Self {
        Self {
            repaired: [seconds(missed.most)[0], seconds(missed.all)[0]],
            silent: seconds(cut.silent),
            cut_off: seconds(cut.inside),
            healed: cut.healed.map(|time| time.as_secs_f64()),
            zone_events: cut.most_events,
        }
    }
}
