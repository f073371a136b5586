//! Operations over a simulated host: accepted or refused, told to whoever watches, known after a restart.

mod support;

use hactl_agent::operation::SubmitError;
use hactl_node_plan::run::Rejection;
use hactl_proto::instruction::{Fence, Order};
use hactl_proto::report::{Outcome, ReportEvent};
use support::*;

#[test]
fn an_init_reaches_its_goal_and_is_planned_empty_after() {
    let world = world();
    life(&world, async {
        let engine = engine(&world, "cp1").await;
        let mut watch = engine
            .submit(instruction("first", Order::Init))
            .await
            .unwrap();
        let mut steps = Vec::new();
        let mut waited = Vec::new();
        while let Some(event) = watch.next().await {
            match event {
                ReportEvent::Started { step, .. } => steps.push(step),
                ReportEvent::Waiting(wait) => waited.push(wait.condition),
                ReportEvent::Ended(outcome) => assert_eq!(outcome, Outcome::Succeeded),
                _ => {}
            }
        }
        assert!(steps.contains(&"kubeadm-init".to_owned()), "{steps:?}");
        assert!(
            waited.iter().any(|one| one.contains("kubeadm init")),
            "{waited:?}"
        );
        assert_eq!(
            carry_out(&engine, "again", Order::Init).await,
            Outcome::Succeeded
        );
        let mut watch = engine.watch(&id("again")).unwrap();
        assert!(matches!(
            watch.next().await,
            Some(ReportEvent::Ended(Outcome::Succeeded))
        ));
        assert!(watch.next().await.is_none());
    });
    let state = world.state();
    assert_eq!(state.inits, [name("cp1")]);
    assert!(
        !state.machines[&name("cp1")]
            .tree
            .exists("/run/hactl/kubeadm.yaml")
    );
}

#[test]
fn of_two_instructions_at_once_the_second_is_refused_with_the_first_ones_id() {
    let world = world();
    life(&world, async {
        let engine = engine(&world, "cp1").await;
        let first = engine.submit(instruction("one", Order::Init));
        let second = engine.submit(instruction("two", Order::Init));
        let (first, second) = tokio::join!(first, second);
        let refused = [first.as_ref().err(), second.as_ref().err()];
        let refused: Vec<_> = refused.into_iter().flatten().collect();
        let [SubmitError::Rejected(Rejection::Busy { running, .. })] = refused.as_slice() else {
            panic!("{refused:?}");
        };
        assert_eq!(engine.current().unwrap().id, *running);
        assert!(refused[0].to_string().contains(running.as_str()));
    });
}

#[test]
fn the_same_id_again_is_the_same_operation_also_after_a_restart() {
    let world = world();
    life(&world, async {
        let engine = engine(&world, "cp1").await;
        let first = engine
            .submit(instruction("one", Order::Prepare))
            .await
            .unwrap();
        let again = engine
            .submit(instruction("one", Order::Prepare))
            .await
            .unwrap();
        assert_eq!(first.outcome().await, Some(Outcome::Succeeded));
        assert_eq!(again.outcome().await, Some(Outcome::Succeeded));
        let other = engine.submit(instruction("one", Order::Clean)).await;
        assert!(matches!(
            other,
            Err(SubmitError::Rejected(Rejection::OtherOrder { .. }))
        ));
        assert_eq!(engine.all().len(), 1);
    });
    life(&world, async {
        let engine = engine(&world, "cp1").await;
        assert!(engine.recover().await.is_none());
        let known = engine
            .submit(instruction("one", Order::Prepare))
            .await
            .unwrap();
        assert_eq!(known.outcome().await, Some(Outcome::Succeeded));
        assert_eq!(engine.all().len(), 1);
    });
}

#[test]
fn a_fence_lower_than_the_highest_ever_seen_is_refused() {
    let world = world();
    let with = |text: &str, fence: u64| {
        let mut one = instruction(text, Order::Prepare);
        one.fence = Some(Fence(fence));
        one
    };
    life(&world, async {
        let engine = engine(&world, "cp1").await;
        let watch = engine.submit(with("a", 7)).await.unwrap();
        watch.outcome().await.unwrap();
        assert!(engine.submit(with("b", 6)).await.is_err());
    });
    life(&world, async {
        let engine = engine(&world, "cp1").await;
        let stale = engine.submit(with("c", 6)).await;
        assert!(matches!(
            stale,
            Err(SubmitError::Rejected(Rejection::StaleFence {
                given: 6,
                highest: 7,
                ..
            }))
        ));
        assert!(engine.submit(with("d", 7)).await.is_ok());
    });
}

#[test]
fn a_refusal_says_every_reason_and_changes_nothing() {
    let world = world();
    life(&world, async {
        let engine = engine(&world, "cp2").await;
        {
            let mut state = world.state();
            let machine = state.machines.get_mut(&name("cp2")).unwrap();
            machine.version = "v1.35.0".to_owned();
            machine.services.remove("haproxy");
        }
        let Outcome::Refused { findings } = carry_out(&engine, "wrong", Order::Init).await else {
            panic!("not refused");
        };
        let checks: Vec<_> = findings.iter().map(|one| one.check.as_str()).collect();
        assert_eq!(checks, ["endpoint-packages", "kubeadm-version"]);
        let state = world.state();
        let tree = &state.machines[&name("cp2")].tree;
        for changed in ["/etc/kubernetes", "/etc/haproxy", "/etc/systemd", "/run"] {
            assert!(!tree.exists(changed), "{changed}");
        }
    });
}

#[test]
fn a_failure_names_the_step_the_programs_words_and_what_was_done() {
    let world = world();
    life(&world, async {
        let init = engine(&world, "cp1").await;
        assert_eq!(
            carry_out(&init, "init", Order::Init).await,
            Outcome::Succeeded
        );
        let mut credentials = admit(&world, "w1").await;
        credentials.token = hactl_proto::secret::Secret::new("abcdef.0123456789abcdef");
        let engine = engine(&world, "w1").await;
        let outcome = carry_out(&engine, "join", Order::JoinWorker(credentials)).await;
        let Outcome::Failed {
            step,
            error,
            done,
            remedy,
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!(step, "kubeadm-join");
        assert!(error.contains("could not find a JWS signature"), "{error}");
        assert!(!error.contains("0123456789abcdef"), "{error}");
        assert!(done.contains(&"kubeadm-preflight".to_owned()) && !remedy.is_empty());
    });
}

#[test]
fn a_member_that_has_just_joined_is_not_reset_because_another_is_away() {
    let world = world();
    life(&world, async {
        let engine = engine(&world, "cp1").await;
        let outcome = carry_out(&engine, "first", Order::Init).await;
        assert_eq!(outcome, Outcome::Succeeded);
    });
    let outcome = life(&world, async {
        let order = Order::JoinControlPlane(admit(&world, "cp2").await);
        let engine = engine(&world, "cp2").await;
        let mut watch = engine.submit(instruction("join", order)).await.unwrap();
        while let Some(event) = watch.next().await {
            match event {
                // The last look is yet to come, and etcd has no quorum any more.
                ReportEvent::Finished { step, .. } if step == "await-node" => {
                    world.power_off(&name("cp1"));
                }
                ReportEvent::Ended(outcome) => return outcome,
                _ => {}
            }
        }
        panic!("the story has no end");
    });
    let Outcome::Failed { step, done, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        !done.contains(&"kubeadm-reset".to_owned()),
        "{step}: {done:?}"
    );
    let state = world.state();
    let cluster = state.clusters.values().next().unwrap();
    assert_eq!(cluster.members.len(), 2);
    assert!(state.machines[&name("cp2")].etcd_data().is_some());
}
