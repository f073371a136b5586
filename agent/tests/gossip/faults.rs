//! Crashes, restarts, loss, stalls, partitions.

use std::time::Duration;

use hactl_agent::membership::table::Change;
use hactl_proto::member::MemberState;

use crate::world::{World, name, seconds};

#[test]
fn five_nodes_find_each_other_and_stay() {
    for seed in 0..4 {
        let mut world = World::settled(5, seed);
        world.run(seconds(600));
        world.assert_all_alive();
        assert_eq!(world.events, [], "seed {seed}");
    }
}

#[test]
fn a_node_powered_off_is_down_in_every_view_within_three_seconds() {
    let mut times: Vec<Duration> = Vec::new();
    for seed in 0..200 {
        let mut world = World::settled(5, seed);
        world.run(Duration::from_millis(seed * 37));
        let victim = usize::try_from(seed).unwrap() % 5;
        world.stop(victim);
        let start = world.now;
        let all_see_it = |world: &World| {
            let observers = world.running();
            observers
                .into_iter()
                .all(|observer| world.state(observer, victim) == Some(MemberState::Down))
        };
        let end = start + seconds(10);
        assert!(
            world.run_until(end, all_see_it),
            "seed {seed}: {}",
            world.picture()
        );
        let last = world.events.iter().map(|(at, ..)| *at).max().unwrap();
        times.push(last.saturating_sub(start));
        assert!(
            world
                .events
                .iter()
                .all(|(_, _, event)| event.node == name(victim)),
            "seed {seed}: only the victim changes"
        );
    }
    times.sort_unstable();
    println!(
        "down in all views: median {:?}, 95 % {:?}, 99 % {:?}, most {:?}",
        times[100], times[190], times[198], times[199]
    );
    assert!(times[197] <= seconds(3), "98 %: {:?}", times[197]);
    assert!(
        times[199] <= Duration::from_millis(3500),
        "{:?}",
        times[199]
    );
}

#[test]
fn a_restart_is_a_rename_and_nobody_is_missed() {
    for seed in 0..20 {
        let mut world = World::settled(5, seed);
        world.stop(4);
        world.run(Duration::from_millis(400));
        world.start(4);
        let end = world.now + seconds(10);
        assert!(world.run_until(end, World::agreed), "{}", world.picture());
        world.run(seconds(30));
        world.assert_all_alive();
        let downs: Vec<_> = world
            .events
            .iter()
            .filter(|(_, observer, event)| *observer != 4 && event.change == Change::Down)
            .collect();
        assert!(downs.is_empty(), "seed {seed}: {downs:?}");
    }
}

#[test]
fn a_node_that_was_down_for_long_comes_back_at_once() {
    for seed in 0..10 {
        let mut world = World::settled(5, seed);
        world.stop(2);
        world.run(seconds(300));
        world.start(2);
        let end = world.now + seconds(5);
        assert!(world.run_until(end, World::agreed), "{}", world.picture());
    }
}

#[test]
fn a_node_that_comes_back_under_another_address_is_the_same_node() {
    let mut world = World::settled(5, 3);
    world.stop(4);
    world.nodes[4].seed.address = "10.0.9.9:7470".parse().unwrap();
    world.start(4);
    let end = world.now + seconds(10);
    assert!(world.run_until(end, World::agreed), "{}", world.picture());
    let view = world.view(0, 4).unwrap();
    assert_eq!(view.address, world.nodes[4].seed.address);
    assert_eq!(world.core(0).members().len(), 5, "no second entry");
}

#[test]
fn loss_of_one_datagram_in_twenty_brings_nobody_down_and_of_a_fifth_nobody_for_long() {
    for seed in 0..5 {
        let mut world = World::settled(5, seed);
        world.loss = 0.05;
        world.run(seconds(300));
        assert_eq!(
            world.count(Change::Down),
            0,
            "5 %, seed {seed}: {:?}",
            world.events
        );
        world.loss = 0.2;
        world.run(seconds(60));
        world.loss = 0.0;
        world.run(seconds(60));
        world.assert_all_alive();
    }
}

#[test]
fn a_stalled_node_accuses_nobody_when_it_wakes() {
    for seed in 0..20 {
        let mut world = World::settled(5, seed);
        world.run(Duration::from_millis(seed * 53));
        world.stall(1, seconds(20));
        world.run(seconds(40));
        let accused: Vec<_> = world
            .events
            .iter()
            .filter(|(_, _, event)| event.node != name(1) && event.change == Change::Down)
            .filter(|(_, observer, _)| *observer != 1)
            .collect();
        assert!(accused.is_empty(), "seed {seed}: {accused:?}");
        world.assert_all_alive();
    }
}

#[test]
fn short_stalls_of_all_nodes_in_turn_bring_nobody_down() {
    for seed in 0..3 {
        let mut world = World::settled(5, seed);
        for round in 0..200_usize {
            world.stall(round % 5, Duration::from_millis(900));
            world.stall((round + 2) % 5, Duration::from_millis(700));
            world.run(Duration::from_millis(1100));
        }
        assert_eq!(
            world.count(Change::Down),
            0,
            "seed {seed}: {:?}",
            world.events
        );
    }
}

#[test]
fn halves_of_a_partition_call_each_other_down_and_join_again() {
    for seed in 0..10 {
        let mut world = World::settled(5, seed);
        for node in [0, 1] {
            world.groups.insert(node, 1);
        }
        world.run(seconds(120));
        assert_eq!(world.state(0, 3), Some(MemberState::Down));
        assert_eq!(world.state(3, 0), Some(MemberState::Down));
        assert_eq!(world.state(3, 4), Some(MemberState::Alive));
        world.groups.clear();
        let end = world.now + seconds(60);
        assert!(
            world.run_until(end, World::agreed),
            "seed {seed}: {}",
            world.picture()
        );
    }
}

#[test]
fn a_node_that_leaves_is_down_without_a_suspicion() {
    let mut world = World::settled(5, 1);
    let now = world.time(3);
    world.core(3).leave(now);
    world.drain(3);
    world.run(Duration::from_millis(500));
    world.stop(3);
    world.run(seconds(5));
    for observer in world.running() {
        assert_eq!(world.state(observer, 3), Some(MemberState::Down));
    }
    assert_eq!(world.count(Change::Suspect), 0);
}

#[test]
fn a_step_of_one_nodes_clock_by_an_hour_cuts_nobody_else() {
    let mut world = World::settled(5, 2);
    world.nodes[4].wall_ms = 3_600_000;
    world.run(seconds(120));
    for observer in 0..4 {
        for node in 0..4 {
            assert_eq!(world.state(observer, node), Some(MemberState::Alive));
        }
    }
    let offsets = world.core(0).clock_offsets();
    let (_, offset) = offsets.iter().find(|(node, _)| *node == name(4)).unwrap();
    assert!((*offset - 3_600_000).abs() < 1000, "{offset}");
    world.nodes[4].wall_ms = 0;
    let end = world.now + seconds(60);
    assert!(world.run_until(end, World::agreed), "{}", world.picture());
}

#[test]
fn fifty_nodes_under_loss_restarts_and_repeats_agree_in_the_end() {
    for seed in 0..1 {
        let mut world = World::new(50, seed);
        for index in 0..50 {
            world.start(index);
        }
        world.run(seconds(60));
        world.loss = 0.1;
        world.repeat = 0.1;
        for round in 0..10_usize {
            let victim = (round * 7 + usize::try_from(seed).unwrap()) % 50;
            world.stop(victim);
            world.run(seconds(7));
            world.start(victim);
        }
        world.loss = 0.0;
        let end = world.now + seconds(120);
        assert!(
            world.run_until(end, World::agreed),
            "seed {seed}: {}",
            world.picture()
        );
        for index in 0..50 {
            let status = world.core(index).status();
            assert!(
                status.timers < 2000 && status.updates_backlog <= 50,
                "{status:?}"
            );
        }
    }
}
