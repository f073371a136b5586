//! The state exchange: what this node has by parts, what it takes from a peer, and what the peer lacks.
//!
//! Whether there is anything to exchange is told by datagram: a hash of all that a node holds, to one random member now and then.
//! Who holds something else asks for an exchange.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use foca::{Member, Message, State};
use rand::RngExt as _;

use super::Core;
use crate::membership::clock::Now;
use crate::membership::codec;
use crate::membership::exchange::{Exchange, PARTS, Portion, canonical, member_hash};
use crate::membership::identity::MemberId;
use crate::membership::record::{Record, Stamp, Subject};
use crate::membership::timers::Due;
use crate::membership::wire::Malformed;

/// A node tells its hash to one other in this time, give or take a quarter, so that nodes started together do not stay in step.
const COMPARE_MS: u64 = 30_000;
/// Exchanges that may wait: each costs a handshake, and one that is left out comes up again.
const REPAIRS: usize = 4;

impl Core {
    pub(super) fn compare_later(&mut self, now: Now) {
        let pause = COMPARE_MS * 3 / 4 + self.rng.random_range(0..COMPARE_MS / 2);
        let at = now.mono + Duration::from_millis(pause);
        self.timers.set(at, Due::Compare);
    }

    /// Tells a random living member the hash of what this node holds.
    pub(super) fn compare_states(&mut self, now: Now) {
        let pick = self.rng.random();
        if let Some(peer) = self.living_row(pick).map(|row| row.id) {
            let header = self.header(peer, Message::Gossip);
            let told = codec::states(&header, self.hash());
            self.send(peer.address(), &told, now);
        }
        self.compare_later(now);
    }

    /// A member told its hash: where it holds something else, this node asks it for an exchange.
    pub(super) fn compared(&mut self, peer: MemberId, theirs: u64) {
        let member = self.table.row(peer.node).is_some_and(|row| row.id == peer);
        if !member || self.hash() == theirs || self.repairs.len() >= REPAIRS {
            return;
        }
        let seed = self.seed(&peer);
        if seed.is_named() {
            self.repairs.push_back(seed);
        }
    }

    /// One number for all parts.
    fn hash(&self) -> u64 {
        let parts = self.hashes();
        parts
            .iter()
            .fold(0, |sum: u64, part| sum.rotate_left(5) ^ part)
    }

    /// The question that starts an exchange.
    pub fn compare(&self) -> Vec<u8> {
        Exchange::Compare(self.hashes()).encode()
    }

    /// Answers a peer's message: its question with the parts that differ, its state with nothing.
    pub fn answer(&mut self, message: &[u8], now: Now) -> Result<Vec<u8>, Malformed> {
        let portion = match Exchange::decode(message)? {
            Exchange::Compare(theirs) => {
                let mut parts = 0;
                for (part, (ours, theirs)) in self.hashes().iter().zip(theirs).enumerate() {
                    parts |= u16::from(*ours != theirs) << part;
                }
                self.portion(parts)
            }
            Exchange::Tell(told) => {
                self.merge(told, now);
                Portion::default()
            }
            Exchange::Alive => Portion::default(),
        };
        Ok(Exchange::Tell(portion).encode())
    }

    /// Takes a peer's answer to [`Core::compare`]; what the peer lacks is to be sent to it, if anything.
    pub fn take_answer(&mut self, answer: &[u8], now: Now) -> Result<Option<Vec<u8>>, Malformed> {
        let Exchange::Tell(told) = Exchange::decode(answer)? else {
            return Err(Malformed::Range("kind"));
        };
        let parts = told.parts;
        let has: HashSet<u64> = told.members.iter().map(member_hash).collect();
        let stamps: HashMap<Subject, Stamp> = told
            .records
            .iter()
            .map(|record| (record.subject, record.stamp))
            .collect();
        self.merge(told, now);
        self.synced = true;
        let mut lacks = self.portion(parts);
        lacks
            .members
            .retain(|member| !has.contains(&member_hash(member)));
        lacks.records.retain(|record| {
            let theirs = stamps.get(&record.subject);
            theirs.is_none_or(|stamp| *stamp < record.stamp)
        });
        Ok((!lacks.is_empty()).then(|| Exchange::Tell(lacks).encode()))
    }

    /// Reads a peer's answer while alone: only whether the others know a newer boot of our name. Nobody is taken as living who was
    /// not heard by UDP, else a node behind a filter would come and go with each exchange.
    pub fn glance(&mut self, answer: &[u8]) -> Result<(), Malformed> {
        if let Exchange::Tell(told) = Exchange::decode(answer)? {
            self.notice_outranked(&told.members);
        }
        Ok(())
    }

    /// Takes members and records. What it holds of this node itself foca answers as it would any gossip.
    fn merge(&mut self, told: Portion, now: Now) {
        let room = self
            .settings
            .member_limit
            .saturating_sub(self.swim.iter_membership_state().len());
        self.notice_outranked(&told.members);
        let mut added = 0;
        let own = *self.swim.identity();
        let wanted: Vec<Member<MemberId>> = told
            .members
            .into_iter()
            .filter(|member| {
                let node = member.id().node;
                if node == own.node || self.table.row(node).is_some() {
                    return self.is_news(&own, member);
                }
                // Who was forgotten as long down must not go from node to node forever; a joiner takes it once.
                let news = member.state() != State::Down || !self.synced;
                added += usize::from(news);
                news && added <= room
            })
            .collect();
        self.touched
            .extend(wanted.iter().map(|member| member.id().node));
        // Encoding a member of ours cannot fail, which is foca's only error here.
        let _ = self
            .swim
            .apply_many(wanted.into_iter(), false, &mut self.effects);
        self.records.with(|records| records.take_all(told.records));
        self.counters.exchanges += 1;
        self.settle(now);
    }

    fn hashes(&self) -> [u64; PARTS] {
        let mut hashes = *self.table.hashes();
        if let Some(own) = self.own_member() {
            hashes[own.id().node.bucket()] ^= member_hash(&own);
        }
        self.records.with(|records| {
            for (sum, part) in hashes.iter_mut().zip(records.hashes()) {
                *sum ^= part;
            }
        });
        hashes
    }

    fn own_member(&self) -> Option<Member<MemberId>> {
        let id = *self.swim.identity();
        let own = Member::new(id, self.effects.incarnation, State::Alive);
        (!self.left).then_some(own)
    }

    fn told_members(&self) -> impl Iterator<Item = Member<MemberId>> {
        let others = self.table.rows().map(|row| canonical(&row.member()));
        others.chain(self.own_member())
    }

    fn portion(&self, parts: u16) -> Portion {
        let within = |part: usize| parts & (1 << part) != 0;
        let members = self
            .told_members()
            .filter(|member| within(member.id().node.bucket()))
            .collect();
        let records: Vec<Record> = self.records.with(|records| {
            records
                .iter()
                .filter(|record| within(record.subject.node.bucket()))
                .collect()
        });
        Portion {
            parts,
            members,
            records,
        }
    }
}
