//! The wire form of SWIM's messages, and a look at a payload before foca sees it.
//!
//! Hand-made: fixed sizes, no recursion, every byte checked. foca frames a payload as header, count, members, then custom
//! broadcasts with a length each.

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, ProbeNumber, State};

use super::identity::MemberId;
use super::wire::{Malformed, Reader};

/// Encodes foca's headers and members.
#[derive(Debug, Clone, Copy, Default)]
pub struct SwimCodec;

/// What a payload holds, read before foca applies any of it.
#[derive(Debug)]
pub struct Survey<'a> {
    /// Its header. One with a [`Survey::aside`] says of itself that it is gossip.
    pub header: Header<MemberId>,
    /// Its member updates.
    pub members: Vec<Member<MemberId>>,
    /// Its broadcasts, each with its length in front.
    pub items: &'a [u8],
    /// What it says beside SWIM: foca never sees it.
    pub aside: Option<Aside>,
}

/// A message that foca does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// A helper's word: it heard nothing of the member that it pinged for a probe of that number.
    Unheard {
        /// Of whom.
        target: MemberId,
        /// For which probe.
        number: ProbeNumber,
    },
    /// The hash of all that the sender holds, see [`super::exchange`].
    States(u64),
    /// A later version's message. That its sender lives is all that this one reads in it.
    Later,
}

impl<'a> Survey<'a> {
    /// The broadcasts; their framing was checked.
    pub fn broadcasts(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut from = Reader::new(self.items);
        std::iter::from_fn(move || {
            let length = from.u16("item length").ok()?;
            from.take(usize::from(length), "item").ok()
        })
    }
}

// Behind the tags of foca's messages.
const UNHEARD: u8 = 11;
const STATES: u8 = 12;

/// Tells a prober that nothing was heard of the member that it asked to ping.
pub fn unheard(header: &Header<MemberId>, target: &MemberId, number: ProbeNumber) -> Vec<u8> {
    let mut out = aside(header, UNHEARD);
    out.put_u8(number);
    target.encode(&mut out);
    out
}

/// Tells a member the hash of all that this node holds.
pub fn states(header: &Header<MemberId>, hash: u64) -> Vec<u8> {
    let mut out = aside(header, STATES);
    out.put_u64(hash);
    out
}

fn aside(header: &Header<MemberId>, tag: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    header.src.encode(&mut out);
    out.put_u16(header.src_incarnation);
    header.dst.encode(&mut out);
    out.put_u8(tag);
    out
}

/// Reads a message that foca does not know; `None` leaves the reader in front of one that it does.
fn decode_aside(from: &mut Reader<'_>) -> Result<Option<Aside>, Malformed> {
    let Some(tag) = from.rest().first().copied().filter(|tag| *tag >= UNHEARD) else {
        return Ok(None);
    };
    from.u8("message")?;
    Ok(Some(match tag {
        UNHEARD => {
            let number = from.u8("probe number")?;
            let target = MemberId::decode(from)?;
            Aside::Unheard { target, number }
        }
        STATES => Aside::States(from.u64("hash of states")?),
        _ => Aside::Later,
    }))
}

/// Reads header and members of a payload to its end, and checks the framing of the broadcasts behind them.
pub fn survey(payload: &[u8]) -> Result<Survey<'_>, Malformed> {
    let mut from = Reader::new(payload);
    let ends = decode_ends(&mut from)?;
    let aside = decode_aside(&mut from)?;
    if aside.is_some() {
        // What is behind is a later version's.
        return Ok(Survey {
            header: ends.with(Message::Gossip),
            members: Vec::new(),
            items: &[],
            aside,
        });
    }
    let message = decode_message(&mut from)?;
    let header = ends.with(message);
    let mut members = Vec::new();
    if !from.rest().is_empty() && header.message != Message::Broadcast {
        for _ in 0..from.u16("member count")? {
            members.push(decode_member(&mut from)?);
        }
    }
    let items = from.rest();
    while !from.rest().is_empty() {
        let length = from.u16("item length")?;
        from.take(usize::from(length), "item")?;
    }
    Ok(Survey {
        header,
        members,
        items,
        aside: None,
    })
}

/// A payload as foca would make it: for what the detector says beside foca, and what it hands on to it.
pub fn payload(header: &Header<MemberId>, members: &[Member<MemberId>], items: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + items.len());
    encode_header(header, &mut out);
    let counted = header.message != Message::Broadcast;
    if counted && !(members.is_empty() && items.is_empty()) {
        out.put_u16(u16::try_from(members.len()).unwrap_or(u16::MAX));
        for member in members.iter().take(usize::from(u16::MAX)) {
            encode_member(member, &mut out);
        }
    }
    out.extend_from_slice(items);
    out
}

/// Appends identity, incarnation and state: 26 bytes with IPv4.
pub fn encode_member(member: &Member<MemberId>, out: &mut impl BufMut) {
    member.id().encode(out);
    out.put_u16(member.incarnation());
    out.put_u8(match member.state() {
        State::Alive => 0,
        State::Suspect => 1,
        State::Down => 2,
    });
}

/// Reads what [`encode_member`] wrote.
pub fn decode_member(from: &mut Reader<'_>) -> Result<Member<MemberId>, Malformed> {
    let id = MemberId::decode(from)?;
    let incarnation = from.u16("incarnation")?;
    let state = match from.u8("state")? {
        0 => State::Alive,
        1 => State::Suspect,
        2 => State::Down,
        _ => return Err(Malformed::Range("state")),
    };
    Ok(Member::new(id, incarnation, state))
}

fn encode_header(header: &Header<MemberId>, out: &mut impl BufMut) {
    header.src.encode(out);
    out.put_u16(header.src_incarnation);
    header.dst.encode(out);
    let (tag, number, relay) = match &header.message {
        Message::Ping(number) => (0, Some(*number), None),
        Message::Ack(number) => (1, Some(*number), None),
        Message::PingReq {
            target,
            probe_number,
        } => (2, Some(*probe_number), Some(target)),
        Message::IndirectPing {
            origin,
            probe_number,
        } => (3, Some(*probe_number), Some(origin)),
        Message::IndirectAck {
            target,
            probe_number,
        } => (4, Some(*probe_number), Some(target)),
        Message::ForwardedAck {
            origin,
            probe_number,
        } => (5, Some(*probe_number), Some(origin)),
        Message::Announce => (6, None, None),
        Message::Feed => (7, None, None),
        Message::Gossip => (8, None, None),
        Message::Broadcast => (9, None, None),
        Message::TurnUndead => (10, None, None),
    };
    out.put_u8(tag);
    if let Some(number) = number {
        out.put_u8(number);
    }
    if let Some(id) = relay {
        id.encode(out);
    }
}

/// The front of a header: from whom, to whom.
struct Ends {
    src: MemberId,
    src_incarnation: u16,
    dst: MemberId,
}

impl Ends {
    const fn with(self, message: Message<MemberId>) -> Header<MemberId> {
        Header {
            src: self.src,
            src_incarnation: self.src_incarnation,
            dst: self.dst,
            message,
        }
    }
}

fn decode_ends(from: &mut Reader<'_>) -> Result<Ends, Malformed> {
    Ok(Ends {
        src: MemberId::decode(from)?,
        src_incarnation: from.u16("incarnation")?,
        dst: MemberId::decode(from)?,
    })
}

fn decode_header(from: &mut Reader<'_>) -> Result<Header<MemberId>, Malformed> {
    let ends = decode_ends(from)?;
    Ok(ends.with(decode_message(from)?))
}

fn decode_message(from: &mut Reader<'_>) -> Result<Message<MemberId>, Malformed> {
    let tag = from.u8("message")?;
    let probe_number = if tag < 6 { from.u8("probe number")? } else { 0 };
    Ok(match tag {
        0 => Message::Ping(probe_number),
        1 => Message::Ack(probe_number),
        2 => Message::PingReq {
            target: MemberId::decode(from)?,
            probe_number,
        },
        3 => Message::IndirectPing {
            origin: MemberId::decode(from)?,
            probe_number,
        },
        4 => Message::IndirectAck {
            target: MemberId::decode(from)?,
            probe_number,
        },
        5 => Message::ForwardedAck {
            origin: MemberId::decode(from)?,
            probe_number,
        },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::TurnUndead,
        _ => return Err(Malformed::Range("message")),
    })
}

/// Runs a decoder over foca's contiguous buffer and advances it by what was read.
fn read<T>(
    mut buf: impl Buf,
    decode: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let chunk = buf.chunk();
    let mut from = Reader::new(chunk);
    let value = decode(&mut from)?;
    let used = chunk.len() - from.rest().len();
    buf.advance(used);
    Ok(value)
}

impl foca::Codec<MemberId> for SwimCodec {
    type Error = Malformed;

    fn encode_header(
        &mut self,
        header: &Header<MemberId>,
        mut buf: impl BufMut,
    ) -> Result<(), Malformed> {
        encode_header(header, &mut buf);
        Ok(())
    }

    fn decode_header(&mut self, buf: impl Buf) -> Result<Header<MemberId>, Malformed> {
        read(buf, decode_header)
    }

    fn encode_member(
        &mut self,
        member: &Member<MemberId>,
        mut buf: impl BufMut,
    ) -> Result<(), Malformed> {
        if buf.remaining_mut() < member.id().encoded_len() + 3 {
            return Err(Malformed::Short("member"));
        }
        encode_member(member, &mut buf);
        Ok(())
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<Member<MemberId>, Malformed> {
        read(buf, decode_member)
    }
}
