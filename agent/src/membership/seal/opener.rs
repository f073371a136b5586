//! Opens what others sealed, and says why not.

use std::collections::HashMap;
use std::time::Duration;

use ring::aead::{Aad, LessSafeKey};

use super::window::Window;
use super::{
    ELIDED, Epoch, HEADER_LEN, KeyRing, MAX_DATAGRAM, Rejection, SENT_LEN, TAG_LEN, TIME_BOUND_MS,
    VERSION, nonce,
};
use crate::membership::clock::Now;
use crate::membership::flat::Flat;
use crate::membership::identity::NodeId;

/// A session unheard for this long gives way to a new sender at the limit.
const IDLE: Duration = Duration::from_mins(10);

/// A datagram that was authentic, fresh and new.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// Who sealed it.
    pub sender: NodeId,
    /// When, by the sender's wall clock, in milliseconds since 1970.
    pub sent_ms: i64,
    /// The payload, with the sender's id and boot in front.
    pub payload: Vec<u8>,
}

/// What is kept of one sender. Made only after its first datagram was authentic and within the time bound.
struct Session {
    epoch: Epoch,
    window: Window,
    /// The sender's wall clock less our monotonic one, in seconds: shows that an old datagram is old after either clock was set.
    skew: u32,
    /// When it was last heard, in hundredths of a second since the start: enough for a year and a half.
    heard: u32,
}

/// Derived keys that are kept: half a kilobyte each, and a microsecond to derive.
const KEYS: usize = 32;

/// The keys of senders heard of late, by sender, epoch and key id.
#[derive(Default)]
struct Keys(HashMap<(NodeId, Epoch, u8), LessSafeKey>);

impl Keys {
    fn keep(&mut self, header: &Header, key: LessSafeKey) {
        if self.0.len() >= KEYS {
            self.0.clear();
        }
        self.0.insert(header.key(), key);
    }
}

/// Whole seconds, for what is compared by the minute.
fn seconds(ms: i64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(if ms < 0 { 0 } else { u32::MAX })
}

/// Hundredths of a second.
fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / 10).unwrap_or(u32::MAX)
}

/// Opens datagrams of many senders.
pub struct Opener {
    ring: KeyRing,
    own: NodeId,
    sessions: Flat<Session>,
    keys: Keys,
    limit: usize,
}

struct Header {
    key_id: u8,
    sender: NodeId,
    epoch: Epoch,
    counter: u64,
}

impl Header {
    const fn key(&self) -> (NodeId, Epoch, u8) {
        (self.sender, self.epoch, self.key_id)
    }

    fn read(datagram: &[u8]) -> Result<Self, Rejection> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(Rejection::Oversize);
        }
        if datagram.len() < HEADER_LEN + SENT_LEN + TAG_LEN || datagram[0] != VERSION {
            return Err(Rejection::Garbage);
        }
        let mut sender = [0; 8];
        sender.copy_from_slice(&datagram[2..10]);
        let number = |range: std::ops::Range<usize>| {
            datagram[range]
                .iter()
                .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        let half = |from: usize| u32::try_from(number(from..from + 4)).unwrap_or(0);
        Ok(Self {
            key_id: datagram[1],
            sender: NodeId(sender),
            epoch: Epoch {
                boot: half(10),
                salt: half(14),
            },
            counter: number(18..HEADER_LEN),
        })
    }
}

impl Opener {
    /// Opens with any key of the ring, for at most `limit` senders at a time.
    pub fn new(ring: KeyRing, own: NodeId, limit: usize) -> Self {
        Self {
            ring,
            own,
            sessions: Flat::default(),
            keys: Keys::default(),
            limit,
        }
    }

    /// Takes another ring; epochs and replay windows go on.
    pub fn rotate(&mut self, ring: KeyRing) {
        self.keys = Keys::default();
        self.ring = ring;
    }

    /// Ids of the ring's keys.
    pub fn key_ids(&self) -> Vec<u8> {
        self.ring.ids().collect()
    }

    /// Opens one datagram. A refusal changes nothing.
    pub fn open(&mut self, datagram: &[u8], now: Now) -> Result<Opened, Rejection> {
        let header = Header::read(datagram)?;
        let kept = self.keys.0.get(&header.key());
        let derived = match kept {
            Some(_) => None,
            None => Some(
                self.ring
                    .derive(header.key_id, header.sender, header.epoch)
                    .ok_or(Rejection::UnknownKey(header.key_id))?,
            ),
        };
        let key = derived.as_ref().or(kept);
        let (aad, sealed) = datagram.split_at(HEADER_LEN);
        let mut plain = sealed.to_vec();
        let key = key.ok_or(Rejection::Foreign)?;
        let opened = key
            .open_in_place(nonce(header.counter), Aad::from(aad), &mut plain)
            .map_err(|_| Rejection::Foreign)?;
        if header.sender == self.own {
            return Err(Rejection::Namesake);
        }
        let (sent, rest) = opened.split_at(SENT_LEN);
        let sent_ms = sent
            .iter()
            .fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte));
        let mut payload = Vec::with_capacity(ELIDED + rest.len());
        payload.extend_from_slice(&header.sender.0);
        payload.extend_from_slice(&header.epoch.boot.to_be_bytes());
        payload.extend_from_slice(rest);
        self.admit(&header, sent_ms, now)?;
        if let Some(key) = derived {
            self.keys.keep(&header, key);
        }
        Ok(Opened {
            sender: header.sender,
            sent_ms,
            payload,
        })
    }

    /// Time bound, epoch, replay window, limit: in this order, so that the reason is the most telling one.
    fn admit(&mut self, header: &Header, sent_ms: i64, now: Now) -> Result<(), Rejection> {
        let mono_ms = i64::try_from(now.mono.as_millis()).unwrap_or(i64::MAX);
        let (offset_ms, skew_ms) = (sent_ms - now.wall_ms, sent_ms - mono_ms);
        let near = |ms: i64| ms.abs() <= TIME_BOUND_MS;
        let room = self.sessions.len() < self.limit;
        let stale = Rejection::Stale {
            sender: header.sender,
            offset_ms,
        };
        if let Some(session) = self.sessions.get_mut(header.sender) {
            // Our own clock may have been set since: then the sender still agrees with our monotonic clock.
            let steady =
                session.epoch == header.epoch && near(skew_ms - i64::from(session.skew) * 1000);
            if !near(offset_ms) && !steady {
                return Err(stale);
            }
            if header.epoch < session.epoch {
                return Err(Rejection::Superseded);
            }
            if header.epoch == session.epoch {
                if !session.window.take(header.counter) {
                    return Err(Rejection::Replayed);
                }
                if near(offset_ms) {
                    session.skew = seconds(skew_ms);
                }
                session.heard = ticks(now.mono);
                return Ok(());
            }
        } else if !near(offset_ms) {
            return Err(stale);
        } else if !room {
            self.make_room(now)?;
        }
        let session = Session {
            epoch: header.epoch,
            window: Window::starting_at(header.counter),
            skew: seconds(skew_ms),
            heard: ticks(now.mono),
        };
        self.sessions.insert(header.sender, session);
        Ok(())
    }

    /// When the sender was last heard.
    pub fn heard(&self, sender: NodeId) -> Option<Duration> {
        let session = self.sessions.get(sender)?;
        Some(Duration::from_millis(u64::from(session.heard) * 10))
    }

    fn make_room(&mut self, now: Now) -> Result<(), Rejection> {
        let oldest = self
            .sessions
            .iter()
            .filter(|(_, session)| session.heard.saturating_add(ticks(IDLE)) < ticks(now.mono))
            .min_by_key(|(_, session)| session.heard)
            .map(|(sender, _)| sender)
            .ok_or(Rejection::Crowded)?;
        self.sessions.remove(oldest);
        Ok(())
    }
}
