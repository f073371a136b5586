//! Who probes whom in which round, without a word about it: every member is probed by one other in every round, at a moment of
//! its own.
//!
//! Random probing leaves a lost member unprobed for five periods one time in a hundred. Here round `r` is a shift by a number that
//! all know (it comes from `r`, which comes from the wall clock) along the members in the order of their ids, so each has one
//! prober a round, another one each time. The moment within the round belongs to the probed member, so the time between its
//! probes is one period. Views or clocks that differ make some probes double and some missing in that round, no more. In every
//! other round the shift is within the prober's own zone, where there are enough: half of the probes cost nothing between zones.

use super::super::identity::{MemberId, NodeId};
use super::super::table::{Row, Table};

/// Fewer members of a zone than this don't probe among themselves in rounds of their own.
const ZONE_ROUNDS: usize = 4;

/// The active members, as places in the table, and those of them in this node's zone.
#[derive(Debug, Default)]
pub struct Schedule {
    all: Vec<u16>,
    near: Vec<u16>,
    generation: Option<u64>,
}

impl Schedule {
    /// Whom this node probes in the round, if anybody is there.
    pub fn target(&mut self, own: &MemberId, round: u64, table: &Table) -> Option<Row> {
        if self.generation != Some(table.generation()) {
            self.order(own, table);
        }
        let zonal = round % 2 == 1 && self.near.len() + 1 >= ZONE_ROUNDS;
        let others = if zonal { &self.near } else { &self.all };
        let place = table.place(own.node);
        let rank = others.partition_point(|other| usize::from(*other) < place);
        let next = shifted(rank, others.len(), round)?;
        table.at(usize::from(*others.get(next)?))
    }

    fn order(&mut self, own: &MemberId, table: &Table) {
        self.all.clear();
        self.near.clear();
        for (place, row) in table.rows().enumerate() {
            let Some(place) = u16::try_from(place).ok().filter(|_| row.is_active()) else {
                continue;
            };
            self.all.push(place);
            if row.id.zone == own.zone {
                self.near.push(place);
            }
        }
        self.generation = Some(table.generation());
    }
}

/// The place among the `others` that is the round's shift after `rank`, where this node would stand.
fn shifted(rank: usize, others: usize, round: u64) -> Option<usize> {
    let shift = below(mix(round), others)? + 1;
    let place = (rank + shift) % (others + 1);
    // This node is not among the others: behind it, places are one less.
    Some(if place > rank { place - 1 } else { place })
}

/// Milliseconds after the start of a round of `period_ms` at which the node is probed.
pub fn moment(node: NodeId, period_ms: u64) -> u64 {
    mix(number(node)) % period_ms.max(1)
}

fn number(node: NodeId) -> u64 {
    u64::from_be_bytes(node.0)
}

fn below(number: u64, count: usize) -> Option<usize> {
    let count = u64::try_from(count).ok()?;
    usize::try_from(number.checked_rem(count)?).ok()
}

/// Steele, Lea, Flood: SplittableRandom's mixing function; not for secrets.
pub const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use foca::Member;
    use hactl_proto::name::{NodeName, ZoneName};
    use hactl_proto::role::NodeRole;

    use super::*;
    use crate::membership::clock::Now;

    const NOW: Now = Now {
        mono: std::time::Duration::ZERO,
        wall_ms: 0,
    };

    fn id(index: usize) -> MemberId {
        let zone = ZoneName::new(["a", "b", "c"][index % 3]).unwrap();
        let node = NodeName::new(format!("n{index}")).unwrap();
        let address = "10.0.0.1:7470".parse().unwrap();
        MemberId::seed(&node, &zone, NodeRole::Worker, address)
    }

    fn table(own: usize, count: usize, down: &[usize]) -> Table {
        let mut table = Table::default();
        for index in (0..count).filter(|index| *index != own) {
            let member = if down.contains(&index) {
                Member::down(id(index))
            } else {
                Member::alive(id(index))
            };
            table.set(&member, NOW);
        }
        table
    }

    fn probed(count: usize, down: &[usize], round: u64) -> HashMap<NodeId, usize> {
        let mut probes = HashMap::new();
        for own in (0..count).filter(|own| !down.contains(own)) {
            let table = table(own, count, down);
            let target = Schedule::default()
                .target(&id(own), round, &table)
                .unwrap()
                .id;
            assert_ne!(target.node, id(own).node);
            *probes.entry(target.node).or_default() += 1;
        }
        probes
    }

    #[test]
    fn everybody_is_probed_by_one_in_every_round() {
        for count in [2, 3, 5, 12, 50] {
            for round in 0..20 {
                let probes = probed(count, &[], round);
                assert_eq!(probes.len(), count, "{count} members, round {round}");
                assert!(probes.values().all(|times| *times == 1));
            }
        }
    }

    #[test]
    fn a_zones_rounds_stay_within_it_and_the_others_do_not() {
        let table = table(0, 30, &[]);
        let mut schedule = Schedule::default();
        let near = (0..200)
            .map(|round| schedule.target(&id(0), 2 * round + 1, &table).unwrap())
            .filter(|row| row.id.zone == id(0).zone);
        assert_eq!(near.count(), 200);
        let far = (0..200)
            .map(|round| schedule.target(&id(0), 2 * round, &table).unwrap())
            .filter(|row| row.id.zone != id(0).zone);
        assert!(far.count() > 90);
    }

    #[test]
    fn the_down_are_left_out_and_the_living_probed_all_the_same() {
        for round in (0..40).step_by(2) {
            let probes = probed(20, &[3, 4, 5], round);
            assert_eq!(probes.len(), 17, "round {round}");
            assert!(!probes.contains_key(&id(4).node));
        }
        for round in 0..9 {
            assert_eq!(probed(60, &[3, 6, 20], round).len(), 57, "round {round}");
        }
        let alone = table(0, 2, &[1]);
        assert!(Schedule::default().target(&id(0), 0, &alone).is_none());
    }
}
