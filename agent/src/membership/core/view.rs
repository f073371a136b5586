//! What this node believes, in the contract's words.

use hactl_proto::Timestamp;
use hactl_proto::health::HealthDigest;
use hactl_proto::member::{MemberState, MemberView};
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;

use super::{Core, Seed};
use crate::membership::clock::Now;
use crate::membership::counters::Counters;
use crate::membership::identity::{MemberId, NodeId};
use crate::membership::table::Row;

/// How the membership itself is, for metrics and `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// This node's identity, printable.
    pub identity: String,
    /// Members that live, this one included.
    pub active: usize,
    /// Members known, down ones and this one included.
    pub known: usize,
    /// Whether a state exchange has succeeded since the start.
    pub synced: bool,
    /// Member updates that wait to be sent along.
    pub updates_backlog: usize,
    /// Records that wait to be sent along.
    pub records_backlog: usize,
    /// Timers set.
    pub timers: usize,
    /// Ids of the keys in the ring, the sealing one first.
    pub key_ids: Vec<u8>,
    /// This node's clock against the median of its peers', in milliseconds, positive when ahead.
    pub clock_offset_ms: Option<i64>,
    /// What happened since the start.
    pub counters: Counters,
}

impl Core {
    /// Every known member, this one included, by name.
    pub fn members(&self) -> Vec<MemberView> {
        let own = Row {
            id: *self.swim.identity(),
            state: if self.left {
                MemberState::Down
            } else {
                MemberState::Alive
            },
            since_ms: self.started_ms,
            incarnation: self.effects.incarnation,
        };
        let mut views: Vec<MemberView> = self
            .table
            .rows()
            .chain([own])
            .map(|row| self.member(&row))
            .collect();
        views.sort_by(|a, b| a.node.cmp(&b.node));
        views
    }

    fn member(&self, row: &Row) -> MemberView {
        let id = &row.id;
        let round_trip = self.clocks.round_trip(id.node);
        MemberView {
            node: self.name_of(id.node),
            zone: self.zone_of(id),
            role: id.role,
            address: id.address(),
            state: row.state,
            since: timestamp(row.since_ms),
            incarnation: row.incarnation,
            boot_epoch: u64::from(id.boot),
            round_trip_us: round_trip
                .map(|time| u32::try_from(time.as_micros()).unwrap_or(u32::MAX)),
            health: self.records.with(|records| records.digest(id.node)),
            reach: self.probes.paths.member(id.node),
            zone_condition: self.condition_of(id),
        }
    }

    /// How far each peer's clock is ahead of ours, in milliseconds, by name; declared nodes that are kept out for their clock
    /// included.
    pub fn clock_offsets(&self) -> Vec<(NodeName, i64)> {
        let offsets = self.clocks.peers().filter_map(|peer| {
            let offset = self.clocks.offset_ms(peer)?;
            Some((self.name_of(peer), offset))
        });
        let mut offsets: Vec<_> = offsets.collect();
        offsets.sort();
        offsets
    }

    /// Declared control planes, this node left out: whom to ask over gRPC why nobody is heard by UDP.
    pub fn oracles(&self) -> Vec<Seed> {
        let declared = self.settings.declared.iter();
        declared
            .filter(|seed| seed.role == NodeRole::ControlPlane)
            .filter(|seed| seed.node != self.settings.node.node)
            .cloned()
            .collect()
    }

    /// Members that live now, this node left out: whom to remember over a restart.
    pub fn living(&self) -> Vec<Seed> {
        let rows = self.table.rows();
        let mut living: Vec<Seed> = rows
            .filter(|row| row.state == MemberState::Alive)
            .map(|row| self.seed(&row.id))
            .collect();
        living.sort_by(|a, b| a.node.cmp(&b.node));
        living
    }

    /// Any living member whose name is known, by a random number: who to exchange states with.
    pub fn living_at(&self, pick: u64) -> Option<Seed> {
        self.living_row(pick).map(|row| self.seed(&row.id))
    }

    pub(super) fn living_row(&self, pick: u64) -> Option<Row> {
        let count = u64::try_from(self.table.len()).ok()?;
        let from = usize::try_from(pick.checked_rem(count)?).ok()?;
        let places = (from..self.table.len()).chain(0..from);
        let mut rows = places.filter_map(|place| self.table.at(place));
        rows.find(|row| row.state == MemberState::Alive && self.knows_name(row.id.node))
    }

    /// Whether the member is known and not down.
    pub fn knows(&self, node: NodeId) -> bool {
        self.table.row(node).is_some_and(|row| row.is_active())
    }

    /// A member's newest digest.
    pub fn health_of(&self, node: NodeId) -> Option<HealthDigest> {
        self.records.with(|records| records.digest(node))
    }

    /// Whether a state exchange has succeeded since the start.
    pub const fn is_synced(&self) -> bool {
        self.synced
    }

    pub(super) fn seed(&self, id: &MemberId) -> Seed {
        Seed {
            node: self.name_of(id.node),
            zone: self.zone_of(id),
            role: id.role,
            address: id.address(),
        }
    }

    /// How the membership itself is.
    pub fn status(&self) -> Status {
        Status {
            identity: format!("{:?}", self.swim.identity()),
            active: self.swim.num_members() + 1,
            known: self.table.rows().count() + 1,
            synced: self.synced,
            updates_backlog: self.swim.updates_backlog(),
            records_backlog: self.swim.custom_broadcast_backlog(),
            timers: self.timers.len(),
            key_ids: self.opener.key_ids(),
            clock_offset_ms: self.clocks.own_offset_ms(),
            counters: self.counters.clone(),
        }
    }

    /// The core's own time to the contract's.
    pub fn wall(now: Now) -> Timestamp {
        timestamp(now.wall_ms)
    }
}

pub(super) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
