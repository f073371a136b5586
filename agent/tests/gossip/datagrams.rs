//! Bad datagrams against a running cluster, and key rotation.

use foca::{Header, Message};
use hactl_agent::membership::codec;
use hactl_agent::membership::core::Seed;
use hactl_agent::membership::identity::MemberId;
use hactl_agent::membership::seal::{Epoch, Rejection, Sealer};
use hactl_agent::membership::table::Change;
use hactl_proto::member::MemberState;

use crate::world::{KEY, NEXT_KEY, World, name, ring, seconds};

#[test]
fn repeated_datagrams_are_counted_and_change_nothing() {
    let mut world = World::settled(5, 11);
    world.repeat = 0.5;
    world.run(seconds(120));
    world.assert_all_alive();
    assert_eq!(world.events, []);
    let rejected = world.core(0).status().counters.rejected;
    assert!(rejected.replayed > 100, "{rejected:?}");
    assert_eq!(rejected.foreign + rejected.garbage + rejected.malformed, 0);
}

#[test]
fn garbage_and_foreign_datagrams_are_counted_and_not_answered() {
    let mut world = World::settled(3, 12);
    let mut foreign = World::new(3, 1);
    foreign.start_with(0, ring(&[(1, NEXT_KEY)]));
    let now = foreign.time(0);
    foreign.core(0).advance(now);
    let (_, sealed) = foreign.core(0).poll_datagram().unwrap();
    let now = world.time(0);
    let core = world.core(0);
    let sent = core.status().counters.datagrams_sent;
    assert_eq!(core.receive(&sealed, now), Err(Rejection::Foreign));
    assert_eq!(core.receive(&sealed[..30], now), Err(Rejection::Garbage));
    assert_eq!(core.receive(b"hello", now), Err(Rejection::Garbage));
    assert_eq!(core.receive(&[1; 1353], now), Err(Rejection::Oversize));
    assert_eq!(core.receive(&[1; 200], now), Err(Rejection::Foreign));
    assert_eq!(
        core.receive(&[&[1, 9], &[0; 100][..]].concat(), now),
        Err(Rejection::UnknownKey(9))
    );
    assert_eq!(core.poll_datagram(), None);
    let counters = core.status().counters;
    assert_eq!(counters.datagrams_sent, sent);
    let rejected = counters.rejected;
    assert_eq!((rejected.foreign, rejected.garbage), (2, 2));
    assert_eq!((rejected.oversize, rejected.unknown_key), (1, 1));
}

#[test]
fn a_foreign_cluster_on_the_same_network_stays_out() {
    let mut world = World::new(5, 13);
    for index in 0..4 {
        world.start(index);
    }
    world.start_with(4, ring(&[(1, NEXT_KEY)]));
    world.run(seconds(60));
    assert_eq!(world.state(0, 4), None);
    assert_eq!(world.state(4, 0), None);
    assert!(world.core(0).status().counters.rejected.foreign > 0);
}

#[test]
fn keys_rotate_under_way_without_a_suspicion() {
    let mut world = World::settled(5, 14);
    let stages: [&[(u8, &str)]; 3] = [
        &[(1, KEY), (2, NEXT_KEY)],
        &[(2, NEXT_KEY), (1, KEY)],
        &[(2, NEXT_KEY)],
    ];
    for keys in stages {
        for index in 0..5 {
            world.core(index).rotate(ring(keys)).unwrap();
            world.run(seconds(5));
        }
    }
    world.run(seconds(60));
    world.assert_all_alive();
    assert_eq!(world.events, []);
    assert_eq!(world.core(0).status().key_ids, [2]);
    let rejected = world.core(0).status().counters.rejected;
    assert_eq!((rejected.unknown_key, rejected.foreign), (0, 0));
}

#[test]
fn an_earlier_boots_datagrams_do_not_revive_it() {
    let mut world = World::settled(3, 15);
    let now = world.time(2);
    world.core(2).leave(now);
    let last: Vec<_> = std::iter::from_fn(|| world.core(2).poll_datagram()).collect();
    assert!(!last.is_empty());
    world.stop(2);
    world.start(2);
    world.run(seconds(10));
    world.events.clear();
    for (_, datagram) in last {
        for index in [0, 1] {
            world.inject(index, datagram.clone());
        }
    }
    world.run(seconds(10));
    world.assert_all_alive();
    assert_eq!(world.count(Change::Down), 0);
    let superseded = world.core(0).status().counters.rejected.superseded;
    assert!(superseded > 0);
}

#[test]
fn another_agent_under_our_name_is_seen() {
    let mut world = World::settled(3, 16);
    let mut twin = World::new(3, 2);
    twin.nodes[0].boot = 8;
    twin.start(0);
    twin.now = world.now;
    let now = twin.time(0);
    twin.core(0).advance(now);
    let (_, datagram) = twin.core(0).poll_datagram().unwrap();
    let now = world.time(0);
    assert_eq!(
        world.core(0).receive(&datagram, now),
        Err(Rejection::Namesake)
    );
    assert_eq!(world.core(0).status().counters.rejected.namesake, 1);
}

#[test]
fn the_older_of_two_agents_of_one_name_learns_of_the_other() {
    let mut world = World::settled(4, 18);
    let address = world.nodes[3].seed.address;
    world.nodes[3].seed = world.nodes[0].seed.clone();
    world.nodes[3].seed.address = address;
    world.nodes[3].boot = 8;
    world.stop(3);
    world.start(3);
    world.run(seconds(60));
    assert!(world.core(0).status().counters.outranked > 0);
    assert!(world.core(0).take_outranked());
    assert_eq!(world.core(3).status().counters.outranked, 0);
    let seen = world.core(1).members();
    let seen = seen.iter().find(|view| view.node == name(0)).unwrap();
    assert_eq!((seen.boot_epoch, seen.address), (9, address));
}

#[test]
fn a_declared_node_that_is_kept_out_for_its_clock_is_named_with_its_offset() {
    let mut world = World::new(3, 19);
    world.nodes[2].wall_ms = -300_000;
    for index in 0..3 {
        world.start(index);
    }
    world.run(seconds(30));
    assert_eq!(world.state(0, 2), None);
    assert!(world.core(0).status().counters.rejected.stale > 0);
    let offsets = world.core(0).clock_offsets();
    let (_, offset) = offsets.iter().find(|(node, _)| *node == name(2)).unwrap();
    assert!((*offset + 300_000).abs() < 10, "{offset}");
}

#[test]
fn members_over_the_limit_are_refused() {
    let mut world = World::new(12, 17);
    world.member_limit = 8;
    for index in 0..12 {
        world.start(index);
    }
    world.run(seconds(30));
    let status = world.core(0).status();
    assert!(status.known <= 9, "{status:?}");
    assert!(status.counters.rejected.crowded > 0);
    assert_eq!(world.state(0, 0), Some(MemberState::Alive));
}

#[test]
fn a_later_versions_message_is_a_sign_of_life_and_no_more() {
    let mut world = World::settled(3, 14);
    let id = |seed: &Seed, boot| MemberId {
        boot,
        ..MemberId::seed(&seed.node, &seed.zone, seed.role, seed.address)
    };
    let boot = world.nodes[1].boot;
    let (src, dst) = (
        id(&world.nodes[1].seed, boot),
        id(&world.nodes[0].seed, boot),
    );
    let header = Header {
        src,
        src_incarnation: 0,
        dst,
        message: Message::Gossip,
    };
    let mut payload = codec::states(&header, 7);
    let tag = payload.len() - 9;
    assert_eq!(payload[tag], 12);
    payload[tag] = 200;
    // A higher salt: the epoch of a start that the node has not seen yet, so that the counter is new too.
    let epoch = Epoch {
        boot,
        salt: u32::MAX,
    };
    let mut sealer = Sealer::new(&ring(&[(1, KEY)]), src.node, epoch).unwrap();
    let now = world.time(0);
    let datagram = sealer.seal(&payload, now).unwrap();
    let before = world.core(0).members();
    assert_eq!(world.core(0).receive(&datagram, now), Ok(()));
    assert_eq!(world.core(0).members(), before);
    assert_eq!(world.core(0).poll_repair(), None);
    let cut = sealer
        .seal(&codec::states(&header, 7)[..tag + 5], now)
        .unwrap();
    assert_eq!(world.core(0).receive(&cut, now), Err(Rejection::Malformed));
}
