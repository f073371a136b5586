//! What is noticed of whom, and when.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hactl_agent::membership::core::ZoneEvent;
use hactl_agent::membership::table::Change;

/// One alarm is one, however many notice it within this time.
const SAME: Duration = Duration::from_secs(20);

/// How the others took one node's end.
#[derive(Debug, Clone, Default)]
pub struct Death {
    /// When it died.
    pub at: Duration,
    /// The first suspicion after that.
    pub suspected: Option<Duration>,
    /// When each of the others called it down, in order.
    pub down: Vec<Duration>,
}

/// Alarms about healthy nodes, counted once each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Suspicions.
    pub suspected: u64,
    /// Called down by somebody.
    pub down: u64,
}

/// All that is measured of what nodes notice.
#[derive(Debug, Default)]
pub struct Watch {
    /// The dead by index.
    pub deaths: HashMap<u32, Death>,
    /// Since they were last taken.
    pub alarms: Alarms,
    /// What nodes said of zones: when, who, what of which.
    pub zones: Vec<(Duration, u32, ZoneEvent)>,
    /// Nodes that are not counted as healthy, whatever they are at the moment.
    spared: HashSet<u32>,
    last: HashMap<(u32, bool), Duration>,
}

impl Watch {
    /// A node died.
    pub fn died(&mut self, index: u32, at: Duration) {
        let death = Death {
            at,
            ..Death::default()
        };
        self.deaths.insert(index, death);
    }

    /// Alarms about these nodes, and no others, are no false ones from now on.
    pub fn spare(&mut self, nodes: &[usize]) {
        let nodes = nodes.iter().filter_map(|index| u32::try_from(*index).ok());
        self.spared = nodes.collect();
    }

    /// Somebody noticed something of a node; `healthy` where there was nothing to notice.
    pub fn noticed(&mut self, now: Duration, subject: u32, change: Change, healthy: bool) {
        let down = match change {
            Change::Suspect => false,
            Change::Down => true,
            _ => return,
        };
        if let Some(death) = self.deaths.get_mut(&subject) {
            if down {
                death.down.push(now);
            } else {
                death.suspected.get_or_insert(now);
            }
            return;
        }
        let last = self.last.insert((subject, down), now);
        let healthy = healthy && !self.spared.contains(&subject);
        if healthy && last.is_none_or(|last| last + SAME < now) {
            if down {
                self.alarms.down += 1;
            } else {
                self.alarms.suspected += 1;
            }
        }
    }
}

impl Death {
    /// How long after the death the given part of `of` observers knew; `None` where they never did.
    pub fn informed(&self, of: usize, percent: usize) -> Option<Duration> {
        let wanted = (of * percent).div_ceil(100).max(1);
        self.down
            .get(wanted - 1)
            .map(|at| at.saturating_sub(self.at))
    }

    /// How long after the death the first suspicion came.
    pub fn first_suspicion(&self) -> Option<Duration> {
        self.suspected.map(|at| at.saturating_sub(self.at))
    }
}
