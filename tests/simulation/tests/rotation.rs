//! Rotations of CAs, driven as a controller drives them: to the end, back from anywhere, cut anywhere, and what refuses to begin. At every
//! effect all running processes understand each other; a process of the model refuses a certificate of a CA that it did not take up.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use hactl_controller::rotation::{End, Told, Wish, rotate};
use hactl_node_plan::certificate::trust::certificates;
use hactl_proto::report::Outcome;
use hactl_proto::rotation::{Authority, Fingerprint, RotationTurn, Stage};
use support::fleet::cluster;
use support::rotating::{CONTROL_PLANES, Fleet, alone, bundle, in_file, understood, watched};
use support::{life, name};

fn to_the_end(authority: Authority) {
    let world = cluster();
    let before = in_file(&world, "cp1", authority);
    let watcher = watched(&world);
    life(&world, async {
        let fleet = Fleet::start(&world).await;
        let end = fleet.run(authority, Wish::Forward).await;
        let End::Confirm { from, to, stage } = end else {
            panic!("{end:?}");
        };
        assert_eq!(from.as_str(), before[0]);
        for node in CONTROL_PLANES {
            let held = in_file(&world, node, authority);
            assert_eq!(held, [to.as_str(), from.as_str()], "{node}");
        }
        // Nobody says so: it stays where it can be turned back.
        let again = fleet.run(authority, Wish::Forward).await;
        assert_eq!(
            again,
            End::Confirm {
                stage,
                from,
                to: to.clone()
            }
        );
        assert_eq!(
            fleet.run(authority, Wish::Finish).await,
            End::Done(to.clone())
        );
        assert_eq!(fleet.run(authority, Wish::Finish).await, End::Done(to));
    });
    understood(&watcher);
    let after = in_file(&world, "cp1", authority);
    assert_ne!(before, after);
    alone(&world, authority, &after[0]);
    let keys: BTreeSet<String> = CONTROL_PLANES
        .iter()
        .map(|node| {
            let file = format!("/etc/kubernetes/pki/{}.key", bundle(authority));
            world.state().machines[&name(node)].tree.text(file)
        })
        .collect();
    assert_eq!(keys.len(), 1, "the control planes hold several keys");
}

#[test]
fn etcds_ca_is_rotated_to_the_end_and_everybody_understands_everybody() {
    to_the_end(Authority::Etcd);
}

#[test]
fn the_front_proxys_ca_is_rotated_to_the_end_and_everybody_understands_everybody() {
    to_the_end(Authority::FrontProxy);
}

#[test]
fn two_rotations_after_one_another_leave_nothing() {
    let world = cluster();
    let authority = Authority::Etcd;
    let mut known = BTreeSet::from([in_file(&world, "cp1", authority)]);
    life(&world, async {
        let fleet = Fleet::start(&world).await;
        for _ in 0..2 {
            // The second is made at once: which of two is the successor, their begin tells.
            let end = fleet.run(authority, Wish::Forward).await;
            assert!(matches!(end, End::Confirm { .. }), "{end:?}");
            let end = fleet.run(authority, Wish::Finish).await;
            assert!(matches!(end, End::Done(_)), "{end:?}");
            assert!(known.insert(in_file(&world, "cp1", authority)));
        }
    });
    alone(&world, authority, &in_file(&world, "cp1", authority)[0]);
}

/// What all of the above rests on: the model refuses.
#[test]
fn a_process_refuses_a_certificate_of_a_ca_that_it_did_not_take_up() {
    let world = cluster();
    let node = name("cp2");
    assert_eq!(world.state().misunderstood(), Vec::<String>::new());
    for (file, other, wanted) in [
        ("etcd/ca.crt", "front-proxy-ca.crt", "etcd of cp1 and cp2"),
        (
            "front-proxy-ca.crt",
            "etcd/ca.crt",
            "front proxy of cp1 at cp2",
        ),
    ] {
        let world = world.fork();
        life(&world, async {
            let path = |file: &str| format!("/etc/kubernetes/pki/{file}");
            {
                let mut state = world.state();
                let tree = &mut state.machines.get_mut(&node).unwrap().tree;
                let foreign = tree.text(path(other));
                tree.write_durably(path(file), foreign);
            }
            // It runs on with what it took up.
            assert_eq!(world.state().misunderstood(), Vec::<String>::new());
            world.power_off(&node);
            world.power_on(&node, false);
            tokio::time::sleep(Duration::from_mins(1)).await;
            let state = world.state();
            let wrong = state.misunderstood();
            assert!(wrong.iter().any(|one| one == wanted), "{wrong:?}");
            let serves = state.served_by(&state.machines[&node]).is_some();
            assert_eq!(serves, file == "front-proxy-ca.crt");
        });
    }
}

#[test]
fn an_agent_refuses_stages_out_of_their_order() {
    let world = cluster();
    let authority = Authority::Etcd;
    let before = in_file(&world, "cp1", authority);
    life(&world, async {
        let fleet = Fleet::start(&world).await;
        let agent = &fleet.agents[&name("cp1")];
        let turn = |stage: Stage, to: Option<Fingerprint>| RotationTurn {
            authority,
            stage,
            to,
            fence: None,
            certificate: String::new(),
        };
        let made = agent.rotate(turn(Stage::Prepare, None)).await;
        assert_eq!(made, Outcome::Succeeded);
        let held = agent.trust(authority).await.holds;
        let to = held.into_iter().find(|one| one.as_str() != before[0]);
        let refused = async |node: &str, stage: Stage| {
            let agent = &fleet.agents[&name(node)];
            match agent.rotate(turn(stage, to.clone())).await {
                Outcome::Refused { findings } => findings
                    .into_iter()
                    .map(|finding| finding.check)
                    .collect::<BTreeSet<String>>(),
                other => panic!("{other:?}"),
            }
        };
        let has = |checks: BTreeSet<String>, check: &str| {
            assert!(checks.contains(check), "{check}: {checks:?}");
        };
        has(refused("cp1", Stage::Reissue).await, "rotation-believed");
        has(refused("cp1", Stage::Distrust).await, "rotation-presented");
        has(refused("cp2", Stage::Trust).await, "rotation-pair");
    });
    for node in CONTROL_PLANES {
        assert_eq!(in_file(&world, node, authority), before);
    }
}

/// A control plane whose turn it is gets the pair; nobody else does.
#[test]
fn a_pair_is_given_to_nobody_but_the_holder_of_the_lease() {
    let world = cluster();
    let authority = Authority::Etcd;
    life(&world, async {
        let fleet = Fleet::start(&world).await;
        let agent = &fleet.agents[&name("cp1")];
        let own = Fingerprint::new(&in_file(&world, "cp1", authority)[0]).unwrap();
        let (cp2, fence) = (name("cp2"), hactl_proto::instruction::Fence(1));
        for caller in ["cp2", "w1", "stranger"] {
            let given = agent.give_pair(&name(caller), authority, &own, fence).await;
            assert!(given.is_err(), "{caller}");
        }
        let lease = serde_json::json!({
            "kind": "Lease", "metadata": { "name": "hactl", "namespace": "kube-system", "resourceVersion": "1" },
            "spec": { "holderIdentity": hactl_node_plan::rollout::lease::holder("renewal-cp2"),
                "leaseTransitions": 1, "leaseDurationSeconds": 20, "renewTime": "2026-11-22T17:00:00.000000Z" },
        });
        for cluster in world.state().clusters.values_mut() {
            let key = "lease/kube-system/hactl".to_owned();
            cluster.objects.insert(key, lease.clone());
        }
        let (certificate, key) = agent.give_pair(&cp2, authority, &own, fence).await.unwrap();
        assert_eq!(
            certificates(certificate.as_bytes()).unwrap()[0].sha256,
            own.as_str()
        );
        assert!(key.expose().contains("PRIVATE KEY") && !format!("{key:?}").contains("PRIVATE"));
        let stale = hactl_proto::instruction::Fence(2);
        agent
            .give_pair(&cp2, authority, &own, stale)
            .await
            .unwrap_err();
        agent
            .give_pair(&name("cp3"), authority, &own, fence)
            .await
            .unwrap_err();
        let other = Fingerprint::new(&"0".repeat(64)).unwrap();
        agent
            .give_pair(&cp2, authority, &other, fence)
            .await
            .unwrap_err();
    });
}

#[test]
fn a_machine_that_does_not_answer_refuses_to_begin() {
    let world = cluster();
    let before = in_file(&world, "cp1", Authority::Etcd);
    life(&world, async {
        let fleet = Fleet::start(&world).await;
        world.power_off(&name("cp3"));
        let end = fleet.run(Authority::Etcd, Wish::Forward).await;
        let End::Refused(findings) = end else {
            panic!("{end:?}");
        };
        assert!(
            findings
                .iter()
                .any(|one| one.observed == "cp3 does not answer")
        );
        world.power_on(&name("cp3"), false);
        tokio::time::sleep(Duration::from_mins(1)).await;
    });
    for node in CONTROL_PLANES {
        assert_eq!(in_file(&world, node, Authority::Etcd), before);
    }
}

#[test]
fn it_goes_back_from_every_stage() {
    let start = cluster();
    let authority = Authority::Etcd;
    let before = in_file(&start, "cp1", authority);
    // So many turns are given before the operator changes her mind: three each stage.
    for turns in [1_usize, 2, 4, 5, 7, 8, 9] {
        let world = start.fork();
        let watcher = watched(&world);
        life(&world, async {
            let fleet = Fleet::start(&world).await;
            let given = Mutex::new(0);
            let (stop, stopped) = tokio::sync::watch::channel(false);
            let tell = |told: Told<'_>| {
                if matches!(told, Told::Turn(..)) {
                    let mut given = given.lock().unwrap();
                    *given += 1;
                    if *given > turns {
                        stop.send_replace(true);
                    }
                }
            };
            let now = || world.state().now();
            let mut until = stopped.clone();
            tokio::select! {
                biased;
                _ = until.wait_for(|stop| *stop) => {}
                end = rotate(&fleet, authority, Wish::Forward, now, tell) => {
                    assert!(matches!(end, End::Confirm { .. }), "{end:?}");
                }
            }
            let end = fleet.run(authority, Wish::Back).await;
            assert!(matches!(end, End::Done(_)), "{turns}: {end:?}");
        });
        understood(&watcher);
        assert_eq!(in_file(&world, "cp1", authority), before, "{turns}");
        alone(&world, authority, &before[0]);
    }
}
