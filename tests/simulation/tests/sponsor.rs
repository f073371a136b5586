//! A member lets others join: one control plane at a time, under the lease; nothing that was minted outlives its join.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::sync::Arc;

use hactl_agent::api::duties::Sponsor as _;
use hactl_agent::api::failure::Failure;
use hactl_agent::join::Sponsor;
use hactl_agent::paths::Paths;
use hactl_proto::instruction::{Fence, JoinCredentials, Order};
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;
use hactl_simulation::{SimulatedHost, World};
use support::*;
use tokio::sync::mpsc::Receiver;

type Answers = Receiver<Result<Admission, Failure>>;

fn sponsor(world: &World, node: &str) -> Sponsor<SimulatedHost> {
    let host = Arc::new(world.host(&name(node)));
    Sponsor::new(host, Arc::new(Paths::system()), Arc::new(context(node)))
}

fn applicant(node: &str) -> Applicant {
    let context = context(node);
    Applicant {
        node: context.node,
        role: context.role,
        address: context.address,
    }
}

async fn with_cluster(world: &World) -> Sponsor<SimulatedHost> {
    let engine = engine(world, "cp1").await;
    let ended = carry_out(&engine, "init", Order::Init).await;
    assert_eq!(ended, Outcome::Succeeded);
    sponsor(world, "cp1")
}

/// Reads on until the admission.
async fn admitted(answers: &mut Answers) -> (JoinCredentials, Option<Fence>) {
    while let Some(answer) = answers.recv().await {
        if let Admission::Admitted { credentials, fence } = answer.unwrap() {
            return (credentials, fence);
        }
    }
    panic!("the answers ended without an admission");
}

/// Secrets that open the cluster to a joiner.
fn secrets(world: &World) -> Vec<String> {
    let state = world.state();
    let cluster = state.clusters.values().next().unwrap();
    cluster
        .of_kind("secret", "kube-system")
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.starts_with("bootstrap-token-") || name == "kubeadm-certs")
        .collect()
}

fn refused() -> Outcome {
    Outcome::Refused {
        findings: Vec::new(),
    }
}

#[test]
fn a_join_is_admitted_completed_and_leaves_no_secret() {
    let world = world();
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        assert_eq!(secrets(&world), Vec::<String>::new());
        let mut answers = sponsor.admit(applicant("cp2")).await.unwrap();
        let (credentials, fence) = admitted(&mut answers).await;
        assert_eq!(fence, Some(Fence(1)));
        assert!(secrets(&world).contains(&"kubeadm-certs".to_owned()));
        let joiner = engine(&world, "cp2").await;
        let ended = carry_out(&joiner, "join", Order::JoinControlPlane(credentials)).await;
        assert_eq!(ended, Outcome::Succeeded);
        sponsor
            .complete(name("cp2"), Outcome::Succeeded)
            .await
            .unwrap();
        assert_eq!(secrets(&world), Vec::<String>::new());
    });
}

#[test]
fn a_second_control_plane_waits_for_the_lease_and_gets_a_higher_number() {
    let world = world();
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        let mut first = sponsor.admit(applicant("cp2")).await.unwrap();
        assert_eq!(admitted(&mut first).await.1, Some(Fence(1)));
        let mut second = sponsor.admit(applicant("cp3")).await.unwrap();
        let Some(Ok(Admission::Waiting(waiting))) = second.recv().await else {
            panic!("the second was not told to wait");
        };
        assert_eq!(waiting.observed, "held by cp1/join/cp2");
        sponsor.complete(name("cp2"), refused()).await.unwrap();
        assert_eq!(admitted(&mut second).await.1, Some(Fence(2)));
    });
}

#[test]
fn workers_join_beside_a_control_plane_without_the_lease() {
    let world = world();
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        let mut first = sponsor.admit(applicant("cp2")).await.unwrap();
        admitted(&mut first).await;
        let mut worker = sponsor.admit(applicant("w1")).await.unwrap();
        let (credentials, fence) = admitted(&mut worker).await;
        assert_eq!((fence, credentials.certificate_key), (None, None));
        sponsor.complete(name("w1"), refused()).await.unwrap();
        // The control plane's are still there.
        assert!(secrets(&world).contains(&"kubeadm-certs".to_owned()));
    });
}

#[test]
fn a_joiner_that_comes_again_at_another_member_takes_its_lease_along() {
    let world = world();
    life(&world, async {
        let first = with_cluster(&world).await;
        let mut answers = first.admit(applicant("cp2")).await.unwrap();
        admitted(&mut answers).await;
        let before = secrets(&world);
        // The same member after a restart: nothing of the first admission is in its memory.
        let second = sponsor(&world, "cp1");
        let mut answers = second.admit(applicant("cp2")).await.unwrap();
        assert_eq!(admitted(&mut answers).await.1, Some(Fence(2)));
        let after = secrets(&world);
        let old = |name: &&String| name.starts_with("bootstrap") && after.contains(*name);
        assert_eq!(before.iter().find(old), None);
    });
}

#[test]
fn what_a_vanished_sponsor_minted_is_swept_once_its_lease_ran_out() {
    let world = world();
    // The sponsor's life ends with the runtime: nobody renews.
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        let mut answers = sponsor.admit(applicant("cp2")).await.unwrap();
        admitted(&mut answers).await;
    });
    assert!(!secrets(&world).is_empty());
    life(&world, async {
        let sponsor = sponsor(&world, "cp1");
        sponsor.sweep(true).await.unwrap();
        assert!(!secrets(&world).is_empty(), "the lease still holds");
        tokio::time::sleep(std::time::Duration::from_mins(2)).await;
        sponsor.sweep(false).await.unwrap();
        assert_eq!(secrets(&world), Vec::<String>::new());
    });
}

#[test]
fn the_first_sweep_leaves_what_was_minted_before_it_in_the_same_life() {
    let world = world();
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        let mut answers = sponsor.admit(applicant("w1")).await.unwrap();
        admitted(&mut answers).await;
    });
    assert_eq!(secrets(&world).len(), 1);
    life(&world, async {
        let sponsor = sponsor(&world, "cp1");
        let mut answers = sponsor.admit(applicant("w1")).await.unwrap();
        admitted(&mut answers).await;
        let minted = secrets(&world);
        sponsor.sweep(true).await.unwrap();
        assert_eq!(secrets(&world), minted);
    });
    life(&world, async {
        sponsor(&world, "cp1").sweep(true).await.unwrap();
        assert_eq!(secrets(&world), Vec::<String>::new());
    });
}

#[test]
fn a_join_that_is_only_said_to_be_done_is_not_believed() {
    let world = world();
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        let mut answers = sponsor.admit(applicant("cp2")).await.unwrap();
        admitted(&mut answers).await;
        let told = sponsor.complete(name("cp2"), Outcome::Succeeded).await;
        let told = told.unwrap_err().to_string();
        assert!(told.contains("its Node is not registered"), "{told}");
        assert_eq!(secrets(&world), Vec::<String>::new());
    });
}

#[test]
fn an_api_that_is_away_for_a_moment_ends_no_admission_and_no_completion() {
    let world = world();
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        for moment in 0..4 {
            world.state().hiccups = moment;
            let mut answers = sponsor.admit(applicant("cp2")).await.unwrap();
            admitted(&mut answers).await;
            world.state().hiccups = moment;
            sponsor.complete(name("cp2"), refused()).await.unwrap();
            assert_eq!(secrets(&world), Vec::<String>::new());
        }
    });
}

#[test]
fn an_api_that_stays_away_is_said_and_the_lease_runs_out_by_itself() {
    let world = world();
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        let mut answers = sponsor.admit(applicant("cp2")).await.unwrap();
        admitted(&mut answers).await;
        // The renewal of the lease meets some of them.
        world.state().hiccups = 8;
        let told = sponsor.complete(name("cp2"), refused()).await;
        let told = told.unwrap_err().to_string();
        assert!(told.contains("let a node join"), "{told}");
        // Nobody renews it: another joiner gets it, and what was left of the first goes.
        let mut second = sponsor.admit(applicant("cp3")).await.unwrap();
        assert_eq!(admitted(&mut second).await.1, Some(Fence(2)));
        sponsor.complete(name("cp3"), refused()).await.unwrap();
        assert_eq!(secrets(&world), Vec::<String>::new());
    });
}

#[test]
fn a_stranger_and_a_wrong_role_are_refused() {
    let world = world();
    life(&world, async {
        let sponsor = with_cluster(&world).await;
        for stranger in [
            Applicant {
                node: name("cp9"),
                role: NodeRole::ControlPlane,
                address: [10, 99, 0, 9].into(),
            },
            Applicant {
                role: NodeRole::Worker,
                ..applicant("cp2")
            },
            Applicant {
                address: [10, 99, 0, 77].into(),
                ..applicant("cp2")
            },
        ] {
            let mut answers = sponsor.admit(stranger).await.unwrap();
            let answer = answers.recv().await.unwrap();
            assert!(matches!(answer, Err(Failure::Refused(_))), "{answer:?}");
        }
        assert_eq!(secrets(&world), Vec::<String>::new());
    });
}
