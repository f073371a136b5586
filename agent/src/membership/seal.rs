//! Sealed datagrams: authenticated and encrypted, each sender under a key of its own, none accepted twice.
//!
//! ```text
//! version 1 | key id 1 | sender 8 | epoch 8 | counter 5 |  sealed: sent-at 6 | payload | tag 16
//! ```
//! The first 23 bytes are the associated data. The key is HKDF-SHA256(ring key, salt cluster id, info sender‖epoch), the
//! nonce the counter: an epoch is a boot epoch with 32 random bits behind it, so no pair of key and nonce comes twice. The
//! payload's first twelve bytes, the sender's id and boot, are left out and put back from the header: a payload cannot name
//! another sender than the one whose key sealed it. Nothing is answered before a datagram was opened.

mod key_ring;
mod opener;
mod window;

pub use key_ring::{KeyRing, KeyRingError, RingKey};
pub use opener::{Opened, Opener};

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::clock::Now;
use super::identity::NodeId;

/// The envelope's version.
pub const VERSION: u8 = 1;
/// Bytes in front of the sealed part.
pub const HEADER_LEN: usize = 23;
/// Bytes of the authentication tag.
pub const TAG_LEN: usize = 16;
/// Bytes of the payload that are taken from the header.
const ELIDED: usize = 12;
const SENT_LEN: usize = 6;
/// The largest datagram: with IP and UDP headers it stays within an MTU of 1400.
pub const MAX_DATAGRAM: usize = 1352;
/// The largest payload that fits into [`MAX_DATAGRAM`].
pub const MAX_PAYLOAD: usize = MAX_DATAGRAM - HEADER_LEN - SENT_LEN - TAG_LEN + ELIDED;
/// Sender's and receiver's wall clocks may be this far apart when they first hear each other.
pub const TIME_BOUND_MS: i64 = 60_000;
const COUNTER_END: u64 = 1 << 40;

/// A boot epoch with random bits behind it: ordered by boot, never used twice even where a disk was wiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// The persisted boot epoch.
    pub boot: u32,
    /// Random, drawn at the start of the process.
    pub salt: u32,
}

/// Why a datagram was not taken. Nothing changed but a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Too short for an envelope, or of another version.
    #[error("garbage")]
    Garbage,
    /// Longer than [`MAX_DATAGRAM`].
    #[error("oversize")]
    Oversize,
    /// Sealed with a key that is not in the ring.
    #[error("unknown key {0}")]
    UnknownKey(u8),
    /// Not sealed with our key: another cluster's, altered, or cut off.
    #[error("foreign")]
    Foreign,
    /// Authentic, but its sender's clock is not near ours.
    #[error("stale: the sender's clock is {offset_ms} ms ahead")]
    Stale {
        /// Who sent it.
        sender: NodeId,
        /// How far its clock is ahead of ours, in milliseconds.
        offset_ms: i64,
    },
    /// Authentic, but taken before or too old to tell.
    #[error("replayed")]
    Replayed,
    /// Authentic, but of a boot before the one that we hear now.
    #[error("superseded")]
    Superseded,
    /// Authentic, and sealed under our own id: another agent has our name, or our own datagram came back.
    #[error("sent under our own name")]
    Namesake,
    /// More senders than the cluster may have members.
    #[error("over the member limit")]
    Crowded,
    /// Authentic, but not what our format says.
    #[error("malformed")]
    Malformed,
}

impl Epoch {
    const fn to_bytes(self) -> [u8; 8] {
        (((self.boot as u64) << 32) | self.salt as u64).to_be_bytes()
    }
}

/// Why a payload could not be sealed; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The payload does not start with the sender's own id and boot.
    #[error("seal a payload of another sender")]
    NotOurs,
    /// 2⁴⁰ datagrams were sent under one epoch: a restart is due.
    #[error("seal: the epoch's counter is used up")]
    Exhausted,
    /// The cipher refused.
    #[error("seal: the cipher refused")]
    Cipher,
}

/// Seals what this node sends.
pub struct Sealer {
    sender: NodeId,
    epoch: Epoch,
    counter: u64,
    key_id: u8,
    key: LessSafeKey,
}

impl Sealer {
    /// Seals with the ring's first key.
    pub fn new(ring: &KeyRing, sender: NodeId, epoch: Epoch) -> Result<Self, KeyRingError> {
        let key_id = ring.first();
        let key = ring
            .derive(key_id, sender, epoch)
            .ok_or(KeyRingError::Empty)?;
        Ok(Self {
            sender,
            epoch,
            counter: 0,
            key_id,
            key,
        })
    }

    /// Goes on with another ring's first key. The counter goes on too.
    pub fn rotate(&mut self, ring: &KeyRing) -> Result<(), KeyRingError> {
        let next = Self::new(ring, self.sender, self.epoch)?;
        *self = Self {
            counter: self.counter,
            ..next
        };
        Ok(())
    }

    /// Seals a payload that starts with our own id and boot.
    pub fn seal(&mut self, payload: &[u8], now: Now) -> Result<Vec<u8>, SealError> {
        let (node, rest) = payload.split_first_chunk::<8>().ok_or(SealError::NotOurs)?;
        let (boot, rest) = rest.split_first_chunk::<4>().ok_or(SealError::NotOurs)?;
        if *node != self.sender.0 || *boot != self.epoch.boot.to_be_bytes() {
            return Err(SealError::NotOurs);
        }
        if self.counter >= COUNTER_END {
            return Err(SealError::Exhausted);
        }
        let mut out = Vec::with_capacity(HEADER_LEN + SENT_LEN + rest.len() + TAG_LEN);
        out.extend_from_slice(&[VERSION, self.key_id]);
        out.extend_from_slice(&self.sender.0);
        out.extend_from_slice(&self.epoch.to_bytes());
        out.extend_from_slice(&self.counter.to_be_bytes()[3..]);
        let sent = now.wall_ms.max(0).to_be_bytes();
        out.extend_from_slice(&sent[2..]);
        out.extend_from_slice(rest);
        let nonce = nonce(self.counter);
        self.counter += 1;
        let (header, sealed) = out.split_at_mut(HEADER_LEN);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(header), sealed)
            .map_err(|_| SealError::Cipher)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }
}

/// The counter, right aligned. Keys differ by sender and epoch, so the counter alone never repeats under one.
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests;
