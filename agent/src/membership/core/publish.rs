//! This node's own records: its name plate, and its digest, of which only transitions are broadcast.

use std::time::Duration;

use hactl_proto::health::HealthDigest;

use super::Core;
use crate::membership::clock::Now;
use crate::membership::digest::{self, Change};
use crate::membership::name_plate::NamePlate;
use crate::membership::record::{Kind, Record, Stamp, Subject};
use crate::membership::timers::Due;

/// Transitions within this time of the last broadcast go out together after it.
const COALESCE: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct Publishing {
    version: u32,
    plates: u32,
    last: Option<Duration>,
    held: bool,
}

impl Core {
    /// Takes the node's newest digest. A transition is broadcast, at most one in three seconds; a measurement that moved waits
    /// for the next state exchange; anything less is dropped. `version` is set here.
    pub fn publish(&mut self, digest: HealthDigest, now: Now) {
        let change = if self.publishing.version == 0 {
            Change::Loud
        } else {
            digest::change(&self.digest, &digest)
        };
        if change == Change::None {
            return;
        }
        self.digest = digest;
        let wait = self.publishing.last.map_or(Duration::ZERO, |last| {
            (last + COALESCE).saturating_sub(now.mono)
        });
        if change == Change::Loud && wait.is_zero() {
            self.broadcast_digest(now);
            self.settle(now);
            return;
        }
        self.write_digest();
        if change == Change::Loud && !self.publishing.held {
            self.publishing.held = true;
            self.timers.set(now.mono + wait, Due::Publish);
        }
    }

    pub(super) fn publish_held(&mut self, now: Now) {
        self.publishing.held = false;
        self.broadcast_digest(now);
    }

    fn broadcast_digest(&mut self, now: Now) {
        self.publishing.last = Some(now.mono);
        let item = self.next_digest().encode();
        // Below foca's limit by the encoding's own; refused only if another of our name has written a newer one.
        if self.swim.add_broadcast(&item).is_err() {
            self.counters.unsealed += 1;
        }
    }

    fn write_digest(&mut self) {
        let record = self.next_digest();
        // Our own encoding reads back; what would not is not shown.
        let _ = self.records.with(|records| records.write(record));
    }

    fn next_digest(&mut self) -> Record {
        self.publishing.version += 1;
        self.digest.version = self.publishing.version;
        self.record(
            Kind::Digest,
            self.publishing.version,
            digest::encode(&self.digest),
        )
    }

    /// Broadcasts who this node is, again after a rejoin.
    pub(super) fn hang_name_plate(&mut self) {
        let plate = NamePlate {
            node: self.settings.node.node.clone(),
            zone: self.settings.node.zone.clone(),
        };
        self.publishing.plates += 1;
        let record = self.record(Kind::NamePlate, self.publishing.plates, plate.encode());
        // A name plate is below 340 bytes: it always fits.
        let _ = self.swim.add_broadcast(&record.encode());
    }

    fn record(&self, kind: Kind, version: u32, body: Vec<u8>) -> Record {
        let own = self.swim.identity();
        Record {
            subject: Subject {
                node: own.node,
                kind,
            },
            stamp: Stamp {
                boot: own.boot,
                version,
            },
            body,
        }
    }
}
