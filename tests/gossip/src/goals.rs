//! The goals at a size that a test run bears. Time is virtual and the seed fixed, so the bounds hold on any machine.

#![allow(
    clippy::unwrap_used,
    reason = "a cluster that cannot be made fails the test"
)]

use std::time::Duration;

use hactl_agent::membership::identity::NodeId;
use hactl_proto::member::Reach;
use hactl_proto::name::ZoneName;

use crate::alone::alone;
use crate::cluster;
use crate::scenario::{idle, lose, lose_zone};
use crate::spread;
use crate::stalls::{self, Stalls};
use crate::watch::Alarms;
use crate::world::Condition;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn equal_seeds_give_equal_runs_and_others_do_not() {
    let run = |seed: u64| {
        let mut world = cluster::agents(20, 0.05, seed).unwrap();
        world.run(millis(5000));
        let losses = lose(&mut world, 3, millis(10_000));
        let sent: Vec<u64> = world.slots.iter().map(|slot| slot.sent).collect();
        (losses.first, losses.all, sent)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).2, run(2).2);
}

#[test]
fn a_node_alone_does_what_it_did_in_the_cluster() {
    let mut world = cluster::agents(30, 0.05, 2).unwrap();
    world.run(millis(20_000));
    let tape = world.tape.take().unwrap();
    let played = alone(&tape, millis(10_000)).unwrap();
    assert_eq!(played.sent, world.slots[0].sent);
}

#[test]
fn of_five_nodes_a_lost_one_is_down_everywhere_within_one_and_a_half_seconds() {
    for seed in 0..50 {
        let mut world = cluster::agents(5, 0.0, seed).unwrap();
        world.run(millis(5000));
        let losses = lose(&mut world, 1, millis(10_000));
        let all = losses.all[1].unwrap();
        assert!(all <= millis(1500), "seed {seed}: {all:?}");
    }
}

#[test]
fn of_a_hundred_a_lost_one_is_down_in_seconds_with_loss_and_without() {
    for loss in [0.0, 0.05] {
        let mut world = cluster::agents(100, loss, 3).unwrap();
        world.run(millis(5000));
        let losses = lose(&mut world, 20, millis(30_000));
        assert!(losses.first[0].unwrap() <= millis(2000), "{losses:?}");
        assert!(losses.first[1].unwrap() <= millis(2700), "{losses:?}");
        assert!(losses.most[0].unwrap() <= millis(2300), "{losses:?}");
    }
}

#[test]
fn idle_nodes_accuse_nobody_and_send_little() {
    let mut world = cluster::agents(100, 0.05, 4).unwrap();
    world.run(millis(10_000));
    let idle = idle(&mut world, Duration::from_mins(2));
    assert_eq!(idle.alarms.down, 0);
    assert!(idle.datagram_bytes < 1200.0, "{idle:?}");
}

#[test]
fn a_stalled_quarter_brings_no_healthy_node_down() {
    for (loss, condition) in [(0.0, Condition::Blocked), (0.2, Condition::Blocked)] {
        let mut world = cluster::agents(48, loss, 5).unwrap();
        let Stalls { down, by, .. } = stalls::stall(&mut world, "hactl", condition, 33);
        assert_eq!(down, 0, "loss {loss}, by {by}");
    }
}

#[test]
fn the_stalls_are_such_that_foca_as_it_comes_errs() {
    let mut world = cluster::plain(48, 0.0, 5).unwrap();
    let stalls = stalls::stall(&mut world, "foca", Condition::Blocked, 33);
    assert!(stalls.down > 5, "{stalls:?}");
}

#[test]
fn a_zone_cut_off_is_one_event_and_knows_it() {
    let mut world = cluster::agents(60, 0.01, 6).unwrap();
    world.run(millis(10_000));
    let cut = spread::cut(&mut world);
    assert!(cut.silent[0].unwrap() <= millis(6000), "{cut:?}");
    assert!(cut.silent[1].unwrap() <= millis(30_000), "{cut:?}");
    assert!(cut.inside[1].unwrap() <= millis(10_000), "{cut:?}");
    assert!(cut.healed.is_some(), "{cut:?}");
    assert_eq!(cut.most_events, 2, "one for the cut, one for the return");
}

#[test]
fn a_one_way_cut_between_zones_is_named_by_its_direction_and_brings_nobody_down() {
    let mut world = cluster::agents(30, 0.0, 9).unwrap();
    world.run(millis(10_000));
    world.watch.alarms = Alarms::default();
    world.network.deaf.push((2, 0));
    world.run(millis(60_000));
    assert_eq!(world.watch.alarms.down, 0);
    let now = world.time();
    let zone = |name: &str| ZoneName::new(name).unwrap();
    for slot in &world.slots {
        let (other, wanted) = match slot.zone {
            0 => (zone("zone-c"), Reach::NotFrom),
            2 => (zone("zone-a"), Reach::NotTo),
            _ => (zone("zone-a"), Reach::Direct),
        };
        assert_eq!(
            slot.node.reach_of(&other, now),
            wanted,
            "from zone {}",
            slot.zone
        );
    }
}

#[test]
fn a_node_that_hears_nobody_says_so_and_accuses_nobody() {
    let mut world = cluster::agents(7, 0.0, 10).unwrap();
    world.run(millis(5000));
    // The only one of its zone.
    world.slots[6].zone = 3;
    world.network.cut.push(3);
    world.run(millis(10_000));
    assert!(world.slots[6].node.alone());
    let downs = world.slots[6].node.status().counters.down;
    assert_eq!(downs, 0);
    assert!(
        !world.slots[0]
            .node
            .knows(NodeId::of(&cluster::seed_of(6).unwrap().node))
    );
    world.network.cut.clear();
    world.run(millis(30_000));
    assert!(!world.slots[6].node.alone());
    assert!(
        world.slots[0]
            .node
            .knows(NodeId::of(&cluster::seed_of(6).unwrap().node))
    );
}

#[test]
fn a_zone_powered_off_is_known_to_all_in_seconds() {
    let mut world = cluster::agents(60, 0.0, 7).unwrap();
    world.run(millis(10_000));
    let zone = lose_zone(&mut world, 1, Duration::from_mins(2));
    assert!(zone.most.unwrap() <= millis(6000), "{zone:?}");
    assert!(zone.all.unwrap() <= millis(40_000), "{zone:?}");
}

#[test]
fn a_joiner_knows_all_within_two_seconds_and_a_digest_spreads_within_three() {
    let mut world = cluster::agents(100, 0.0, 8).unwrap();
    world.run(millis(10_000));
    let (learned, seen) = spread::joins(&mut world, 3).unwrap();
    assert!(learned[1].unwrap() <= millis(2000), "{learned:?}");
    assert!(seen[1].unwrap() <= millis(2000), "{seen:?}");
    let heard = spread::digests(&mut world, 3, false, 0.0).unwrap();
    assert!(heard.most[1].unwrap() <= millis(3000), "{heard:?}");
    let missed = spread::digests(&mut world, 1, true, 0.0).unwrap();
    assert!(missed.all[1].unwrap() <= millis(180_000), "{missed:?}");
}
/// Who was cut off brings along that all others are down. With this seed two nodes took that for the silence of the other zone.
#[test]
fn the_return_of_a_zone_is_no_event_of_another() {
    let mut world = cluster::agents(100, 0.05, 3).unwrap();
    world.run(millis(10_000));
    spread::joins(&mut world, 3).unwrap();
    spread::digests(&mut world, 5, false, 0.0).unwrap();
    spread::digests(&mut world, 1, true, 0.0).unwrap();
    let cut = spread::cut(&mut world);
    assert!(cut.healed.is_some(), "{cut:?}");
    assert_eq!(cut.most_events, 2, "one for the cut, one for the return");
}
