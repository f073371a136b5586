//! The state exchange's messages: what two agents tell each other over gRPC to repair what gossip missed.
//!
//! ```text
//! 1 | 1 | 16 hashes of 8                                     compare: what I have, by sixteenths of the node space
//! 1 | 3                                                  whether there is anybody: answered by a state of no parts
//! 1 | 2 | parts 2 | members 2 | member* | records 2 | (len 2 | record)*   state of those parts
//! ```
//! A hash is the exclusive or over the hashes of a part's entries, so order does not matter. Suspicions are never told: they
//! belong to the node that probes.

use foca::{Member, State};
use ring::digest::{SHA256, digest};

use super::codec::{decode_member, encode_member};
use super::identity::MemberId;
use super::record::{Record, Stamp, Subject, front};
use super::wire::{Malformed, Reader};

/// The messages' version, also carried by the gRPC message.
pub const VERSION: u8 = 1;
/// Parts of the node space.
pub const PARTS: usize = 16;
/// Largest message: under gRPC's own 4 MiB.
pub const MAX_MESSAGE: usize = 2 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// Hashes of all parts.
    Compare([u64; PARTS]),
    /// What one side has in some parts.
    Tell(Portion),
    /// Whether the membership lives: the probe of a member that is silent by datagrams.
    Alive,
}

/// Members and records of some parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Portion {
    /// Bit n: part n is told whole.
    pub parts: u16,
    /// Members, none of them suspect.
    pub members: Vec<Member<MemberId>>,
    /// Records.
    pub records: Vec<Record>,
}

impl Exchange {
    /// Encodes the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Alive => out.push(3),
            Self::Compare(hashes) => {
                out.push(1);
                for hash in hashes {
                    out.extend_from_slice(&hash.to_be_bytes());
                }
            }
            Self::Tell(portion) => {
                out.push(2);
                out.extend_from_slice(&portion.parts.to_be_bytes());
                put_count(&mut out, portion.members.len());
                for member in portion.members.iter().take(usize::from(u16::MAX)) {
                    encode_member(member, &mut out);
                }
                put_count(&mut out, portion.records.len());
                for record in portion.records.iter().take(usize::from(u16::MAX)) {
                    let item = record.encode();
                    put_count(&mut out, item.len());
                    out.extend_from_slice(&item);
                }
            }
        }
        out
    }

    /// Reads what [`Exchange::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_MESSAGE {
            return Err(Malformed::Range("message"));
        }
        let mut from = Reader::new(bytes);
        if from.u8("version")? != VERSION {
            return Err(Malformed::Range("version"));
        }
        let message = match from.u8("kind")? {
            1 => {
                let mut hashes = [0; PARTS];
                for hash in &mut hashes {
                    *hash = from.u64("hash")?;
                }
                Self::Compare(hashes)
            }
            2 => Self::Tell(Portion::decode(&mut from)?),
            3 => Self::Alive,
            _ => return Err(Malformed::Range("kind")),
        };
        from.end()?;
        Ok(message)
    }
}

impl Portion {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut portion = Self {
            parts: from.u16("parts")?,
            ..Self::default()
        };
        for _ in 0..from.u16("member count")? {
            let member = decode_member(from)?;
            if member.state() == State::Suspect {
                return Err(Malformed::Range("state"));
            }
            portion.members.push(member);
        }
        for _ in 0..from.u16("record count")? {
            let length = from.u16("record length")?;
            let item = from.take(usize::from(length), "record")?;
            portion.records.push(Record::decode(item)?);
        }
        Ok(portion)
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty() && self.records.is_empty()
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

/// A member as it is told and hashed: a suspicion is ours alone, and a down member's incarnation says nothing any more.
pub fn canonical(member: &Member<MemberId>) -> Member<MemberId> {
    match member.state() {
        State::Alive | State::Suspect => {
            Member::new(*member.id(), member.incarnation(), State::Alive)
        }
        State::Down => Member::down(*member.id()),
    }
}

/// The hash of a canonical member.
pub fn member_hash(member: &Member<MemberId>) -> u64 {
    let mut bytes = Vec::with_capacity(38);
    encode_member(member, &mut bytes);
    hash(&bytes)
}

/// The hash of a record: subject and stamp say which it is.
pub fn record_hash(subject: Subject, stamp: Stamp) -> u64 {
    hash(&front(subject, stamp))
}

fn hash(bytes: &[u8]) -> u64 {
    let hash = digest(&SHA256, bytes);
    let first = hash.as_ref().iter().take(8);
    first.fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_suspicion_in_a_message_is_refused() {
        let mut bytes = vec![VERSION, 2, 0, 1, 0, 1];
        bytes.extend_from_slice(&[0; 25]);
        bytes.extend_from_slice(&[1, 0, 0]);
        assert_eq!(Exchange::decode(&bytes), Err(Malformed::Range("state")));
        bytes[31] = 0;
        assert!(Exchange::decode(&bytes).is_ok());
        bytes.push(0);
        assert_eq!(Exchange::decode(&bytes), Err(Malformed::Trailing));
    }

    proptest! {
        #[test]
        fn decoding_never_panics_and_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let framed = [&[VERSION, 2][..], &bytes].concat();
            for bytes in [&bytes, &framed] {
                if let Ok(message) = Exchange::decode(bytes) {
                    prop_assert_eq!(&message.encode(), bytes);
                }
            }
        }
    }
}
