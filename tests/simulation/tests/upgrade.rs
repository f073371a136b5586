//! Rolling upgrades of a simulated cluster: agents, plans and the controller's loop are the real ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    reason = "all of this is test code"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use hactl_controller::rollout::{DriveError, End, drive, newest, put, wish};
use hactl_proto::Timestamp;
use hactl_proto::report::Outcome;
use hactl_proto::rollout::RolloutWish;
use hactl_proto::spec::upgrade::{Day, Window};
use hactl_proto::version::KubernetesVersion;
use hactl_simulation::etcd_of;
use support::fleet::*;
use support::through::{beside, check, heard, within};
use support::*;

#[test]
fn a_cluster_is_upgraded_node_by_node_and_planned_empty_after() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        let (tale, said) = tale(&world);
        let end = within(drive(&fleet, &record, &plan, 1, "ann", &tale))
            .await
            .unwrap();
        assert_eq!(end, End::Finished, "{:#?}", said.lock().unwrap());
        let again = fleet.plan(&request(TARGET), 2).await.unwrap();
        assert!(again.hops.is_empty(), "{again:?}");
        let kept = newest(&*fleet).await.unwrap().unwrap();
        assert_eq!(kept.wish, RolloutWish::Finished);
        // One at a time: no order's steps lie within another node's upgrade.
        let lines = tale.lines();
        let upgrades: Vec<&str> = lines
            .iter()
            .filter(|line| line.step == "kubeadm-upgrade")
            .map(|line| line.node.as_str())
            .collect();
        assert_eq!(upgrades, ["cp1", "cp2", "cp3", "w1"]);
        assert!(
            lines
                .iter()
                .all(|line| line.ended.is_some() && !line.failed)
        );
    });
    check(&world, &TARGET);
    let state = world.state();
    for keeper in ["cp3", "cp2"] {
        let tree = &state.machines[&name(keeper)].tree;
        assert!(tree.exists("/var/lib/hactl/snapshots"), "{keeper}");
    }
    assert_ne!(state.clusters.values().next().unwrap().leader, 0);
}

#[test]
fn another_etcd_comes_in_turns_of_its_own_and_who_leads_hands_that_over_first() {
    const OTHER: KubernetesVersion = KubernetesVersion::new(1, 36, 4);
    let world = cluster();
    for machine in world.state().machines.values_mut() {
        machine.offered.push(OTHER.to_string());
    }
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(OTHER).await;
        let (tale, said) = tale(&world);
        let end = within(drive(&fleet, &record, &plan, 1, "ann", &tale))
            .await
            .unwrap();
        assert_eq!(end, End::Finished, "{:#?}", said.lock().unwrap());
        let lines = tale.lines();
        let steps = |wanted: &str| -> Vec<String> {
            let of = lines.iter().filter(|line| line.step == wanted);
            of.map(|line| line.node.to_string()).collect()
        };
        let upgraded = ["cp1", "cp2", "cp3", "cp1", "cp2", "cp3", "w1"];
        assert_eq!(steps("kubeadm-upgrade"), upgraded);
        // It leads as the oldest; who it hands that to has to do so in its own turn.
        assert_eq!(steps("move-etcd-leader")[0], "cp1");
    });
    check(&world, &OTHER);
    let state = world.state();
    for node in ["cp1", "cp2", "cp3"] {
        let machine = &state.machines[&name(node)];
        assert_eq!(machine.pods["etcd"], etcd_of("v1.36.4"), "{node}");
        let manifest = machine.tree.text("/etc/kubernetes/manifests/etcd.yaml");
        assert!(
            manifest.contains("--initial-cluster-state=existing"),
            "{node}: {manifest}"
        );
    }
}

#[test]
fn no_node_is_begun_before_its_window_opens_and_packages_are_there_by_then() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let opens = world.state().now() + Duration::from_hours(1);
        let clock = |at: Timestamp| at.strftime("%H:%M").to_string();
        let mut wanted = request(TARGET);
        wanted.policy.windows = vec![Window {
            days: Day::ALL.into(),
            from: clock(opens).parse().unwrap(),
            to: clock(opens + Duration::from_hours(6)).parse().unwrap(),
            zone: "UTC".to_owned(),
        }];
        let plan = fleet.plan(&wanted, 1).await.unwrap();
        let record = record(&plan);
        put(&*fleet, &record).await.unwrap();
        let (tale, said) = tale(&world);
        let end = within(drive(&fleet, &record, &plan, 1, "ann", &tale))
            .await
            .unwrap();
        assert_eq!(end, End::Finished, "{:#?}", said.lock().unwrap());
        let at_window = |line: &String| line.starts_with("the window daily ");
        assert!(said.lock().unwrap().iter().any(at_window));
        // The window's hours have no seconds.
        let opens = opens - Duration::from_mins(1);
        for line in tale.lines() {
            let early = line.begun < opens;
            assert_eq!(early, line.order == "stage", "{line:?} before {opens}");
        }
    });
    check(&world, &TARGET);
}

#[test]
fn a_controller_killed_at_any_time_is_resumed_by_another() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        for (seconds, who) in [
            (3, "a"),
            (9, "b"),
            (40, "c"),
            (70, "d"),
            (95, "e"),
            (130, "f"),
        ] {
            let (tale, _) = tale(&world);
            let life = drive(&fleet, &record, &plan, 1, who, &tale);
            if let Ok(end) = tokio::time::timeout(Duration::from_secs(seconds + 30), life).await {
                assert_eq!(end.unwrap(), End::Finished);
                return;
            }
        }
        let (tale, said) = tale(&world);
        let end = within(drive(&fleet, &record, &plan, 1, "g", &tale))
            .await
            .unwrap();
        assert_eq!(end, End::Finished, "{:#?}", said.lock().unwrap());
    });
    check(&world, &TARGET);
}

#[test]
fn a_second_controller_is_told_who_holds_the_lease() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        let (tale, _) = tale(&world);
        let first = drive(&fleet, &record, &plan, 1, "ann", &tale);
        let second = async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            drive(&fleet, &record, &plan, 1, "bob", &tale).await
        };
        let (first, second) = within(async { tokio::join!(first, second) }).await;
        assert_eq!(first.unwrap(), End::Finished);
        assert!(
            matches!(&second, Err(DriveError::Held { by }) if by == "rollout/ann"),
            "{second:?}"
        );
    });
    check(&world, &TARGET);
}

#[test]
fn an_agent_killed_in_mid_kubeadm_upgrade_goes_on_with_it() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        let (tale, said) = tale(&world);
        let rollout = drive(&fleet, &record, &plan, 1, "ann", &tale);
        let killer = async {
            heard(&said, |line| line == "cp2 upgrade kubeadm-upgrade").await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            fleet.restart("cp2").await;
        };
        let end = beside(rollout, killer).await;
        assert_eq!(end.unwrap(), End::Finished, "{:#?}", said.lock().unwrap());
        let journal = world.state().machines[&name("cp2")]
            .tree
            .text("/var/lib/hactl/journal/journal");
        assert_eq!(
            journal.matches("\"step\":\"keep-aside\"").count(),
            2,
            "begun and finished once"
        );
    });
    check(&world, &TARGET);
}

#[test]
fn a_pause_takes_effect_after_the_node_under_way() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        let (tale, said) = tale(&world);
        let rollout = drive(&fleet, &record, &plan, 1, "ann", &tale);
        let operator = async {
            heard(&said, |line| line == "cp1 upgrade kubeadm-upgrade").await;
            wish(&*fleet, &record, RolloutWish::Paused, "bob", record.at)
                .await
                .unwrap();
        };
        let end = beside(rollout, operator).await;
        assert_eq!(end.unwrap(), End::Paused);
        let at = |node: &str| world.state().machines[&name(node)].kubelet.clone();
        assert_eq!(
            [at("cp1"), at("cp2"), at("w1")],
            ["v1.36.3", "v1.36.2", "v1.36.2"]
        );
    });
}

#[test]
fn targets_that_cannot_be_are_refused_and_nothing_is_changed() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        for (to, reason) in [
            (KubernetesVersion::new(1, 36, 1), "target-newer"),
            (KubernetesVersion::new(1, 36, 9), "packages-offered"),
            (
                KubernetesVersion::new(1, 38, 0),
                "hop-offered: no version of v1.37",
            ),
        ] {
            let refused = fleet.plan(&request(to.clone()), 1).await.unwrap_err();
            assert!(refused.contains(reason), "{to}: {refused}");
        }
        assert!(newest(&*fleet).await.unwrap().is_none());
    });
}

#[test]
fn a_worker_refuses_an_order_under_a_number_that_its_node_was_not_cordoned_under() {
    use hactl_proto::instruction::{Fence, Order};
    use hactl_proto::rollout::{RolloutOrder, Upgrade, UpgradePart};
    let world = cluster();
    life(&world, async {
        for (node, observed) in [
            ("w1", "was not cordoned"),
            ("cp2", "no lease kube-system/hactl"),
        ] {
            let engine = engine(&world, node).await;
            let mut late = instruction(
                "late",
                Order::Rollout(RolloutOrder::Upgrade(Upgrade {
                    target: TARGET,
                    first: false,
                    part: UpgradePart::Whole,
                    keep_etcd: true,
                })),
            );
            late.fence = Some(Fence(3));
            let outcome = engine.submit(late).await.unwrap().outcome().await.unwrap();
            let Outcome::Refused { findings } = outcome else {
                panic!("{outcome:?}");
            };
            let found = findings
                .iter()
                .find(|one| one.check == "lease-in-force")
                .unwrap();
            assert!(found.observed.contains(observed), "{}", found.observed);
            assert_eq!(world.state().machines[&name(node)].version, "v1.36.2");
        }
    });
}
