//! Records that spread with the gossip: who a node is by name, and how it is. Last writer wins by boot epoch, then version.
//!
//! A record is written by its own node only. It is broadcast when it changes in a way that others must hear soon, and repaired
//! by the state exchange. Never liveness: a relayed record says nothing about whether its node lives now.

use std::sync::{Arc, Mutex, PoisonError};

use foca::{BroadcastHandler, Invalidates};
use hactl_proto::health::HealthDigest;

use super::digest;
use super::exchange::{PARTS, record_hash};
use super::flat::Flat;
use super::identity::{MemberId, NodeId};
use super::name_plate::NamePlate;
use super::wire::{Malformed, Reader};

/// Largest encoded record: foca keeps an item that fits into no packet forever.
pub const MAX_RECORD: usize = 900;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Name and zone.
    NamePlate,
    /// Health.
    Digest,
}

/// Orders the records of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The boot epoch in which it was written.
    pub boot: u32,
    /// Raised at each change within that boot.
    pub version: u32,
}

/// What a record is about; foca replaces an older item about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Whose record it is.
    pub node: NodeId,
    /// What it says.
    pub kind: Kind,
}

/// One record, still encoded behind its stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub subject: Subject,
    /// Its age.
    pub stamp: Stamp,
    /// Its content, at most [`MAX_RECORD`] bytes with the front.
    pub body: Vec<u8>,
}

/// Bytes in front of a record's body.
const FRONT: usize = 17;

/// Kind, node, boot, version: which record it is.
pub(super) fn front(subject: Subject, stamp: Stamp) -> [u8; FRONT] {
    let mut out = [0; FRONT];
    out[0] = match subject.kind {
        Kind::NamePlate => 1,
        Kind::Digest => 2,
    };
    out[1..9].copy_from_slice(&subject.node.0);
    out[9..13].copy_from_slice(&stamp.boot.to_be_bytes());
    out[13..].copy_from_slice(&stamp.version.to_be_bytes());
    out
}

impl Invalidates for Subject {
    fn invalidates(&self, other: &Self) -> bool {
        self == other
    }
}

impl Record {
    /// Kind, node, boot, version, body.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.front();
        out.extend_from_slice(&self.body);
        out
    }

    fn front(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17 + self.body.len());
        out.extend_from_slice(&front(self.subject, self.stamp));
        out
    }

    /// Reads subject and stamp of what [`Record::encode`] wrote.
    pub(super) fn peek(item: &[u8]) -> Result<(Subject, Stamp), Malformed> {
        let mut from = Reader::new(item);
        let kind = match from.u8("kind")? {
            1 => Kind::NamePlate,
            2 => Kind::Digest,
            _ => return Err(Malformed::Range("kind")),
        };
        let node = NodeId(from.array("node id")?);
        let (boot, version) = (from.u32("boot epoch")?, from.u32("version")?);
        Ok((Subject { node, kind }, Stamp { boot, version }))
    }

    /// Reads what [`Record::encode`] wrote; the body is checked by [`Records::take`].
    pub fn decode(item: &[u8]) -> Result<Self, Malformed> {
        if item.len() > MAX_RECORD {
            return Err(Malformed::Range("record"));
        }
        let (subject, stamp) = Self::peek(item)?;
        Ok(Self {
            subject,
            stamp,
            body: item.get(FRONT..).unwrap_or_default().to_vec(),
        })
    }
}

/// What is held of one node, encoded: thousands of them are kept, few are read.
#[derive(Debug, Default)]
struct Held {
    plate: Option<(Stamp, Box<[u8]>)>,
    digest: Option<(Stamp, Box<[u8]>)>,
}

impl Held {
    const fn of(&self, kind: Kind) -> Option<&(Stamp, Box<[u8]>)> {
        match kind {
            Kind::NamePlate => self.plate.as_ref(),
            Kind::Digest => self.digest.as_ref(),
        }
    }
}

/// The newest record of each subject.
#[derive(Debug)]
pub struct Records {
    own: NodeId,
    limit: usize,
    held: Flat<Held>,
    /// The exclusive or over the hashes of the records, by parts of the node space, for [`super::exchange`].
    hashes: [u64; PARTS],
}

impl Records {
    /// None yet; those of at most `members` nodes will be kept. Records about `own` come from this node only.
    pub fn new(own: NodeId, members: usize) -> Self {
        Self {
            own,
            limit: members,
            held: Flat::default(),
            hashes: [0; PARTS],
        }
    }

    /// Takes a record from elsewhere if it is newer than what is known; `true` where it was.
    pub fn take(&mut self, record: Record) -> Result<bool, Malformed> {
        if record.subject.node == self.own {
            return Ok(false);
        }
        self.keep(record)
    }

    /// Takes this node's own record.
    pub fn write(&mut self, record: Record) -> Result<bool, Malformed> {
        self.keep(record)
    }

    /// Takes many from elsewhere. A record that does not read is left out; the others are not its fault.
    pub fn take_all(&mut self, records: Vec<Record>) {
        // Nodes that nothing is known of get their places at once: one by one costs the square of their number.
        let mut fresh: Vec<NodeId> = records.iter().map(|record| record.subject.node).collect();
        fresh.sort_unstable();
        fresh.dedup();
        fresh.retain(|node| *node != self.own && self.held.get(*node).is_none());
        fresh.truncate(self.limit.saturating_sub(self.held.len()));
        self.held.absorb(
            fresh
                .into_iter()
                .map(|node| (node, Held::default()))
                .collect(),
        );
        for record in records {
            let _ = self.take(record);
        }
    }

    fn keep(&mut self, record: Record) -> Result<bool, Malformed> {
        let Subject { node, kind } = record.subject;
        let known = self.stamp(record.subject);
        if known.is_some_and(|known| known >= record.stamp) {
            return Ok(false);
        }
        match kind {
            Kind::NamePlate => {
                let plate = NamePlate::decode(&record.body)?;
                if NodeId::of(&plate.node) != node {
                    return Err(Malformed::Range("node name"));
                }
            }
            Kind::Digest => {
                digest::decode(&record.body, record.stamp.version)?;
            }
        }
        if self.held.get(node).is_none() {
            if self.held.len() >= self.limit {
                return Ok(false);
            }
            self.held.insert(node, Held::default());
        }
        self.hashes[node.bucket()] ^= known.map_or(0, |stamp| record_hash(record.subject, stamp))
            ^ record_hash(record.subject, record.stamp);
        let fresh = Some((record.stamp, record.body.into_boxed_slice()));
        if let Some(held) = self.held.get_mut(node) {
            match kind {
                Kind::NamePlate => held.plate = fresh,
                Kind::Digest => held.digest = fresh,
            }
        }
        Ok(true)
    }

    /// All records, by node.
    pub fn iter(&self) -> impl Iterator<Item = Record> {
        self.held.iter().flat_map(|(node, held)| {
            [Kind::NamePlate, Kind::Digest]
                .into_iter()
                .filter_map(move |kind| {
                    let (stamp, body) = held.of(kind)?;
                    Some(Record {
                        subject: Subject { node, kind },
                        stamp: *stamp,
                        body: body.to_vec(),
                    })
                })
        })
    }

    /// The exclusive or over the hashes of all records, by parts of the node space.
    pub const fn hashes(&self) -> &[u64; PARTS] {
        &self.hashes
    }

    /// Whether the encoded record is newer than what is known. One that does not read is for the reader to refuse.
    pub fn is_news(&self, item: &[u8]) -> bool {
        Record::peek(item).map_or(true, |(subject, stamp)| {
            subject.node != self.own && self.stamp(subject).is_none_or(|known| known < stamp)
        })
    }

    /// The stamp known of a subject.
    pub fn stamp(&self, subject: Subject) -> Option<Stamp> {
        let (stamp, _) = self.held.get(subject.node)?.of(subject.kind)?;
        Some(*stamp)
    }

    /// A node's name plate.
    pub fn plate(&self, node: NodeId) -> Option<NamePlate> {
        let (_, body) = self.held.get(node)?.plate.as_ref()?;
        NamePlate::decode(body).ok()
    }

    /// A node's newest digest.
    pub fn digest(&self, node: NodeId) -> Option<HealthDigest> {
        let (stamp, body) = self.held.get(node)?.digest.as_ref()?;
        digest::decode(body, stamp.version).ok()
    }

    /// Forgets nodes that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        let hashes = &mut self.hashes;
        self.held.retain(|node, held| {
            let kept = keep(node);
            for kind in [Kind::NamePlate, Kind::Digest] {
                if let Some((stamp, _)) = held.of(kind).filter(|_| !kept) {
                    hashes[node.bucket()] ^= record_hash(Subject { node, kind }, *stamp);
                }
            }
            kept
        });
    }
}

/// Records as foca and the core share them. foca owns its handler and gives no way back to it, hence the lock; nobody waits
/// for it, since both live on one task.
#[derive(Debug, Clone)]
pub struct SharedRecords(Arc<Mutex<Records>>);

impl SharedRecords {
    /// Shares `records`.
    pub fn new(records: Records) -> Self {
        Self(Arc::new(Mutex::new(records)))
    }

    /// Works on them.
    pub fn with<T>(&self, work: impl FnOnce(&mut Records) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl BroadcastHandler<MemberId> for SharedRecords {
    type Key = Subject;
    type Error = Malformed;

    fn receive_item(
        &mut self,
        item: &[u8],
        sender: Option<&MemberId>,
    ) -> Result<Option<Subject>, Malformed> {
        let record = Record::decode(item)?;
        let subject = record.subject;
        let news = self.with(|records| match sender {
            Some(_) => records.take(record),
            None => records.write(record),
        })?;
        Ok(news.then_some(subject))
    }
}
