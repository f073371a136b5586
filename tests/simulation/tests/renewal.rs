//! Renewals of whole control planes: by their own agents, under the lease, one after another; and what stands in their way.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use hactl_agent::renewal;
use hactl_proto::report::Outcome;
use hactl_simulation::{Cut, World};
use support::fleet::cluster;
use support::renewing::agents;
use support::{life, name, through};

const CONTROL_PLANES: [&str; 3] = ["cp1", "cp2", "cp3"];

/// Nobody is let go, and the lease is free.
fn at_rest(world: &World) {
    let state = world.state();
    for (name, machine) in &state.machines {
        assert!(
            machine.released.is_empty(),
            "{name} lets go of {:?}",
            machine.released
        );
    }
    let cluster = state.clusters.values().next().unwrap();
    let lease = &cluster.objects["lease/kube-system/hactl"];
    assert_eq!(lease["spec"]["holderIdentity"], "");
}

fn all_renewed(world: &World) {
    let state = world.state();
    for node in CONTROL_PLANES {
        through::renewed(&state.machines[&name(node)]).unwrap();
    }
}

#[test]
fn control_planes_that_begin_together_go_one_after_another() {
    let world = cluster();
    life(&world, async {
        let agents = agents(&world, &CONTROL_PLANES).await;
        let renew = |node: &str| agents[&name(node)].renew(false);
        let (one, two, three) = Box::pin(through::within(async {
            tokio::join!(renew("cp1"), renew("cp2"), renew("cp3"))
        }))
        .await;
        for outcome in [one, two, three] {
            assert_eq!(outcome, Outcome::Succeeded);
        }
    });
    all_renewed(&world);
    at_rest(&world);
}

#[test]
fn a_control_plane_whose_clock_is_ten_minutes_ahead_waits_for_its_turn_too() {
    for ahead in [600_000, -600_000] {
        let world = cluster();
        let mut state = world.state();
        state.machines.get_mut(&name("cp2")).unwrap().clock.ahead = ahead;
        drop(state);
        life(&world, async {
            let agents = agents(&world, &CONTROL_PLANES).await;
            let onlooker = world.clone();
            let watching = tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                loop {
                    let machines = onlooker.state().machines.clone();
                    let let_go: BTreeSet<String> = machines
                        .into_values()
                        .flat_map(|machine| machine.released)
                        .collect();
                    assert!(let_go.len() < 2, "two turns at once: {let_go:?}");
                    seen.extend(let_go);
                    if seen.len() == CONTROL_PLANES.len() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            });
            let renew = |node: &str| agents[&name(node)].renew(false);
            let outcomes = Box::pin(through::within(async {
                tokio::join!(renew("cp1"), renew("cp2"), renew("cp3"))
            }))
            .await;
            for outcome in [outcomes.0, outcomes.1, outcomes.2] {
                assert_eq!(outcome, Outcome::Succeeded);
            }
            through::within(watching).await.unwrap();
        });
        all_renewed(&world);
        at_rest(&world);
    }
}

/// A kubelet that has heard of no API since it started ends no pod whose manifest goes.
#[test]
fn without_an_api_every_process_begins_anew_though_the_kubelet_has_heard_of_none() {
    let world = cluster();
    for node in ["cp1", "cp2", "cp3", "w1"] {
        world.power_off(&name(node));
    }
    // Alone it has no quorum: its API server comes up for nobody.
    world.power_on(&name("cp1"), false);
    let began = |world: &World| world.state().machines[&name("cp1")].holds.clone();
    let before = began(&world);
    life(&world, async {
        let agents = agents(&world, &["cp1"]).await;
        let outcome = through::within(agents[&name("cp1")].renew(true)).await;
        assert_eq!(outcome, Outcome::Succeeded);
    });
    through::renewed(&world.state().machines[&name("cp1")]).unwrap();
    let after = began(&world);
    for component in [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    ] {
        assert_ne!(before[component], after[component], "{component}");
    }
}

#[test]
fn what_is_due_is_renewed_by_the_agents_alone_and_only_once() {
    let world = cluster();
    let start = world.clone();
    {
        // What init and joins signed lives ten minutes from now on; what is renewed lives a year.
        let mut state = start.state();
        state.certificate_seconds = 600;
    }
    life(&world, async {
        let agents = agents(&world, &CONTROL_PLANES).await;
        // Short ones first: a renewal on demand gives certificates of ten minutes.
        for node in CONTROL_PLANES {
            assert_eq!(agents[&name(node)].renew(false).await, Outcome::Succeeded);
        }
        world.state().certificate_seconds = 365 * 86_400;
        let short = world.state().machines[&name("cp2")]
            .tree
            .text("/etc/kubernetes/admin.conf");
        let watching: Vec<_> = agents
            .values()
            .map(|agent| tokio::spawn(renewal::watch(agent.clone(), || true)))
            .collect();
        tokio::time::sleep(Duration::from_mins(4)).await;
        let still = world.state().machines[&name("cp2")]
            .tree
            .text("/etc/kubernetes/admin.conf");
        assert_eq!(still, short, "renewed with most of its life left");
        tokio::time::sleep(Duration::from_mins(30)).await;
        let long = world.state().machines[&name("cp2")]
            .tree
            .text("/etc/kubernetes/admin.conf");
        assert_ne!(
            long, short,
            "not renewed when two thirds of its life were over"
        );
        tokio::time::sleep(Duration::from_hours(2)).await;
        let later = world.state().machines[&name("cp2")]
            .tree
            .text("/etc/kubernetes/admin.conf");
        assert_eq!(later, long, "renewed again a year before its end");
        watching.iter().for_each(tokio::task::JoinHandle::abort);
    });
    all_renewed(&world);
    at_rest(&world);
}

#[test]
fn a_renewal_that_kubeadm_only_claims_is_a_failure_that_names_the_serials() {
    let world = cluster();
    life(&world, async {
        let agents = agents(&world, &CONTROL_PLANES).await;
        world
            .state()
            .machines
            .get_mut(&name("cp2"))
            .unwrap()
            .renews_nothing = true;
        let outcome = agents[&name("cp2")].renew(false).await;
        let Outcome::Failed { step, error, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(step, "kubeadm-certs-renew");
        assert!(error.contains("apiserver still has serial"), "{error}");
    });
    at_rest(&world);
}

#[test]
fn nothing_restarts_while_another_control_plane_is_away() {
    let world = cluster();
    life(&world, async {
        let agents = agents(&world, &CONTROL_PLANES).await;
        world.power_off(&name("cp3"));
        let before = world.state().machines[&name("cp1")]
            .tree
            .text("/etc/kubernetes/admin.conf");
        let outcome = through::within(agents[&name("cp1")].renew(false)).await;
        let Outcome::Failed {
            step, error, done, ..
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!((step.as_str(), done.len()), ("others-well", 0));
        assert!(error.contains("cp3"), "{error}");
        let after = world.state().machines[&name("cp1")]
            .tree
            .text("/etc/kubernetes/admin.conf");
        assert_eq!(before, after);
    });
    at_rest(&world);
}

#[test]
fn an_agent_killed_between_renewal_and_restart_ends_it_and_has_itself_taken_back() {
    let start = cluster();
    for place in [60, 120, 180, 240, 300] {
        let world = start.fork();
        life(&world, async {
            let agents = agents(&world, &CONTROL_PLANES).await;
            let node = name("cp2");
            world.arm(&node, place, Cut::Kill);
            tokio::select! {
                biased;
                () = world.cut_happened(&node) => {}
                outcome = agents[&node].renew(false) => assert_eq!(outcome, Outcome::Succeeded),
            }
        });
        life(&world, async {
            let agents = agents(&world, &CONTROL_PLANES).await;
            let watching = tokio::spawn(renewal::watch(agents[&name("cp2")].clone(), || true));
            tokio::time::sleep(Duration::from_mins(20)).await;
            let begun = world.state().machines[&name("cp2")]
                .tree
                .exists("/var/lib/hactl/certificates/renewal.json");
            if begun {
                through::renewed(&world.state().machines[&name("cp2")]).unwrap();
            }
            watching.abort();
        });
        for (node, machine) in &world.state().machines {
            assert!(
                machine.released.is_empty(),
                "{place}: {node} lets go of {:?}",
                machine.released
            );
        }
    }
}
