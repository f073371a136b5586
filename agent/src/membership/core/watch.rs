//! Zones and this node's own contact, as they change.

use std::time::Duration;

use hactl_proto::Timestamp;
use hactl_proto::member::{Reach, ZoneCondition};
use hactl_proto::name::ZoneName;

use super::{Core, view};
use crate::membership::clock::Now;
use crate::membership::detect::zones::{Evidence, Zones};
use crate::membership::identity::{MemberId, ZoneTag};
use crate::membership::timers::Due;

/// One change of a zone as a whole, or of this node's contact with all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneEvent {
    /// A zone is otherwise than before.
    Zone {
        /// The zone.
        zone: ZoneName,
        /// What is believed now.
        condition: ZoneCondition,
        /// When this node saw it, by its own clock.
        at: Timestamp,
    },
    /// Nothing at all is heard: this node is cut off, and accuses nobody.
    Alone {
        /// Since it was noticed.
        at: Timestamp,
    },
    /// Somebody is heard again.
    InCompany {
        /// Since it was noticed.
        at: Timestamp,
    },
}

/// What this node believes of zones and of its own contact.
#[derive(Debug, Default)]
pub(super) struct Watching {
    zones: Zones,
    /// A look at the zones is planned.
    planned: bool,
    alone: bool,
}

/// Zones are looked at this long after a change: many come together.
const WAIT: Duration = Duration::from_millis(200);
/// A zone that was heard after this is not silent: shorter than it takes to suspect its members.
const LATELY: Duration = Duration::from_secs(1);

impl Core {
    pub(super) fn look_at_zones(&mut self, now: Now) {
        if !std::mem::replace(&mut self.watching.planned, true) {
            self.timers.set(now.mono + WAIT, Due::Zones);
        }
    }

    pub(super) fn judge_zones(&mut self, now: Now) {
        self.watching.planned = false;
        let own = self.swim.identity().zone;
        let lately = now.mono.saturating_sub(LATELY);
        let evidence = Evidence {
            dark: self.probes.paths.dark().collect(),
            heard: self.probes.paths.heard_after(lately).collect(),
        };
        let judged = self.watching.zones.judge(own, &self.table, &evidence, now);
        if self.watching.zones.is_open() {
            self.look_at_zones(now);
        }
        for (zone, condition) in judged {
            self.counters.zone_changes += 1;
            let zone = self.zone_name(zone);
            let at = view::timestamp(now.wall_ms);
            self.zone_events.push_back(ZoneEvent::Zone {
                zone,
                condition,
                at,
            });
        }
    }

    /// Looked at in every round of probes: silence fires no timer of its own.
    pub(super) fn watch_contact(&mut self, now: Now) {
        let alone = self.is_alone(now);
        if std::mem::replace(&mut self.watching.alone, alone) == alone {
            return;
        }
        let at = view::timestamp(now.wall_ms);
        self.zone_events.push_back(if alone {
            ZoneEvent::Alone { at }
        } else {
            ZoneEvent::InCompany { at }
        });
    }

    /// Whether nothing at all is heard.
    pub const fn alone(&self) -> bool {
        self.watching.alone
    }

    /// What is believed of the member's zone as a whole, and in our own row of our contact.
    pub(super) fn condition_of(&self, id: &MemberId) -> ZoneCondition {
        if self.watching.alone && id.node == self.swim.identity().node {
            return ZoneCondition::Alone;
        }
        self.watching.zones.of(id.zone)
    }

    /// Whether nothing is wrong with any zone, nor with this node's contact.
    pub fn all_zones_reachable(&self) -> bool {
        !self.watching.alone && self.watching.zones.all_reachable()
    }

    /// How a zone is reached as a whole: a one-way cut between two zones shows in most of its members.
    pub fn reach_of(&self, zone: &ZoneName, now: Now) -> Reach {
        self.probes.paths.zone(ZoneTag::of(zone), now.mono)
    }

    fn zone_name(&self, tag: ZoneTag) -> ZoneName {
        let mut rows = self.table.rows();
        let own = self.swim.identity();
        if own.zone == tag {
            return self.settings.node.zone.clone();
        }
        let member = rows.find(|row| row.id.zone == tag);
        self.zone_of(&member.map_or(*own, |row| row.id))
    }
}
