//! Joins, records, exchanges.

use std::time::Duration;

use hactl_proto::health::{ComponentHealth, HealthDigest};
use hactl_proto::member::MemberState;

use crate::world::{World, seconds};

fn digest(findings: &[&str], disk: u8) -> HealthDigest {
    HealthDigest {
        findings: findings.iter().map(ToString::to_string).collect(),
        kubelet: ComponentHealth::Healthy,
        agent_version: "0.1.0".into(),
        disk_used_percent: Some(disk),
        ..HealthDigest::default()
    }
}

fn publish(world: &mut World, index: usize, digest: HealthDigest) {
    let now = world.time(index);
    world.core(index).publish(digest, now);
    world.drain(index);
}

fn all_see(world: &World, of: usize, seen: impl Fn(&HealthDigest) -> bool) -> bool {
    world.running().into_iter().all(|observer| {
        let view = world.view(observer, of);
        view.and_then(|view| view.health)
            .is_some_and(|health| seen(&health))
    })
}

#[test]
fn a_joiner_knows_all_after_one_exchange() {
    let mut world = World::settled(40, 5);
    for index in 0..40 {
        publish(&mut world, index, digest(&[], 1));
    }
    world.run(seconds(90));
    world.stop(39);
    world.run(seconds(120));
    world.exchanges = false;
    world.start(39);
    let end = world.now + seconds(5);
    assert!(world.run_until(end, |world| {
        let core = world.nodes[39].core.as_ref().unwrap();
        !core.living().is_empty()
    }));
    assert!(!world.core(39).status().synced);
    world.exchange(39);
    assert!(world.core(39).status().synced);
    let members = world.core(39).members();
    assert_eq!(members.len(), 40);
    assert!(members.iter().all(|view| view.state == MemberState::Alive));
    let with_health = members.iter().filter(|view| view.health.is_some()).count();
    assert_eq!(with_health, 39, "all but the joiner itself have published");
    assert!(
        members
            .iter()
            .all(|view| !view.node.as_str().starts_with("unnamed"))
    );
}

#[test]
fn a_transition_is_in_all_views_within_seconds() {
    for seed in 0..10 {
        let mut world = World::settled(5, seed);
        publish(&mut world, 1, digest(&[], 1));
        world.run(seconds(60));
        publish(&mut world, 1, digest(&["swap-off"], 1));
        let end = world.now + seconds(3);
        let drifted = |world: &World| all_see(world, 1, |health| health.findings == ["swap-off"]);
        assert!(world.run_until(end, drifted), "seed {seed}");
    }
}

#[test]
fn transitions_in_a_row_are_held_together_and_the_last_one_arrives() {
    let mut world = World::settled(5, 1);
    let sent = |world: &World| world.sent_bytes.iter().sum::<u64>();
    let before = sent(&world);
    world.run(seconds(30));
    let idle = sent(&world) - before;
    for round in 0..300 {
        publish(&mut world, 2, digest(&[&format!("finding-{round}")], 1));
        world.run(Duration::from_millis(100));
    }
    let busy = sent(&world) - before - idle;
    world.run(seconds(5));
    assert!(all_see(&world, 2, |health| health.findings == ["finding-299"]));
    assert!(busy < 4 * idle, "{busy} bytes against {idle} when idle");
}

#[test]
fn a_measurement_arrives_by_exchange_alone() {
    let mut world = World::settled(5, 1);
    publish(&mut world, 2, digest(&[], 10));
    world.run(seconds(60));
    let backlog = world.core(2).status().records_backlog;
    publish(&mut world, 2, digest(&[], 60));
    assert_eq!(
        world.core(2).status().records_backlog,
        backlog,
        "not broadcast"
    );
    world.run(seconds(120));
    assert!(all_see(&world, 2, |health| health.disk_used_percent == Some(60)));
}

#[test]
fn records_lost_on_the_way_are_repaired_by_the_exchange() {
    let mut world = World::settled(5, 4);
    publish(&mut world, 0, digest(&[], 1));
    world.run(seconds(60));
    world.loss = 1.0;
    publish(&mut world, 0, digest(&["clock"], 1));
    world.run(Duration::from_millis(900));
    world.loss = 0.0;
    let end = world.now + seconds(70);
    let seen = |world: &World| all_see(world, 0, |health| health.findings == ["clock"]);
    assert!(world.run_until(end, seen), "{}", world.picture());
}

#[test]
fn two_nodes_in_agreement_exchange_hashes_only() {
    let mut world = World::settled(5, 6);
    world.run(seconds(120));
    let now = world.time(0);
    let question = world.core(0).compare();
    let answer = world.core(1).answer(&question, now).unwrap();
    assert!(
        question.len() < 140 && answer.len() < 10,
        "{}",
        answer.len()
    );
    assert_eq!(world.core(0).take_answer(&answer, now), Ok(None));
    let before = world.repaired;
    world.run(seconds(300));
    assert_eq!(world.repaired, before, "not even that: a hash by datagram");
}

#[test]
fn a_suspicion_is_not_told_by_an_exchange() {
    let mut world = World::settled(5, 8);
    world.exchanges = false;
    world.stop(4);
    let end = world.now + seconds(5);
    let suspected = |world: &World| world.state(0, 4) == Some(MemberState::Suspect);
    assert!(world.run_until(end, suspected));
    let now = world.time(0);
    let all = hactl_agent::membership::exchange::Exchange::Compare([1; 16]).encode();
    let told = world.core(0).answer(&all, now).unwrap();
    let message = hactl_agent::membership::exchange::Exchange::decode(&told);
    assert!(
        message.is_ok(),
        "a suspect in it would be refused: {message:?}"
    );
}

#[test]
fn idle_gossip_stays_below_one_and_a_half_kilobytes_a_second() {
    let mut world = World::settled(5, 9);
    for index in 0..5 {
        publish(&mut world, index, digest(&[], 1));
    }
    world.run(seconds(60));
    let before = world.sent_bytes.clone();
    world.run(seconds(600));
    let rates: Vec<u64> = world
        .sent_bytes
        .iter()
        .zip(before)
        .map(|(after, before)| (after - before) / 600)
        .collect();
    println!("bytes sent a second, IP and UDP headers included: {rates:?}");
    assert!(
        rates.iter().all(|rate| *rate < 750),
        "{rates:?}: sent and received below 1500"
    );
}
