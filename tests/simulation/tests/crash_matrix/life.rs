//! A life that is cut at a place, and the one after it.

use std::time::Duration;

use hactl_agent::operation::Operations;
use hactl_proto::report::Outcome;
use hactl_simulation::{Cut, SimulatedHost, World};

use crate::goal::check;
use crate::scenario::{Scenario, carry_out, may_upgrade};
use crate::support::{engine, life, name, world};

const CUTS: [Cut; 3] = [
    Cut::Kill,
    Cut::Power { lose: false },
    Cut::Power { lose: true },
];

/// What first boot does after each start: takes up what was under way, then gives the order until the goal is reached.
async fn pursue(world: &World, scenario: &Scenario) -> Result<(), String> {
    let engine = engine(world, scenario.node).await;
    if let Some(past) = engine.recover().await {
        let watch = engine
            .watch(&past.id)
            .ok_or("what was under way is not known")?;
        let named = watch
            .outcome()
            .await
            .ok_or("what was under way never ended")?;
        if let Outcome::Refused { findings } = named {
            return Err(format!("what was under way was refused: {findings:?}"));
        }
    }
    if let Some(open) = engine.past().unfinished().find(|one| {
        engine
            .status(&one.id)
            .is_none_or(|status| status.outcome.is_none())
    }) {
        return Err(format!("{} is neither finished nor named", open.id));
    }
    let mut last = None;
    for attempt in 0..3 {
        // Static pods that a boot brings up want their time.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let order = scenario.order.order(world, scenario.node).await;
        let number = engine.all().len();
        let outcome = carry_out(&engine, &format!("again-{number}-{attempt}"), order).await;
        if outcome == Outcome::Succeeded {
            return Ok(());
        }
        last = Some(outcome);
    }
    Err(format!("{last:?}"))
}

/// The world before the order.
fn prepared(scenario: &Scenario) -> World {
    let world = world();
    for (number, (node, kind)) in scenario.before.iter().enumerate() {
        life(&world, async {
            let order = kind.order(&world, node).await;
            may_upgrade(&world);
            let engine = engine(&world, node).await;
            assert_eq!(
                carry_out(&engine, &format!("before-{number}"), order).await,
                Outcome::Succeeded,
                "{node} {kind:?}"
            );
        });
    }
    for machine in world.state().machines.values_mut() {
        machine.tree.sync();
    }
    world
}

/// The first life: gives the place where it was cut, or nothing if the order came to its end.
fn first_life(world: &World, scenario: &Scenario, cut: Option<(u64, Cut)>) -> Option<String> {
    life(world, async {
        let order = scenario.order.order(world, scenario.node).await;
        let engine: Operations<SimulatedHost> = engine(world, scenario.node).await;
        let node = name(scenario.node);
        if let Some((place, cut)) = cut {
            world.arm(&node, place, cut);
        }
        tokio::select! {
            biased;
            () = world.cut_happened(&node) => {}
            outcome = carry_out(&engine, "first", order) => {
                assert_eq!(outcome, Outcome::Succeeded, "{}", scenario.node);
            }
        }
        let state = world.state();
        let crash = &state.machines[&node].crash;
        crash.fired.then(|| crash.place.clone())
    })
}

fn marked(world: &World, node: &str) -> bool {
    world.state().machines[&name(node)]
        .tree
        .exists("/var/lib/hactl/etcd-member.json")
}

pub(crate) fn matrix(scenario: &Scenario) {
    let start = prepared(scenario);
    let world = start.fork();
    assert_eq!(first_life(&world, scenario, None), None);
    let places = world.state().machines[&name(scenario.node)].crash.passed;
    assert!(places > 5, "{places} places are too few to be true");
    let mut wrong = Vec::new();
    for (turn, cut) in (0_u64..).zip(CUTS) {
        for place in 1..=places {
            // An upgrade has many places: each is cut in one of the three ways, in turn, unless all are asked for.
            let all = !scenario.order.upgrades() || std::env::var_os("HACTL_ALL_CUTS").is_some();
            if !all && (place + turn) % 3 != 0 {
                continue;
            }
            let world = start.fork();
            let Some(cut_at) = first_life(&world, scenario, Some((place, cut))) else {
                continue;
            };
            let marked_before = marked(&world, scenario.node);
            if let Cut::Power { lose } = cut {
                world.power_on(&name(scenario.node), lose);
            }
            let end = life(&world, pursue(&world, scenario))
                .and_then(|()| check(&world, scenario, marked_before));
            if let Err(reason) = end {
                wrong.push(format!("{cut:?} at place {place} ({cut_at}): {reason}"));
            }
        }
    }
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {} lives went wrong:\n{}",
        places * 3,
        wrong[..count.min(12)].join("\n")
    );
}
