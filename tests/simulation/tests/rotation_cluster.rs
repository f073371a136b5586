//! Rotations of the CA of Kubernetes itself: control planes, workers, pods, and who asks from outside. At every effect all running processes,
//! pods and joining nodes understand each other.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use hactl_controller::rotation::{End, Told, Wish, rotate};
use hactl_node_plan::certificate::place::KUBELET_SERVER;
use hactl_proto::report::Outcome;
use hactl_proto::rotation::{Authority, Fingerprint, Stage};
use hactl_simulation::{Cut, World};
use serde_json::json;
use support::fleet::cluster;
use support::rotating::{
    CONTROL_PLANES, Fleet, WORKER, alone, cluster_is, in_file, understood, watched,
};
use support::{life, name};

const KUBERNETES: Authority = Authority::Kubernetes;

/// Load balancers that verify, a kubelet that serves with what the cluster signed, and a deployment's pod.
fn furnished() -> World {
    let world = cluster();
    life(&world, async {
        for node in CONTROL_PLANES {
            let machine = name(node);
            world.power_off(&machine);
            world.power_on(&machine, false);
        }
        tokio::time::sleep(Duration::from_mins(5)).await;
        let mut state = world.state();
        let tree = &mut state.machines.get_mut(&name(WORKER)).unwrap().tree;
        let own = tree.text("/var/lib/kubelet/pki/kubelet-client-current.pem");
        tree.write_durably(KUBELET_SERVER, own);
        let owner = json!({ "kind": "Deployment", "name": "web", "controller": true });
        state.begin_pod("default", "web-1", &owner);
    });
    world
}

#[test]
fn it_is_rotated_to_the_end_and_everybody_understands_everybody() {
    let world = furnished();
    let before = in_file(&world, "cp1", KUBERNETES);
    let old = before[0].as_str();
    cluster_is(&world, &[old], old);
    let watcher = watched(&world);
    life(&world, async {
        let fleet = Fleet::start(&world).await;
        let confirmed = async |wish: Wish, wanted: Stage| {
            let end = fleet.run(KUBERNETES, wish).await;
            let End::Confirm { stage, to, .. } = end else {
                panic!("{end:?}");
            };
            assert_eq!(stage, wanted);
            to
        };
        // Nobody presents anything of it until the operator says so.
        let to = confirmed(Wish::Forward, Stage::Reissue).await;
        cluster_is(&world, &[old, to.as_str()], old);
        confirmed(Wish::Forward, Stage::Reissue).await;
        cluster_is(&world, &[old, to.as_str()], old);
        confirmed(Wish::Reissue, Stage::Distrust).await;
        cluster_is(&world, &[to.as_str(), old], to.as_str());
        let end = fleet.run(KUBERNETES, Wish::Finish).await;
        assert_eq!(end, End::Done(to.clone()));
        cluster_is(&world, &[to.as_str()], to.as_str());
    });
    understood(&watcher);
    let after = in_file(&world, "cp1", KUBERNETES);
    assert_ne!(before, after);
    alone(&world, KUBERNETES, &after[0]);
}

#[test]
fn it_goes_back_from_every_stage() {
    let start = furnished();
    let before = in_file(&start, "cp1", KUBERNETES);
    // So many turns are given before the operator changes her mind: prepare 3, trust 4, pods 1, reissue 4.
    for turns in [2_usize, 7, 8, 10] {
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
                () = async {
                    for wish in [Wish::Forward, Wish::Reissue] {
                        let end = rotate(&fleet, KUBERNETES, wish, now, &tell).await;
                        assert!(matches!(end, End::Confirm { .. }), "{end:?}");
                    }
                } => {}
            }
            let end = fleet.run(KUBERNETES, Wish::Back).await;
            assert!(matches!(end, End::Done(_)), "{turns}: {end:?}");
        });
        understood(&watcher);
        assert_eq!(in_file(&world, "cp1", KUBERNETES), before, "{turns}");
        alone(&world, KUBERNETES, &before[0]);
        cluster_is(&world, &[&before[0]], &before[0]);
    }
}

/// Cuts one agent's life at every so many places of the whole rotation; the next run goes on to the end.
fn cut_everywhere(node: &'static str, every: usize) {
    let start = furnished();
    let before = in_file(&start, "cp1", KUBERNETES);
    let victim = name(node);
    let wishes = [Wish::Forward, Wish::Reissue, Wish::Finish];
    let whole = start.fork();
    life(&whole, async {
        let fleet = Fleet::start(&whole).await;
        for wish in wishes {
            fleet.run(KUBERNETES, wish).await;
        }
    });
    let places = whole.state().machines[&victim].crash.passed;
    assert!(places > 40, "{places} places are too few to be true");
    let all = std::env::var_os("HACTL_ALL_CUTS").is_some();
    let cuts = [
        Cut::Kill,
        Cut::Power { lose: false },
        Cut::Power { lose: true },
    ];
    let every = if all { 1 } else { every };
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
                    for wish in wishes {
                        fleet.run(KUBERNETES, wish).await;
                    }
                } => {}
            }
        });
        if let Cut::Power { lose } = cut {
            world.power_on(&victim, lose);
        }
        life(&world, async {
            let fleet = Fleet::start(&world).await;
            let watching: Vec<_> = fleet
                .agents
                .values()
                .map(|agent| tokio::spawn(hactl_agent::renewal::watch(agent.clone(), || true)))
                .collect();
            tokio::time::sleep(Duration::from_mins(20)).await;
            let through = in_file(&world, "cp1", KUBERNETES) != before
                && in_file(&world, WORKER, KUBERNETES).len() == 1
                && in_file(&world, WORKER, KUBERNETES) != before;
            let wishes = if through { &wishes[1..] } else { &wishes[..] };
            for wish in wishes {
                let end = fleet.run(KUBERNETES, *wish).await;
                let well = matches!(end, End::Confirm { .. } | End::Done(_));
                assert!(well, "{cut:?} at {place}: {end:?}");
            }
            tokio::time::sleep(Duration::from_mins(5)).await;
            watching.iter().for_each(tokio::task::JoinHandle::abort);
        });
        let seen = watcher.lock().unwrap().wrong.clone();
        assert_eq!(seen, None, "{cut:?} at {place}");
        let after = in_file(&world, "cp1", KUBERNETES);
        assert_ne!(after, before, "{cut:?} at {place}");
        alone(&world, KUBERNETES, &after[0]);
        cluster_is(&world, &[&after[0]], &after[0]);
    }
}

#[test]
fn it_is_finished_wherever_a_control_plane_is_cut() {
    cut_everywhere("cp2", 463);
}

#[test]
fn it_is_finished_wherever_a_worker_is_cut() {
    cut_everywhere(WORKER, 37);
}

/// What all of the above rests on: the model refuses.
#[test]
fn a_pod_a_kubelet_and_a_controller_manager_that_know_one_ca_refuse_what_another_signed() {
    let world = furnished();
    let machine = |node: &str| name(node);
    life(&world, async {
        let other = world.state().machines[&machine("cp1")]
            .tree
            .text("/etc/kubernetes/pki/etcd/ca.crt");
        {
            let mut state = world.state();
            let tree = &mut state.machines.get_mut(&machine("cp2")).unwrap().tree;
            let foreign = tree.text("/etc/kubernetes/pki/etcd/server.crt");
            tree.write_durably("/etc/kubernetes/pki/apiserver.crt", foreign);
            let both = format!("{}{other}", tree.text("/etc/kubernetes/pki/ca.crt"));
            tree.write_durably("/etc/kubernetes/pki/ca.crt", both);
        }
        // Each runs on with what it took up.
        assert_eq!(world.state().misunderstood(), Vec::<String>::new());
        world.power_off(&machine("cp2"));
        world.power_on(&machine("cp2"), false);
        tokio::time::sleep(Duration::from_mins(1)).await;
        let state = world.state();
        let wrong = state.misunderstood();
        for wanted in [
            "pod/default/web-1 refuses the API server of cp2",
            "kubelet of w1 refuses the API server of cp2",
            "the load balancer of cp1 lets the API server of cp2 go",
            "whoever joins refuses the API server of cp2",
        ] {
            assert!(wrong.iter().any(|one| one == wanted), "{wanted}: {wrong:?}");
        }
        let pods = &state.machines[&machine("cp2")].pods;
        assert!(!pods.contains_key("kube-controller-manager"), "{pods:?}");
    });
}

#[test]
fn a_node_that_nobody_declared_and_a_stage_without_a_lease_are_refused() {
    let world = furnished();
    let before = in_file(&world, "cp1", KUBERNETES);
    life(&world, async {
        let fleet = Fleet::start(&world).await;
        for cluster in world.state().clusters.values_mut() {
            let node = json!({ "kind": "Node", "metadata": { "name": "stranger", "labels": {} } });
            cluster.objects.insert("node//stranger".to_owned(), node);
        }
        let end = fleet.run(KUBERNETES, Wish::Forward).await;
        let End::Stopped {
            outcome: Outcome::Failed { error, .. },
            ..
        } = end
        else {
            panic!("{end:?}");
        };
        assert!(error.contains("stranger"), "{error}");
        let turn = hactl_proto::rotation::RotationTurn {
            authority: KUBERNETES,
            stage: Stage::Distrust,
            to: Fingerprint::new(&"0".repeat(64)),
            fence: None,
            certificate: String::new(),
        };
        let Outcome::Refused { findings } = fleet.agents[&name(WORKER)].rotate(turn).await else {
            panic!("not refused");
        };
        let checks: Vec<&str> = findings.iter().map(|one| one.check.as_str()).collect();
        assert!(checks.contains(&"lease-in-force"), "{checks:?}");
        assert!(checks.contains(&"rotation-presented"), "{checks:?}");
    });
    for node in CONTROL_PLANES.iter().chain(&[WORKER]) {
        assert_eq!(in_file(&world, node, KUBERNETES), before);
    }
}
