//! What was last reported of each member, so that changes become events with a time.

use std::collections::HashMap;

use foca::{Member, State};
use hactl_proto::Timestamp;
use hactl_proto::member::MemberState;
use hactl_proto::name::NodeName;

use super::clock::Now;
use super::identity::{MemberId, NodeId};

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

/// Rows by node.
#[derive(Debug, Default)]
pub struct Table(HashMap<NodeId, Row>);

impl Table {
    /// Compares foca's members with the rows: what changed, in the order of node ids, and whether foca forgot someone.
    pub fn refresh<'a>(
        &mut self,
        members: impl Iterator<Item = &'a Member<MemberId>>,
        now: Now,
    ) -> (Vec<(NodeId, Change)>, bool) {
        let mut seen = 0;
        let mut changes = Vec::new();
        for member in members {
            seen += 1;
            let fresh = Row {
                id: *member.id(),
                state: state(member.state()),
                since_ms: now.wall_ms,
                incarnation: member.incarnation(),
            };
            let Some(row) = self.0.get_mut(&fresh.id.node) else {
                self.0.insert(fresh.id.node, fresh);
                let change = match fresh.state {
                    MemberState::Alive => Change::Up,
                    MemberState::Suspect => Change::Suspect,
                    MemberState::Down => Change::Down,
                };
                changes.push((fresh.id.node, change));
                continue;
            };
            if let Some(change) = change(row, &fresh) {
                changes.push((fresh.id.node, change));
            }
            let since_ms = if row.state == fresh.state {
                row.since_ms
            } else {
                fresh.since_ms
            };
            *row = Row { since_ms, ..fresh };
        }
        changes.sort_unstable_by_key(|(node, _)| *node);
        (changes, seen < self.0.len())
    }

    /// Drops rows that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.0.retain(|node, _| keep(*node));
    }

    /// A node's row.
    pub fn row(&self, node: NodeId) -> Option<&Row> {
        self.0.get(&node)
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.values()
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
