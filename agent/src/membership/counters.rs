//! What the membership counted since the start: each is a metric.

use super::seal::Rejection;
use super::table::Change;

/// Datagrams that were not taken, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rejected {
    /// Not an envelope of our version.
    pub garbage: u64,
    /// Too long.
    pub oversize: u64,
    /// Sealed with a key that is not in the ring.
    pub unknown_key: u64,
    /// Not sealed with our key, altered, or cut off.
    pub foreign: u64,
    /// The sender's clock is too far from ours.
    pub stale: u64,
    /// Taken before.
    pub replayed: u64,
    /// Of an earlier boot of the sender.
    pub superseded: u64,
    /// Sealed under our own name.
    pub namesake: u64,
    /// Over the member limit.
    pub crowded: u64,
    /// Authentic and yet not of our format.
    pub malformed: u64,
}

/// All counters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams received, refused ones included.
    pub datagrams_received: u64,
    /// Their bytes, without IP and UDP headers.
    pub bytes_received: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Their bytes, without IP and UDP headers.
    pub bytes_sent: u64,
    /// Refusals.
    pub rejected: Rejected,
    /// Direct probes sent.
    pub probes: u64,
    /// Probes that failed directly and indirectly.
    pub probes_failed: u64,
    /// Members found up.
    pub up: u64,
    /// Suspicions.
    pub suspected: u64,
    /// Suspicions refuted.
    pub refuted: u64,
    /// Members found down.
    pub down: u64,
    /// Own suspicions that ended because they were refuted, or others were faster.
    pub overtaken: u64,
    /// Probes that failed while nothing at all was heard: this node accused nobody for them.
    pub doubts: u64,
    /// Timers that foca found late or doubled.
    pub timer_errors: u64,
    /// Times that this node's own loop stalled.
    pub stalls: u64,
    /// Changes of zones as a whole.
    pub zone_changes: u64,
    /// Times that the cluster had called this node down and it came back.
    pub rejoined: u64,
    /// Times that others told of a newer boot of our name: another agent has it, or this node lost its boot epoch and its clock
    /// went back. The others do not hear this node then.
    pub outranked: u64,
    /// Times that this node could not come back by itself.
    pub defunct: u64,
    /// State exchanges that were merged.
    pub exchanges: u64,
    /// Payloads or records that could not be sent.
    pub unsealed: u64,
}

impl Counters {
    pub(super) const fn received(&mut self, bytes: usize) {
        self.datagrams_received += 1;
        self.bytes_received += bytes as u64;
    }

    pub(super) const fn sent(&mut self, bytes: usize) {
        self.datagrams_sent += 1;
        self.bytes_sent += bytes as u64;
    }

    pub(super) const fn reject(&mut self, rejection: &Rejection) {
        let rejected = &mut self.rejected;
        let counter = match rejection {
            Rejection::Garbage => &mut rejected.garbage,
            Rejection::Oversize => &mut rejected.oversize,
            Rejection::UnknownKey(_) => &mut rejected.unknown_key,
            Rejection::Foreign => &mut rejected.foreign,
            Rejection::Stale { .. } => &mut rejected.stale,
            Rejection::Replayed => &mut rejected.replayed,
            Rejection::Superseded => &mut rejected.superseded,
            Rejection::Namesake => &mut rejected.namesake,
            Rejection::Crowded => &mut rejected.crowded,
            Rejection::Malformed => &mut rejected.malformed,
        };
        *counter += 1;
    }

    pub(super) const fn changed(&mut self, change: Change) {
        match change {
            Change::Up => self.up += 1,
            Change::Suspect => self.suspected += 1,
            Change::Refuted => self.refuted += 1,
            Change::Down => self.down += 1,
            Change::Renamed => {}
        }
    }
}

impl Rejected {
    /// Reasons and counts, in a fixed order, for metrics.
    pub const fn by_reason(&self) -> [(&'static str, u64); 10] {
        [
            ("garbage", self.garbage),
            ("oversize", self.oversize),
            ("unknown_key", self.unknown_key),
            ("foreign", self.foreign),
            ("stale", self.stale),
            ("replayed", self.replayed),
            ("superseded", self.superseded),
            ("namesake", self.namesake),
            ("crowded", self.crowded),
            ("malformed", self.malformed),
        ]
    }
}
