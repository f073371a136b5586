//! Records that spread with the gossip: who a node is by name, and how it is. Last writer wins by boot epoch, then version.
//!
//! A record is written by its own node only. It is broadcast when it changes in a way that others must hear soon, and repaired
//! by the state exchange. Never liveness: a relayed record says nothing about whether its node lives now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foca::{BroadcastHandler, Invalidates};
use hactl_proto::health::HealthDigest;

use super::digest;
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

    /// Kind, node, boot, version: which record it is.
    pub(super) fn front(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17 + self.body.len());
        out.push(match self.subject.kind {
            Kind::NamePlate => 1,
            Kind::Digest => 2,
        });
        out.extend_from_slice(&self.subject.node.0);
        out.extend_from_slice(&self.stamp.boot.to_be_bytes());
        out.extend_from_slice(&self.stamp.version.to_be_bytes());
        out
    }

    /// Reads what [`Record::encode`] wrote; the body is checked by [`Records::take`].
    pub fn decode(item: &[u8]) -> Result<Self, Malformed> {
        if item.len() > MAX_RECORD {
            return Err(Malformed::Range("record"));
        }
        let mut from = Reader::new(item);
        let kind = match from.u8("kind")? {
            1 => Kind::NamePlate,
            2 => Kind::Digest,
            _ => return Err(Malformed::Range("kind")),
        };
        let node = NodeId(from.array("node id")?);
        let (boot, version) = (from.u32("boot epoch")?, from.u32("version")?);
        Ok(Self {
            subject: Subject { node, kind },
            stamp: Stamp { boot, version },
            body: from.rest().to_vec(),
        })
    }
}

/// The newest record of each subject.
#[derive(Debug)]
pub struct Records {
    own: NodeId,
    limit: usize,
    held: HashMap<Subject, Record>,
    plates: HashMap<NodeId, NamePlate>,
    digests: HashMap<NodeId, HealthDigest>,
}

impl Records {
    /// None yet; at most two of each of `members` nodes will be kept. Records about `own` come from this node only.
    pub fn new(own: NodeId, members: usize) -> Self {
        Self {
            own,
            limit: members.saturating_mul(2),
            held: HashMap::new(),
            plates: HashMap::new(),
            digests: HashMap::new(),
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

    fn keep(&mut self, record: Record) -> Result<bool, Malformed> {
        let Subject { node, kind } = record.subject;
        let known = self.held.get(&record.subject);
        if known.is_some_and(|known| known.stamp >= record.stamp) {
            return Ok(false);
        }
        if known.is_none() && self.held.len() >= self.limit {
            return Ok(false);
        }
        match kind {
            Kind::NamePlate => {
                let plate = NamePlate::decode(&record.body)?;
                if NodeId::of(&plate.node) != node {
                    return Err(Malformed::Range("node name"));
                }
                self.plates.insert(node, plate);
            }
            Kind::Digest => {
                let digest = digest::decode(&record.body, record.stamp.version)?;
                self.digests.insert(node, digest);
            }
        }
        self.held.insert(record.subject, record);
        Ok(true)
    }

    /// All records, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.held.values()
    }

    /// The stamp known of a subject.
    pub fn stamp(&self, subject: Subject) -> Option<Stamp> {
        self.held.get(&subject).map(|record| record.stamp)
    }

    /// A node's name plate.
    pub fn plate(&self, node: NodeId) -> Option<&NamePlate> {
        self.plates.get(&node)
    }

    /// All name plates.
    pub fn plates(&self) -> impl Iterator<Item = &NamePlate> {
        self.plates.values()
    }

    /// A node's newest digest.
    pub fn digest(&self, node: NodeId) -> Option<&HealthDigest> {
        self.digests.get(&node)
    }

    /// Forgets nodes that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.held.retain(|subject, _| keep(subject.node));
        self.plates.retain(|node, _| keep(*node));
        self.digests.retain(|node, _| keep(*node));
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
