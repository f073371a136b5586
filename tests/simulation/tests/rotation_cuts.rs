//! Rotations of CAs cut anywhere: the agent is killed, or its machine loses its power, at places of the whole rotation; what follows comes to the
//! end, or back, and at every effect all running processes understand each other.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::time::Duration;

use hactl_controller::rotation::{End, Wish};
use hactl_proto::rotation::Authority;
use hactl_simulation::{Cut, World};
use support::fleet::cluster;
use support::rotating::{CONTROL_PLANES, Fleet, alone, in_file, watched};
use support::{life, name};

/// Which rotation is cut on whose machine, and how it ends.
struct Cutting {
    authority: Authority,
    node: &'static str,
    /// What the operator wants, one after another, while it is cut.
    first: [Wish; 2],
    /// The same after it.
    then: [Wish; 2],
    every: usize,
}

/// Cuts one agent's life at every so many places of the whole rotation; the next run goes on to the end.
fn cut_everywhere(cutting: &Cutting) {
    let authority = cutting.authority;
    let start = cluster();
    let before = in_file(&start, "cp1", authority);
    let victim = name(cutting.node);
    let whole = start.fork();
    life(&whole, async {
        let fleet = Fleet::start(&whole).await;
        for wish in cutting.first {
            fleet.run(authority, wish).await;
        }
    });
    let places = whole.state().machines[&victim].crash.passed;
    assert!(places > 100, "{places} places are too few to be true");
    let cuts = [
        Cut::Kill,
        Cut::Power { lose: false },
        Cut::Power { lose: true },
    ];
    let all = std::env::var_os("HACTL_ALL_CUTS").is_some();
    let every = if all { 1 } else { cutting.every };
    for (turn, place) in (1..=places).step_by(every).enumerate() {
        let cut = cuts[turn % cuts.len()];
        let world = start.fork();
        let watcher = watched(&world);
        life(&world, async {
            let fleet = Fleet::start(&world).await;
            world.arm(&victim, place, cut);
            tokio::select! {
                biased;
                () = world.cut_happened(&victim) => {}
                () = async {
                    for wish in cutting.first {
                        fleet.run(authority, wish).await;
                    }
                } => {}
            }
        });
        if let Cut::Power { lose } = cut {
            world.power_on(&victim, lose);
        }
        life(&world, taken_up(&world, cutting, &before));
        let seen = watcher.lock().unwrap().wrong.clone();
        assert_eq!(seen, None, "{cut:?} at {place}");
        let after = in_file(&world, "cp1", authority);
        let back = cutting.then.contains(&Wish::Back);
        assert_eq!(after == before, back, "{cut:?} at {place}");
        alone(&world, authority, &after[0]);
    }
}

/// What was under way is taken up by the agent itself, the turn that it left is ended within minutes; then the operator goes on.
async fn taken_up(world: &World, cutting: &Cutting, before: &[String]) {
    let fleet = Fleet::start(world).await;
    let watching: Vec<_> = fleet
        .agents
        .values()
        .map(|agent| tokio::spawn(hactl_agent::renewal::watch(agent.clone(), || true)))
        .collect();
    tokio::time::sleep(Duration::from_mins(20)).await;
    for wish in cutting.then {
        // A rotation that was through is begun by nobody again.
        if wish == Wish::Forward && through_already(world, cutting.authority, before) {
            continue;
        }
        let end = fleet.run(cutting.authority, wish).await;
        assert!(matches!(end, End::Confirm { .. } | End::Done(_)), "{end:?}");
    }
    tokio::time::sleep(Duration::from_mins(5)).await;
    watching.iter().for_each(tokio::task::JoinHandle::abort);
}

fn through_already(world: &World, authority: Authority, before: &[String]) -> bool {
    CONTROL_PLANES.iter().all(|node| {
        let now = in_file(world, node, authority);
        let aside = format!("/var/lib/hactl/certificates/authorities/{authority}");
        now.len() == 1 && now != before && !world.state().machines[&name(node)].tree.exists(aside)
    })
}

const TO_THE_END: [Wish; 2] = [Wish::Forward, Wish::Finish];

#[test]
fn a_rotation_of_etcds_ca_is_finished_wherever_its_second_control_plane_is_cut() {
    cut_everywhere(&Cutting {
        authority: Authority::Etcd,
        node: "cp2",
        first: TO_THE_END,
        then: TO_THE_END,
        every: 197,
    });
}

#[test]
fn a_rotation_of_the_front_proxys_ca_is_finished_wherever_its_first_control_plane_is_cut() {
    cut_everywhere(&Cutting {
        authority: Authority::FrontProxy,
        node: "cp1",
        first: TO_THE_END,
        then: TO_THE_END,
        every: 251,
    });
}

#[test]
fn a_rotation_that_is_turned_back_goes_back_wherever_its_third_control_plane_is_cut() {
    cut_everywhere(&Cutting {
        authority: Authority::Etcd,
        node: "cp3",
        first: [Wish::Forward, Wish::Back],
        then: [Wish::Back, Wish::Back],
        every: 197,
    });
}
