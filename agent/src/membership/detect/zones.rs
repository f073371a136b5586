//! A zone that falls silent as a whole, told apart from this node's own silence: one event, not one a member.
//!
//! Every member judges by the states that all share: a suspicion is confirmed by helpers of several zones before it is a down, so
//! that the states are what the zones together see. With three zones or more, the side that finds all others silent is the one
//! that is cut off, and says so. With two, neither can know which it is.

use std::collections::BTreeMap;
use std::time::Duration;

use hactl_proto::member::{MemberState, ZoneCondition};

use super::super::clock::Now;
use super::super::identity::ZoneTag;
use super::super::table::Table;

/// Members that fell silent longer ago than this did so one by one.
const TOGETHER: Duration = Duration::from_mins(1);
/// Of a zone's members in tenths: so many silent make the zone silent.
const SILENT_TENTHS: usize = 8;
/// One silent member is a member, not a zone.
const LEAST: usize = 2;

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    alive: usize,
    silent: usize,
}

/// A zone that fell silent.
#[derive(Debug, Clone, Copy)]
struct Silence {
    /// Its members when it did.
    size: usize,
    /// Since when some of it are alive again.
    alive_since_ms: Option<i64>,
}

/// This node's own evidence, beside the states that all share.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Zones of which nothing was heard through several probes: when all others are, it need not wait until each of their members
    /// is suspected.
    pub dark: Vec<ZoneTag>,
    /// Zones of which something was heard just now: none of them is silent.
    pub heard: Vec<ZoneTag>,
}

/// What is believed of each zone.
#[derive(Debug, Default)]
pub struct Zones {
    silent: BTreeMap<ZoneTag, Silence>,
    /// Zones whose members are missed and of which something is heard all the same.
    heard: Vec<ZoneTag>,
    told: BTreeMap<ZoneTag, ZoneCondition>,
}

impl Zones {
    /// Looks at all members: which zones are otherwise than before.
    pub fn judge(
        &mut self,
        own: ZoneTag,
        table: &Table,
        evidence: &Evidence,
        now: Now,
    ) -> Vec<(ZoneTag, ZoneCondition)> {
        let tallies = tally(own, table, now);
        self.heard.clear();
        for (zone, tally) in &tallies {
            self.weigh(*zone, *tally, evidence.heard.contains(zone), now);
        }
        self.silent.retain(|zone, _| tallies.contains_key(zone));
        let others: Vec<ZoneTag> = tallies
            .iter()
            .filter(|(zone, tally)| {
                let there = tally.alive + tally.silent > 0 || self.silent.contains_key(zone);
                **zone != own && there
            })
            .map(|(zone, _)| *zone)
            .collect();
        let silent = |zone: &ZoneTag| self.silent.contains_key(zone);
        let all_dark =
            others.iter().all(silent) || others.iter().all(|zone| evidence.dark.contains(zone));
        let all_dark = all_dark && !others.is_empty();
        let condition = |zone: &ZoneTag| match (all_dark, others.len(), *zone == own) {
            (true, 2.., true) => ZoneCondition::CutOff,
            // Of the others nothing can be known from within a zone that is cut off, nor where there is only one other.
            (true, _, false) => ZoneCondition::Undecided,
            (_, _, false) if silent(zone) => ZoneCondition::Silent,
            _ => ZoneCondition::Reachable,
        };
        let fresh: Vec<(ZoneTag, ZoneCondition)> = tallies
            .keys()
            .map(|zone| (*zone, condition(zone)))
            .filter(|(zone, condition)| self.of(*zone) != *condition)
            .collect();
        for (zone, condition) in &fresh {
            self.told.insert(*zone, *condition);
        }
        self.told.retain(|zone, _| tallies.contains_key(zone));
        // One event for one cut: what is said of the other zones follows from our own being cut off.
        let cut_off = fresh
            .iter()
            .any(|(_, condition)| *condition == ZoneCondition::CutOff);
        let quiet = |condition: ZoneCondition| cut_off && condition == ZoneCondition::Undecided;
        fresh
            .into_iter()
            .filter(|(_, condition)| !quiet(*condition))
            .collect()
    }

    /// A zone is silent when nearly all of it fell silent together and nothing of it is heard, and back when half of it is, or some
    /// of it for long. Who comes back after a cut tells that all others are down, as it saw them: they refute that in a moment, and
    /// are heard meanwhile.
    fn weigh(&mut self, zone: ZoneTag, tally: Tally, heard: bool, now: Now) {
        let together = i64::try_from(TOGETHER.as_millis()).unwrap_or(i64::MAX);
        let size = tally.alive + tally.silent;
        if let Some(silence) = self.silent.get_mut(&zone) {
            silence.size = silence.size.max(size);
            silence.alive_since_ms = match silence.alive_since_ms {
                _ if tally.alive == 0 => None,
                None => Some(now.wall_ms),
                since => since,
            };
            let long = |since: i64| now.wall_ms - since >= together;
            if tally.alive * 2 >= silence.size || silence.alive_since_ms.is_some_and(long) {
                self.silent.remove(&zone);
            }
        } else if tally.silent >= LEAST && tally.silent * 10 >= size * SILENT_TENTHS {
            if heard {
                self.heard.push(zone);
                return;
            }
            let silence = Silence {
                size,
                alive_since_ms: None,
            };
            self.silent.insert(zone, silence);
        }
    }

    /// Whether a zone is to be looked at again though no member of it changes: its members are missed, and it was heard.
    pub const fn is_open(&self) -> bool {
        !self.heard.is_empty()
    }

    /// Whether nothing is wrong with any.
    pub fn all_reachable(&self) -> bool {
        let mut told = self.told.values();
        told.all(|condition| *condition == ZoneCondition::Reachable)
    }

    /// What is believed of a zone.
    pub fn of(&self, zone: ZoneTag) -> ZoneCondition {
        self.told.get(&zone).copied().unwrap_or_default()
    }
}

fn tally(own: ZoneTag, table: &Table, now: Now) -> BTreeMap<ZoneTag, Tally> {
    let mut tallies: BTreeMap<ZoneTag, Tally> = BTreeMap::new();
    // This node lives.
    tallies.entry(own).or_default().alive += 1;
    let together = i64::try_from(TOGETHER.as_millis()).unwrap_or(i64::MAX);
    for row in table.rows() {
        let tally = tallies.entry(row.id.zone).or_default();
        if row.state == MemberState::Alive {
            tally.alive += 1;
        } else if now.wall_ms - row.since_ms <= together {
            tally.silent += 1;
        }
    }
    tallies
}

#[cfg(test)]
mod tests {
    use foca::{Member, State};
    use hactl_proto::name::{NodeName, ZoneName};
    use hactl_proto::role::NodeRole;

    use super::*;
    use crate::membership::identity::MemberId;

    fn at(seconds: u64) -> Now {
        Now {
            mono: Duration::from_secs(seconds),
            wall_ms: i64::try_from(seconds * 1000).unwrap(),
        }
    }

    fn zone(name: &str) -> ZoneTag {
        ZoneTag::of(&ZoneName::new(name).unwrap())
    }

    /// Ten members a zone; `set` changes the first so many of one.
    struct Cluster {
        table: Table,
        zones: Zones,
    }

    impl Cluster {
        fn new(names: &[&str]) -> Self {
            let mut cluster = Self {
                table: Table::default(),
                zones: Zones::default(),
            };
            for name in names {
                cluster.set(name, 10, State::Alive, at(0));
            }
            cluster
        }

        fn set(&mut self, zone: &str, count: usize, state: State, now: Now) {
            for index in 0..count {
                let node = NodeName::new(format!("{zone}{index}")).unwrap();
                let address = "10.0.0.1:1".parse().unwrap();
                let zone = ZoneName::new(zone).unwrap();
                let id = MemberId::seed(&node, &zone, NodeRole::Worker, address);
                self.table.set(&Member::new(id, 0, state), now);
            }
        }

        fn judge(&mut self, now: Now) -> Vec<(ZoneTag, ZoneCondition)> {
            self.zones
                .judge(zone("a"), &self.table, &Evidence::default(), now)
        }
    }

    #[test]
    fn a_zone_that_falls_silent_is_one_event_and_so_is_its_return() {
        let mut cluster = Cluster::new(&["a", "b", "c"]);
        assert_eq!(cluster.judge(at(0)), []);
        cluster.set("c", 5, State::Suspect, at(10));
        assert_eq!(cluster.judge(at(10)), [], "half of a zone is not a zone");
        cluster.set("c", 9, State::Down, at(11));
        assert_eq!(cluster.judge(at(11)), [(zone("c"), ZoneCondition::Silent)]);
        cluster.set("c", 10, State::Down, at(12));
        assert_eq!(cluster.judge(at(12)), []);
        assert_eq!(cluster.judge(at(500)), [], "it stays silent");
        cluster.set("c", 3, State::Alive, at(600));
        assert_eq!(cluster.judge(at(600)), [], "a third is not back");
        cluster.set("c", 6, State::Alive, at(600));
        assert_eq!(
            cluster.judge(at(600)),
            [(zone("c"), ZoneCondition::Reachable)]
        );
    }

    #[test]
    fn a_zone_that_comes_back_smaller_is_back_after_a_minute() {
        let mut cluster = Cluster::new(&["a", "b", "c"]);
        cluster.set("c", 10, State::Down, at(10));
        assert_eq!(cluster.judge(at(10)).len(), 1);
        cluster.set("c", 2, State::Alive, at(100));
        assert_eq!(cluster.judge(at(100)), []);
        assert_eq!(
            cluster.judge(at(161)),
            [(zone("c"), ZoneCondition::Reachable)]
        );
    }

    #[test]
    fn who_finds_all_others_silent_is_cut_off_itself() {
        let mut cluster = Cluster::new(&["a", "b", "c"]);
        cluster.set("b", 9, State::Down, at(10));
        assert_eq!(cluster.judge(at(10)), [(zone("b"), ZoneCondition::Silent)]);
        cluster.set("c", 9, State::Suspect, at(11));
        assert_eq!(cluster.judge(at(11)), [(zone("a"), ZoneCondition::CutOff)]);
        cluster.set("b", 10, State::Alive, at(20));
        cluster.set("c", 10, State::Alive, at(20));
        assert_eq!(cluster.judge(at(20)).len(), 3, "all are reachable again");
        assert_eq!(cluster.zones.of(zone("a")), ZoneCondition::Reachable);
    }

    #[test]
    fn between_two_zones_nobody_knows_who_is_cut_off() {
        let mut cluster = Cluster::new(&["a", "b"]);
        cluster.set("b", 10, State::Down, at(10));
        assert_eq!(
            cluster.judge(at(10)),
            [(zone("b"), ZoneCondition::Undecided)]
        );
    }

    #[test]
    fn own_evidence_of_all_others_is_enough_and_of_one_it_is_not() {
        let cluster = Cluster::new(&["a", "b", "c"]);
        let mut zones = cluster.zones;
        let (own, table) = (zone("a"), &cluster.table);
        let dark = |dark: &[ZoneTag]| Evidence {
            dark: dark.to_vec(),
            heard: Vec::new(),
        };
        assert_eq!(zones.judge(own, table, &dark(&[zone("b")]), at(1)), []);
        let both = dark(&[zone("b"), zone("c")]);
        assert_eq!(
            zones.judge(own, table, &both, at(2)),
            [(own, ZoneCondition::CutOff)]
        );
        assert_eq!(zones.judge(own, table, &dark(&[]), at(3)).len(), 3);
    }

    #[test]
    fn a_zone_that_is_heard_is_not_silent_whatever_others_say_of_its_members() {
        let mut cluster = Cluster::new(&["a", "b", "c"]);
        cluster.set("b", 10, State::Down, at(10));
        let heard = Evidence {
            dark: Vec::new(),
            heard: vec![zone("b")],
        };
        let own = zone("a");
        let judged = cluster.zones.judge(own, &cluster.table, &heard, at(10));
        assert_eq!(judged, []);
        assert!(cluster.zones.is_open());
        let silent = [(zone("b"), ZoneCondition::Silent)];
        assert_eq!(cluster.judge(at(12)), silent, "it is not heard any more");
        assert!(!cluster.zones.is_open());
        let judged = cluster.zones.judge(own, &cluster.table, &heard, at(13));
        assert_eq!(judged, [], "one late datagram is no return");
    }

    #[test]
    fn members_lost_one_by_one_are_no_zone_event() {
        let mut cluster = Cluster::new(&["a", "b", "c"]);
        for lost in 1..=10 {
            let now = at(u64::try_from(lost).unwrap() * 70);
            cluster.set("c", lost, State::Down, now);
            assert_eq!(cluster.judge(now), [], "{lost} of ten");
        }
    }
}
