//! Every plan cut at every place, before, during and after each effect: the next life reaches the goal, never by a second
//! cluster.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::time::Duration;

use hactl_agent::operation::Operations;
use hactl_proto::instruction::{Fence, Order};
use hactl_proto::report::Outcome;
use hactl_proto::rollout::{Drain, RolloutOrder, Upgrade, UpgradePart};
use hactl_simulation::{Cut, SimulatedHost, World};
use support::fleet::TARGET;
use support::{admit, engine, id, instruction, life, name, through, world};

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
    Stage,
    UpgradeFirst,
    UpgradeNode,
    Drain,
    Renew,
}

impl Kind {
    const fn upgrades(self) -> bool {
        matches!(
            self,
            Self::Stage | Self::UpgradeFirst | Self::UpgradeNode | Self::Renew
        )
    }

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
            Self::Stage => rollout(RolloutOrder::Stage { target: TARGET }),
            Self::UpgradeFirst | Self::UpgradeNode => rollout(RolloutOrder::Upgrade(Upgrade {
                target: TARGET,
                first: self == Self::UpgradeFirst,
                part: UpgradePart::Whole,
                keep_etcd: true,
            })),
            Self::Renew => rollout(RolloutOrder::RenewCertificates {
                renewal: id("renewal-1"),
                without_api: false,
            }),
            Self::Drain => rollout(RolloutOrder::Drain(Drain {
                node: name("w1"),
                limit_seconds: 60,
                unmanaged: false,
                local_data: true,
            })),
        }
    }
}

fn rollout(order: RolloutOrder) -> Order {
    Order::Rollout(order)
}

/// Submits under the lease's number, where the order wants one, and waits for the end.
async fn carry_out(engine: &Operations<SimulatedHost>, text: &str, order: Order) -> Outcome {
    let mut one = instruction(text, order);
    one.fence = matches!(one.order, Order::Rollout(_)).then_some(Fence(1));
    engine.submit(one).await.unwrap().outcome().await.unwrap()
}

/// v1.36.3 can be had, and a controller holds the lease for as long as it takes.
fn may_upgrade(world: &World) {
    let mut state = world.state();
    for machine in state.machines.values_mut() {
        machine.offered = vec!["v1.36.2".to_owned(), TARGET.to_string()];
    }
    for cluster in state.clusters.values_mut() {
        let lease = serde_json::json!({
            "kind": "Lease", "metadata": { "name": "hactl", "namespace": "kube-system", "resourceVersion": "1" },
            "spec": { "holderIdentity": "rollout/ann", "leaseTransitions": 1, "leaseDurationSeconds": 999_999,
                "renewTime": "2026-11-22T17:00:00.000000Z" },
        });
        cluster
            .objects
            .insert("lease/kube-system/hactl".to_owned(), lease);
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
    if matches!(scenario.order, Kind::UpgradeFirst | Kind::UpgradeNode) {
        let tag = TARGET.to_string();
        for version in [&machine.version, &machine.kubelet, &machine.kubectl] {
            ensure(*version == tag, "a package is not at the target")?;
        }
        let old = machine
            .pods
            .iter()
            .any(|(pod, at)| pod != "etcd" && *at != tag);
        ensure(!old, "a static pod is not at the target")?;
        let progress = machine.tree.text("/var/lib/hactl/upgrade/progress.json");
        ensure(
            progress.contains("\"finished\": true"),
            "the upgrade is not recorded as finished",
        )?;
    }
    if scenario.order == Kind::Renew {
        through::renewed(machine)?;
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

/// A cluster of three and one with all that v1.36.3 wants brought to the node.
const JOINED: [(&str, Kind); 4] = [
    ("cp1", Kind::Init),
    ("cp2", Kind::JoinControlPlane),
    ("cp3", Kind::JoinControlPlane),
    ("w1", Kind::JoinWorker),
];

#[test]
fn staging_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp2",
        before: &JOINED,
        order: Kind::Stage,
    });
}

#[test]
fn the_first_control_planes_upgrade_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp1",
        before: &[
            JOINED[0],
            JOINED[1],
            JOINED[2],
            JOINED[3],
            ("cp1", Kind::Stage),
        ],
        order: Kind::UpgradeFirst,
    });
}

#[test]
fn another_control_planes_upgrade_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp2",
        before: &[
            JOINED[0],
            JOINED[1],
            JOINED[2],
            JOINED[3],
            ("cp1", Kind::Stage),
            ("cp1", Kind::UpgradeFirst),
            ("cp2", Kind::Stage),
        ],
        order: Kind::UpgradeNode,
    });
}

#[test]
fn a_workers_upgrade_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "w1",
        before: &[
            JOINED[0],
            JOINED[1],
            JOINED[2],
            JOINED[3],
            ("cp1", Kind::Stage),
            ("cp1", Kind::UpgradeFirst),
            ("w1", Kind::Stage),
            ("cp1", Kind::Drain),
        ],
        order: Kind::UpgradeNode,
    });
}

#[test]
fn a_drain_is_finished_wherever_its_control_plane_is_cut() {
    matrix(&Scenario {
        node: "cp1",
        before: &JOINED,
        order: Kind::Drain,
    });
}

#[test]
fn a_renewal_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp2",
        before: &JOINED,
        order: Kind::Renew,
    });
}
