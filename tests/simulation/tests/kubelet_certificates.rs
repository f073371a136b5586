//! Kubelets whose client certificates have ended, repaired through the agents; and renewals in a copy.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::time::Duration;

use hactl_agent::inspect::certificates::{Ports, certificates};
use hactl_agent::paths::Paths;
use hactl_agent::renewal;
use hactl_proto::Timestamp;
use hactl_proto::certificate::KeySeen;
use hactl_simulation::World;
use support::fleet::cluster;
use support::renewing::agents;
use support::{context, life, name};

const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// The kubelet's client certificate as the node's inventory has it: its end, and who verifies it.
async fn kubelet_client(world: &World, node: &str) -> (Timestamp, Option<String>, KeySeen) {
    let host = world.onlooker(&name(node));
    let paths = Paths::system();
    let seen = certificates(&host, &context(node), &paths, Ports::Leave).await;
    let one = seen.named("kubelet-client").unwrap();
    (one.not_after, one.signed_by.clone(), one.key)
}

#[test]
fn kubelets_whose_certificates_have_ended_get_others_through_the_agents() {
    let world = cluster();
    // Nobody looks for more than a year.
    life(&world, async {
        tokio::time::sleep(Duration::from_hours(366 * 24)).await;
    });
    life(&world, async {
        let nodes = ["cp1", "cp2", "w1"];
        let agents = agents(&world, &nodes).await;
        for node in nodes {
            assert!(kubelet_client(&world, node).await.0 < world.state().now());
        }
        let watching: Vec<_> = agents
            .values()
            .map(|agent| tokio::spawn(renewal::watch(agent.clone(), || false)))
            .collect();
        tokio::time::sleep(Duration::from_mins(5)).await;
        for node in nodes {
            let (end, signer, key) = kubelet_client(&world, node).await;
            assert!(end > world.state().now(), "{node} until {end}");
            assert_eq!((signer.as_deref(), key), (Some("ca"), KeySeen::Belongs));
            let ready = "/var/lib/hactl/certificates/kubelet-client.pem";
            assert!(!world.state().machines[&name(node)].tree.exists(ready));
        }
        let held = |node: &str| {
            world.state().machines[&name(node)]
                .tree
                .text(KUBELET_CLIENT)
        };
        let once = held("w1");
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(held("w1"), once, "a certificate that is valid is left");
        watching.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

#[test]
fn a_worker_whose_control_planes_are_away_keeps_what_it_has_and_asks_again() {
    let world = cluster();
    life(&world, async {
        tokio::time::sleep(Duration::from_hours(366 * 24)).await;
    });
    let before = world.state().machines[&name("w1")]
        .tree
        .text(KUBELET_CLIENT);
    let held = || {
        world.state().machines[&name("w1")]
            .tree
            .text(KUBELET_CLIENT)
    };
    life(&world, async {
        let agents = agents(&world, &["w1"]).await;
        let watching = tokio::spawn(renewal::watch(agents[&name("w1")].clone(), || true));
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(held(), before);
        watching.abort();
    });
    life(&world, async {
        let agents = agents(&world, &["w1", "cp3"]).await;
        let watching = tokio::spawn(renewal::watch(agents[&name("w1")].clone(), || true));
        tokio::time::sleep(Duration::from_mins(3)).await;
        assert_ne!(held(), before);
        watching.abort();
    });
}

#[test]
fn what_a_control_plane_signs_whose_clock_is_ten_minutes_ahead_is_valid_at_once() {
    let world = cluster();
    life(&world, async {
        tokio::time::sleep(Duration::from_hours(366 * 24)).await;
    });
    let ten_minutes = 600_000;
    let mut ahead = world.state();
    ahead.machines.get_mut(&name("cp3")).unwrap().clock.ahead = ten_minutes;
    drop(ahead);
    life(&world, async {
        let agents = agents(&world, &["w1", "cp3"]).await;
        let watching = tokio::spawn(renewal::watch(agents[&name("w1")].clone(), || true));
        tokio::time::sleep(Duration::from_mins(3)).await;
        watching.abort();
        let paths = Paths::system();
        let worker = world.onlooker(&name("w1"));
        let seen = certificates(&worker, &context("w1"), &paths, Ports::Leave).await;
        let one = seen.named("kubelet-client").unwrap();
        assert!(
            one.not_after > world.state().now(),
            "until {}",
            one.not_after
        );
        assert!(
            one.not_before <= seen.at,
            "begins {}, now it is {}",
            one.not_before,
            seen.at
        );
    });
}

#[test]
fn a_rehearsal_renews_in_a_copy_and_changes_nothing() {
    let world = cluster();
    let files = || {
        world.state().machines[&name("cp1")]
            .tree
            .digest("/etc/kubernetes")
    };
    let before = files();
    life(&world, async {
        let agents = agents(&world, &["cp1", "w1"]).await;
        let rehearsal = agents[&name("cp1")].rehearse().await.unwrap();
        assert_eq!(rehearsal.findings, []);
        for wanted in ["apiserver", "etcd-peer", "admin.conf", "scheduler.conf"] {
            assert!(
                rehearsal.renewed.iter().any(|one| one == wanted),
                "{wanted}"
            );
        }
        let worker = agents[&name("w1")].rehearse().await.unwrap_err();
        assert!(worker.contains("worker"), "{worker}");
    });
    assert_eq!(files(), before);
    assert!(
        !world.state().machines[&name("cp1")]
            .tree
            .exists("/run/hactl/rehearsal")
    );
}

#[test]
fn a_rehearsal_tells_what_kubeadm_would_only_claim_and_what_is_damaged() {
    let world = cluster();
    life(&world, async {
        let agents = agents(&world, &["cp1"]).await;
        {
            let mut state = world.state();
            let machine = state.machines.get_mut(&name("cp1")).unwrap();
            machine.renews_nothing = true;
            machine
                .tree
                .write_durably("/etc/kubernetes/pki/etcd/peer.key", "");
        }
        let rehearsal = agents[&name("cp1")].rehearse().await.unwrap();
        assert_eq!(rehearsal.renewed, Vec::<String>::new());
        for check in ["renewal-rehearsal", "certificate-key"] {
            assert!(
                rehearsal.findings.iter().any(|one| one.check == check),
                "{check}: {:?}",
                rehearsal.findings
            );
        }
    });
}
