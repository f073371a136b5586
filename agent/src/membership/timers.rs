//! The one timer heap: what is due when, in order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use foca::Timer;

use super::identity::MemberId;

/// What a timer starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// foca's own.
    Swim(Timer<MemberId>),
    /// Ask a suspect once more before its time is over.
    LastCall(MemberId),
    /// Announce to seeds while alone, and to those of them that are missing.
    Announce,
    /// Broadcast a digest that was held back.
    Publish,
    /// Compare the members with what was reported of them.
    Refresh,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    at: Duration,
    due: Due,
    /// Keeps equal ones in the order in which they were set.
    number: u64,
}

/// Timers by deadline; ties in the order that foca wants, then in the order of setting.
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

    /// Moves the deadlines of suspicions that end before `until` to then.
    pub fn extend_suspicions(&mut self, until: Duration) {
        let entries = std::mem::take(&mut self.heap).into_vec();
        self.heap = entries
            .into_iter()
            .map(|Reverse(mut entry)| {
                if matches!(entry.due, Due::Swim(Timer::ChangeSuspectToDown { .. })) {
                    entry.at = entry.at.max(until);
                }
                Reverse(entry)
            })
            .collect();
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

impl Due {
    /// foca wants the indirect probe before the next probe, and both before the rest.
    const fn rank(&self) -> u8 {
        match self {
            Self::Swim(Timer::SendIndirectProbe { .. }) => 0,
            Self::Swim(Timer::ProbeRandomMember(_)) => 1,
            _ => 2,
        }
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| (entry.at, entry.due.rank(), entry.number);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
