//! The wire form of SWIM's messages, and a look at a payload before foca sees it.
//!
//! Hand-made: fixed sizes, no recursion, every byte checked. foca frames a payload as header, count, members, then custom
//! broadcasts with a length each.

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, State};

use super::identity::MemberId;
use super::wire::{Malformed, Reader};

/// Encodes foca's headers and members.
#[derive(Debug, Clone, Copy, Default)]
pub struct SwimCodec;

/// What a payload holds, read before foca applies any of it.
#[derive(Debug)]
pub struct Survey {
    /// Its header.
    pub header: Header<MemberId>,
    /// Its member updates.
    pub members: Vec<Member<MemberId>>,
}

/// Reads header and members of a payload to its end, and checks the framing of the broadcasts behind them.
pub fn survey(payload: &[u8]) -> Result<Survey, Malformed> {
    let mut from = Reader::new(payload);
    let header = decode_header(&mut from)?;
    let mut members = Vec::new();
    if !from.rest().is_empty() && header.message != Message::Broadcast {
        for _ in 0..from.u16("member count")? {
            members.push(decode_member(&mut from)?);
        }
    }
    while !from.rest().is_empty() {
        let length = from.u16("item length")?;
        from.take(usize::from(length), "item")?;
    }
    Ok(Survey { header, members })
}

/// A payload as foca would make it: for what the detector says beside foca.
pub fn payload(header: &Header<MemberId>, members: &[Member<MemberId>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    encode_header(header, &mut out);
    if !members.is_empty() {
        out.put_u16(u16::try_from(members.len()).unwrap_or(u16::MAX));
        for member in members.iter().take(usize::from(u16::MAX)) {
            encode_member(member, &mut out);
        }
    }
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

fn decode_header(from: &mut Reader<'_>) -> Result<Header<MemberId>, Malformed> {
    let src = MemberId::decode(from)?;
    let src_incarnation = from.u16("incarnation")?;
    let dst = MemberId::decode(from)?;
    let tag = from.u8("message")?;
    let probe_number = if tag < 6 { from.u8("probe number")? } else { 0 };
    let message = match tag {
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
    };
    Ok(Header {
        src,
        src_incarnation,
        dst,
        message,
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
