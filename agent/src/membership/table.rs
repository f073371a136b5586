//! What was last reported of each member, so that changes become events with a time.

use foca::{Member, State};
use hactl_proto::Timestamp;
use hactl_proto::member::MemberState;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;

use super::clock::Now;
use super::exchange::{PARTS, canonical, member_hash};
use super::flat::Flat;
use super::identity::{Endpoint, MemberId, NodeId, ZoneTag};

/// How a member changed in this node's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It lives; it was unknown or down before.
    Up,
    /// A probe failed.
    Suspect,
    /// It refuted the suspicion.
    Refuted,
    /// Nobody heard from it in time, or it left.
    Down,
    /// Its agent started again, its address changed, or it rejoined, and nobody had missed it.
    Renamed,
}

/// One change of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEvent {
    /// Who.
    pub node: NodeName,
    /// Its number.
    pub number: NodeId,
    /// What changed.
    pub change: Change,
    /// When this node saw it, by its own clock.
    pub at: Timestamp,
}

/// A member as last reported.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its identity.
    pub id: MemberId,
    /// Its state.
    pub state: MemberState,
    /// Since when, by our wall clock, in milliseconds since 1970.
    pub since_ms: i64,
    /// Its incarnation.
    pub incarnation: u16,
}

/// A row as it is kept, in 36 bytes instead of 48: without what it is found by, and with its times packed.
#[derive(Debug, Clone, Copy)]
struct Kept {
    boot: u32,
    /// The lower bits of a row's `since_ms`.
    since_low: u32,
    /// Its upper ones; apart, since a pair of both would take eight bytes.
    since_high: u16,
    rejoin: u16,
    zone: ZoneTag,
    incarnation: u16,
    endpoint: Endpoint,
    role: NodeRole,
    state: MemberState,
}

impl Kept {
    fn of(row: &Row) -> Self {
        // 48 bits of milliseconds are enough until the year 10889.
        let since = u64::try_from(row.since_ms).unwrap_or(0);
        Self {
            boot: row.id.boot,
            since_low: u32::try_from(since & 0xFFFF_FFFF).unwrap_or(u32::MAX),
            since_high: u16::try_from(since >> 32).unwrap_or(u16::MAX),
            rejoin: row.id.rejoin,
            zone: row.id.zone,
            incarnation: row.incarnation,
            endpoint: row.id.endpoint,
            role: row.id.role,
            state: row.state,
        }
    }

    fn row(&self, node: NodeId) -> Row {
        Row {
            id: MemberId {
                node,
                boot: self.boot,
                rejoin: self.rejoin,
                zone: self.zone,
                role: self.role,
                endpoint: self.endpoint,
            },
            state: self.state,
            since_ms: (i64::from(self.since_high) << 32) | i64::from(self.since_low),
            incarnation: self.incarnation,
        }
    }
}

/// Rows by node, and what is reckoned from them as they change.
#[derive(Debug, Default)]
pub struct Table {
    rows: Flat<Kept>,
    /// The exclusive or over the hashes of the rows, by parts of the node space, for [`super::exchange`].
    hashes: [u64; PARTS],
    /// Counts the changes of who is there: what is ordered by it is ordered anew.
    generation: u64,
}

impl Table {
    /// Takes one member as foca has it: what changed.
    pub fn set(&mut self, member: &Member<MemberId>, now: Now) -> Option<Change> {
        let fresh = Row::of(member, now);
        let node = fresh.id.node;
        let Some(kept) = self.rows.get_mut(node) else {
            self.hashes[node.bucket()] ^= fresh.hash();
            self.generation += 1;
            self.rows.insert(node, Kept::of(&fresh));
            return Some(first(fresh.state));
        };
        let row = kept.row(node);
        let change = change(&row, &fresh);
        if row.id.zone != fresh.id.zone || row.is_active() != fresh.is_active() {
            self.generation += 1;
        }
        if row.id != fresh.id || row.incarnation != fresh.incarnation || row.state != fresh.state {
            self.hashes[node.bucket()] ^= row.hash() ^ fresh.hash();
        }
        let since_ms = if row.state == fresh.state {
            row.since_ms
        } else {
            fresh.since_ms
        };
        *kept = Kept::of(&Row { since_ms, ..fresh });
        change
    }

    /// Takes all members as foca has them: what changed, in the order of node ids, and whether foca forgot someone.
    pub fn refresh<'a>(
        &mut self,
        members: impl Iterator<Item = &'a Member<MemberId>>,
        now: Now,
    ) -> (Vec<(NodeId, Change)>, bool) {
        let mut seen = 0;
        let (mut changes, mut fresh) = (Vec::new(), Vec::new());
        for member in members {
            seen += 1;
            let node = member.id().node;
            if self.rows.get(node).is_none() {
                let row = Row::of(member, now);
                self.hashes[node.bucket()] ^= row.hash();
                changes.push((node, first(row.state)));
                fresh.push((node, Kept::of(&row)));
            } else if let Some(change) = self.set(member, now) {
                changes.push((node, change));
            }
        }
        self.generation += u64::from(!fresh.is_empty());
        self.rows.absorb(fresh);
        changes.sort_unstable_by_key(|(node, _)| *node);
        (changes, seen < self.rows.len())
    }

    /// Drops rows that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        let hashes = &mut self.hashes;
        self.rows.retain(|node, row| {
            let kept = keep(node);
            if !kept {
                hashes[node.bucket()] ^= row.row(node).hash();
            }
            kept
        });
        self.generation += 1;
    }

    /// A node's row.
    pub fn row(&self, node: NodeId) -> Option<Row> {
        self.rows.get(node).map(|kept| kept.row(node))
    }

    /// All rows, by node.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row> {
        self.rows.iter().map(|(node, kept)| kept.row(node))
    }

    /// The row at that place in the order of node ids.
    pub fn at(&self, place: usize) -> Option<Row> {
        self.rows.at(place).map(|(node, kept)| kept.row(node))
    }

    /// Where the node would stand in the order of node ids.
    pub fn place(&self, node: NodeId) -> usize {
        self.rows.place(node).unwrap_or_else(|place| place)
    }

    /// How many rows.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nobody is known.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The exclusive or over the hashes of all rows, by parts of the node space.
    pub const fn hashes(&self) -> &[u64; PARTS] {
        &self.hashes
    }

    /// Rises whenever somebody is new, forgotten, down, back, or in another zone.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether foca would learn something from the update: else it need not look for the member among thousands.
    pub fn is_news(&self, update: &Member<MemberId>) -> bool {
        let Some(row) = self.row(update.id().node) else {
            return true;
        };
        if row.id != *update.id() {
            return *update.id() > row.id;
        }
        let newer = update.incarnation() > row.incarnation;
        match (row.state, update.state()) {
            (MemberState::Down, _) => false,
            (_, State::Down) => true,
            (MemberState::Alive, State::Suspect) => update.incarnation() >= row.incarnation,
            _ => newer,
        }
    }
}

impl Row {
    fn of(member: &Member<MemberId>, now: Now) -> Self {
        Self {
            id: *member.id(),
            state: state(member.state()),
            since_ms: now.wall_ms,
            incarnation: member.incarnation(),
        }
    }

    /// As foca has it.
    pub const fn member(&self) -> Member<MemberId> {
        let state = match self.state {
            MemberState::Alive => State::Alive,
            MemberState::Suspect => State::Suspect,
            MemberState::Down => State::Down,
        };
        Member::new(self.id, self.incarnation, state)
    }

    /// Whether it is not down.
    pub fn is_active(&self) -> bool {
        self.state != MemberState::Down
    }

    fn hash(&self) -> u64 {
        member_hash(&canonical(&self.member()))
    }
}

const fn first(state: MemberState) -> Change {
    match state {
        MemberState::Alive => Change::Up,
        MemberState::Suspect => Change::Suspect,
        MemberState::Down => Change::Down,
    }
}

fn change(old: &Row, new: &Row) -> Option<Change> {
    match (old.state, new.state) {
        (MemberState::Down, MemberState::Alive) => Some(Change::Up),
        (MemberState::Suspect, MemberState::Alive) => Some(Change::Refuted),
        (was, MemberState::Suspect) if was != MemberState::Suspect => Some(Change::Suspect),
        (was, MemberState::Down) if was != MemberState::Down => Some(Change::Down),
        _ if old.id != new.id => Some(Change::Renamed),
        _ => None,
    }
}

/// foca's state in the contract's word.
pub const fn state(state: State) -> MemberState {
    match state {
        State::Alive => MemberState::Alive,
        State::Suspect => MemberState::Suspect,
        State::Down => MemberState::Down,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_kept_whole_in_36_bytes() {
        assert!(size_of::<Kept>() <= 36);
        let address = "[2001:db8::7]:7470".parse().unwrap();
        let name = NodeName::new("w1").unwrap();
        let zone = hactl_proto::name::ZoneName::new("a").unwrap();
        for since_ms in [0, 1, 1_763_900_000_123, (1 << 48) - 1] {
            let row = Row {
                id: MemberId {
                    boot: u32::MAX,
                    rejoin: 3,
                    ..MemberId::seed(&name, &zone, NodeRole::Worker, address)
                },
                state: MemberState::Suspect,
                since_ms,
                incarnation: u16::MAX,
            };
            let again = Kept::of(&row).row(row.id.node);
            assert_eq!(again.id, row.id);
            assert_eq!(again.state, row.state);
            assert_eq!(again.since_ms, since_ms);
            assert_eq!(again.incarnation, row.incarnation);
        }
        let before = Row::of(
            &Member::alive(MemberId::seed(&name, &zone, NodeRole::Worker, address)),
            Now {
                mono: std::time::Duration::ZERO,
                wall_ms: -1,
            },
        );
        assert_eq!(Kept::of(&before).row(before.id.node).since_ms, 0);
    }
}
