//! Every plan cut at every place, before, during and after each effect: the next life reaches the goal, never by a second
//! cluster.

mod support;

use std::time::Duration;

use hactl_agent::operation::Operations;
use hactl_proto::instruction::Order;
use hactl_proto::report::Outcome;
use hactl_simulation::{Cut, SimulatedHost, World};
use support::*;

const CUTS: [Cut; 3] = [
    Cut::Kill,
    Cut::Power { lose: false },
    Cut::Power { lose: true },
];

/// A plan to cut: on which node, what was there before, and which order it is.
struct Scenario {
    node: &'static str,
    before: &'static [(&'static str, Kind)],
    order: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Prepare,
    Init,
    JoinControlPlane,
    JoinWorker,
    Clean,
}

impl Kind {
    async fn order(self, world: &World, node: &str) -> Order {
        match self {
            Self::Prepare => Order::Prepare,
            Self::Init => Order::Init,
            Self::JoinControlPlane => Order::JoinControlPlane(admit(world, node).await),
            Self::JoinWorker => Order::JoinWorker(admit(world, node).await),
            Self::Clean => {
                let mut state = world.state();
                let address = state.machines[&name(node)].address;
                for cluster in state.clusters.values_mut() {
                    cluster.members.retain(|member| member.address != address);
                }
                Order::Clean
            }
        }
    }
}

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
    for (node, kind) in scenario.before {
        life(&world, async {
            let order = kind.order(&world, node).await;
            let engine = engine(&world, node).await;
            assert_eq!(
                carry_out(&engine, "before", order).await,
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

/// What must hold at the end, wherever the cut was.
fn check(world: &World, scenario: &Scenario, marked_before: bool) -> Result<(), String> {
    let state = world.state();
    let machine = &state.machines[&name(scenario.node)];
    let ensure = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    ensure(
        !machine.tree.exists("/run/hactl/kubeadm.yaml"),
        "kubeadm's configuration was left",
    )?;
    if scenario.order == Kind::Init {
        ensure(
            state.inits.len() == 1 || !marked_before,
            "a second init after the member was complete",
        )?;
        let served = state.served_by(machine).ok_or("no API server serves")?;
        let tokens = served
            .of_kind("secret", "kube-system")
            .filter(|(name, _)| name.starts_with("bootstrap-token"));
        ensure(tokens.count() == 0, "init's token was left")?;
    } else {
        ensure(state.inits.len() <= 1, "a second cluster was made")?;
    }
    if matches!(scenario.order, Kind::JoinControlPlane) {
        let cluster = state.served_by(machine).ok_or("no API server serves")?;
        let ours = cluster
            .members
            .iter()
            .filter(|member| member.address == machine.address);
        ensure(ours.count() == 1, "the member is there more than once")?;
        ensure(
            cluster.members.iter().all(|member| !member.name.is_empty()),
            "a member never started",
        )?;
    }
    if scenario.order == Kind::Clean {
        ensure(
            !machine.tree.exists("/etc/kubernetes"),
            "something of Kubernetes was left",
        )?;
        ensure(!machine.runs("kubelet"), "the kubelet runs")?;
    }
    let journal = machine.tree.text("/var/lib/hactl/journal/journal");
    ensure(
        !journal.contains("000000000000"),
        "a token is in the journal",
    )?;
    ensure(!journal.contains("kkkkkkkk"), "a key is in the journal")
}

fn matrix(scenario: &Scenario) {
    let start = prepared(scenario);
    let world = start.fork();
    assert_eq!(first_life(&world, scenario, None), None);
    let places = world.state().machines[&name(scenario.node)].crash.passed;
    assert!(places > 5, "{places} places are too few to be true");
    let mut wrong = Vec::new();
    for cut in CUTS {
        for place in 1..=places {
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

#[test]
fn prepare_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp2",
        before: &[],
        order: Kind::Prepare,
    });
}

#[test]
fn init_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp1",
        before: &[],
        order: Kind::Init,
    });
}

#[test]
fn a_control_planes_join_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp3",
        before: &[("cp1", Kind::Init), ("cp2", Kind::JoinControlPlane)],
        order: Kind::JoinControlPlane,
    });
}

#[test]
fn a_workers_join_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "w1",
        before: &[("cp1", Kind::Init)],
        order: Kind::JoinWorker,
    });
}

#[test]
fn cleaning_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp3",
        before: &[
            ("cp1", Kind::Init),
            ("cp2", Kind::JoinControlPlane),
            ("cp3", Kind::JoinControlPlane),
        ],
        order: Kind::Clean,
    });
}
