//! The one timer heap: what is due when, in order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use foca::{ProbeNumber, Timer};

use super::detect::flight::Relay;
use super::identity::{MemberId, NodeId};

/// What a timer starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// foca's own.
    Swim(Timer<MemberId>),
    /// Probe the member whose turn it is.
    Probe,
    /// A probe that is still without an answer.
    Flight(ProbeNumber),
    /// Tell the asker if the ping made for it stayed without an answer.
    Relay(Relay),
    /// Call a suspect again, or down.
    Suspicion(NodeId),
    /// Look at the zones.
    Zones,
    /// Announce to seeds while alone, and to those of them that are missing.
    Announce,
    /// Compare states with a random member.
    Compare,
    /// Broadcast a digest that was held back.
    Publish,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    at: Duration,
    due: Due,
    /// Keeps equal ones in the order in which they were set.
    number: u64,
}

/// Timers by deadline; ties in the order of setting.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    set: u64,
}

impl Timers {
    /// Sets one.
    pub fn set(&mut self, at: Duration, due: Due) {
        self.set += 1;
        let number = self.set;
        self.heap.push(Reverse(Entry { at, due, number }));
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| entry.0.at)
    }

    /// Takes the next one that is due.
    pub fn take_due(&mut self, now: Duration) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0.due)
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| (entry.at, entry.number);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
