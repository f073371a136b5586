//! Nodes that go away, fail, or may not be touched: refused before, waited for during.

use std::sync::Arc;
use std::time::Duration;

use hactl_controller::rollout::{End, drive, newest, wish};
use hactl_node_plan::command::Output;
use hactl_proto::report::Outcome;
use hactl_proto::rollout::RolloutWish;
use hactl_simulation::{ProgramModel, World};
use serde_json::json;

use crate::released;
use crate::support::fleet::*;
use crate::support::through::{beside, check, heard, within};
use crate::support::*;

#[test]
fn a_control_plane_without_power_is_refused_before_and_waited_for_during() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        world.power_off(&name("cp3"));
        let refused = fleet.plan(&request(TARGET), 1).await.unwrap_err();
        assert!(refused.contains("no word from cp3"), "{refused}");
        world.power_on(&name("cp3"), false);
        fleet.restart("cp3").await;
        tokio::time::sleep(Duration::from_secs(20)).await;

        let (record, plan) = fleet.begin(TARGET).await;
        let (tale, said) = tale(&world);
        let rollout = drive(&fleet, &record, &plan, 1, "ann", &tale);
        let power = async {
            heard(&said, |line| line.starts_with("cp1 upgrade Succeeded")).await;
            world.power_off(&name("cp3"));
            tokio::time::sleep(Duration::from_mins(5)).await;
            {
                let state = world.state();
                let at = |node: &str| state.machines[&name(node)].kubelet.clone();
                assert_eq!(
                    [at("cp1"), at("cp2")],
                    ["v1.36.3", "v1.36.2"],
                    "it went on without cp3"
                );
            }
            world.power_on(&name("cp3"), false);
            fleet.restart("cp3").await;
        };
        let end = beside(rollout, power).await;
        assert_eq!(end.unwrap(), End::Finished, "{:#?}", said.lock().unwrap());
        let said = said.lock().unwrap();
        assert!(
            said.iter()
                .any(|line| line.contains("cp3") && line.contains("refused")),
            "{said:#?}"
        );
    });
    check(&world, &TARGET);
}

#[test]
fn a_node_that_lost_what_it_knew_of_the_targets_etcd_is_asked_again() {
    const STAGED: &str = "/var/lib/hactl/upgrade/staged.json";
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        let (tale, said) = tale(&world);
        let rollout = drive(&fleet, &record, &plan, 1, "ann", &tale);
        let thief = async {
            heard(&said, |line| line.starts_with("cp3 upgrade Succeeded")).await;
            let mut state = world.state();
            let tree = &mut state.machines.get_mut(&name("cp2")).unwrap().tree;
            assert!(tree.text(STAGED).contains("3.5.30-0"));
            tree.write(STAGED, r#"{"target":"v1.36.3","etcd":null}"#);
        };
        let end = beside(rollout, thief).await;
        assert_eq!(end.unwrap(), End::Finished, "{:#?}", said.lock().unwrap());
        let told = |line: &&String| *line == "cp2 stage fetch-images";
        assert_eq!(said.lock().unwrap().iter().filter(told).count(), 2);
        let kept = world.state().machines[&name("cp2")].tree.text(STAGED);
        assert!(kept.contains("3.5.30-0"), "{kept}");
    });
    check(&world, &TARGET);
}

#[test]
fn a_worker_that_is_cut_off_while_it_is_upgraded_goes_on_when_it_is_back() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        let (tale, said) = tale(&world);
        let rollout = drive(&fleet, &record, &plan, 1, "ann", &tale);
        let cable = async {
            heard(&said, |line| line == "w1 upgrade install-kubeadm").await;
            let plugged = |is: bool| {
                let mut state = world.state();
                state.machines.get_mut(&name("w1")).unwrap().isolated = !is;
            };
            plugged(false);
            tokio::time::sleep(Duration::from_mins(1)).await;
            assert_eq!(world.state().machines[&name("w1")].kubelet, "v1.36.2");
            plugged(true);
        };
        let end = beside(rollout, cable).await;
        assert_eq!(end.unwrap(), End::Finished, "{:#?}", said.lock().unwrap());
        let awaited =
            |line: &String| line.starts_with("w1 upgrade waits") && line.contains("was refused");
        assert!(said.lock().unwrap().iter().any(awaited), "{said:#?}");
    });
    check(&world, &TARGET);
}

fn put_budget(world: &World, there: bool) {
    let mut state = world.state();
    let cluster = state.clusters.values_mut().next().unwrap();
    let key = "poddisruptionbudget/shop/web".to_owned();
    if !there {
        cluster.objects.remove(&key);
        return;
    }
    cluster.objects.insert(
        key,
        json!({ "metadata": { "namespace": "shop", "name": "web" },
            "spec": { "selector": { "matchLabels": { "app": "web" } } }, "status": { "disruptionsAllowed": 0 } }),
    );
    cluster.objects.insert(
        "pod/shop/web-1".to_owned(),
        json!({ "metadata": { "namespace": "shop", "name": "web-1", "labels": { "app": "web" },
                "ownerReferences": [{ "kind": "ReplicaSet", "name": "web-5d", "controller": true }] },
            "spec": { "nodeName": "w1" }, "status": { "phase": "Running" } }),
    );
}

#[test]
fn a_budget_that_allows_nothing_is_refused_before_and_named_during() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        put_budget(&world, true);
        let refused = fleet.plan(&request(TARGET), 1).await.unwrap_err();
        assert!(
            refused.contains("PodDisruptionBudget shop/web of ReplicaSet/web-5d allows no disruption: web-1 on w1"),
            "{refused}"
        );
        put_budget(&world, false);
        let (record, mut plan) = fleet.begin(TARGET).await;
        plan.policy.drain_limit_seconds = 30;
        put_budget(&world, true);
        let (tale, said) = tale(&world);
        let rollout = drive(&fleet, &record, &plan, 1, "ann", &tale);
        let owner = async {
            heard(&said, |line| line.contains("the node is schedulable again")).await;
            {
                let state = world.state();
                let cluster = state.clusters.values().next().unwrap();
                assert!(cluster.objects["node//w1"]["spec"]["unschedulable"].is_null());
                assert!(
                    cluster.objects.contains_key("pod/shop/web-1"),
                    "it was taken by force"
                );
            }
            put_budget(&world, false);
        };
        let end = beside(rollout, owner).await;
        assert_eq!(end.unwrap(), End::Finished, "{:#?}", said.lock().unwrap());
        let said = said.lock().unwrap();
        assert!(
            said.iter()
                .any(|line| line
                    .contains("shop/web of ReplicaSet/web-5d allows no disruption: web-1")),
            "{said:#?}"
        );
    });
    check(&world, &TARGET);
}

/// A pair of another CA beside the one that signs, as a rotation has it from its first stage to its last.
fn put_successor(world: &World, node: &str, there: bool) {
    let mut state = world.state();
    let tree = &mut state.machines.get_mut(&name(node)).unwrap().tree;
    let folder = "/var/lib/hactl/certificates/authorities/etcd";
    for end in ["crt", "key"] {
        let file = format!("{folder}/successor.{end}");
        if there {
            let other = tree.text(format!("/etc/kubernetes/pki/front-proxy-ca.{end}"));
            tree.write_durably(file, other);
        } else {
            tree.remove(file);
        }
    }
}

#[test]
fn a_rotation_of_a_ca_is_refused_before_and_waited_for_during() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        put_successor(&world, "cp2", true);
        let refused = fleet.plan(&request(TARGET), 1).await.unwrap_err();
        assert_eq!(refused, "cp2 authority-rotating: two CAs of etcd lie here");
        put_successor(&world, "cp2", false);
        let (record, plan) = fleet.begin(TARGET).await;
        let (tale, said) = tale(&world);
        let rollout = drive(&fleet, &record, &plan, 1, "ann", &tale);
        let rotation = async {
            heard(&said, |line| line.starts_with("cp1 upgrade Succeeded")).await;
            put_successor(&world, "cp2", true);
            heard(&said, |line| {
                line.contains("the rotation of the CA etcd to end: two lie on cp2")
            })
            .await;
            assert!(!released(&world, "cp2"));
            assert_eq!(world.state().machines[&name("cp2")].kubelet, "v1.36.2");
            put_successor(&world, "cp2", false);
        };
        let end = beside(rollout, rotation).await;
        assert_eq!(end.unwrap(), End::Finished, "{:#?}", said.lock().unwrap());
    });
    check(&world, &TARGET);
}

#[test]
fn a_node_that_fails_is_put_back_and_the_rollout_stops_and_can_go_on() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        // The target's kubelet does not start; the API goes on.
        let fails =
            |_: &mut hactl_simulation::Machine, _: &hactl_node_plan::command::Command| Output {
                status: Some(1),
                stdout: String::new(),
                stderr: "apt-mark: cannot lock\n".to_owned(),
            };
        let (told, said) = tale(&world);
        let rollout = drive(&fleet, &record, &plan, 1, "ann", &told);
        let saboteur = async {
            heard(&said, |line| line == "cp2 upgrade kubeadm-upgrade").await;
            world.program("apt-mark", ProgramModel::new(fails));
            heard(&said, |line| line == "cp2 upgrade restore-packages").await;
            let works = |_: &mut _, _: &_| Output {
                status: Some(0),
                ..Output::default()
            };
            world.program("apt-mark", ProgramModel::new(works));
        };
        let end = beside(rollout, saboteur).await;
        let End::Stopped { node, outcome } = end.unwrap() else {
            panic!("it did not stop");
        };
        let Outcome::Failed { step, error, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((node.as_str(), step.as_str()), ("cp2", "install-kubelet"));
        assert!(
            error.contains("the node was put back as it was, and is well"),
            "{error}"
        );
        assert_eq!(world.state().machines[&name("cp2")].kubelet, "v1.36.2");
        let kept = newest(&*fleet).await.unwrap().unwrap();
        assert_eq!(kept.wish, RolloutWish::Paused);
        let open = wish(&*fleet, &kept, RolloutWish::Running, "ann", kept.at)
            .await
            .unwrap();
        let (tale, said) = tale(&world);
        let end = within(drive(&fleet, &open, &plan, 1, "ann", &tale))
            .await
            .unwrap();
        assert_eq!(end, End::Finished, "{:#?}", said.lock().unwrap());
    });
    check(&world, &TARGET);
}
