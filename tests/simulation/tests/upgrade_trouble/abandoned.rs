//! Controllers that die or give up in the middle, and what they leave on load balancers and nodes.

use std::sync::Arc;
use std::time::Duration;

use hactl_cluster_plan::rollout::RolloutPlan;
use hactl_controller::rollout::{Agents, End, Tale, Told, drive, give_up, newest, put, wish};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::rollout::{RolloutRecord, RolloutWish};

use crate::released;
use crate::support::fleet::*;
use crate::support::through::{beside, check, heard, within};
use crate::support::*;

/// A controller to whom no agent answers any more once it has heard that this came to its end on this node.
async fn drive_until(
    fleet: &Arc<Fleet>,
    record: &RolloutRecord,
    plan: &RolloutPlan,
    who: &str,
    last: impl Fn(&NodeName, &str) -> bool + Send + Sync + 'static,
) {
    let (clock, away) = (fleet.world.clone(), Arc::clone(&fleet.away));
    let tale = Tale::new(
        move || clock.state().now(),
        move |told| {
            if let Told::Event {
                node,
                order,
                event: ReportEvent::Ended(Outcome::Succeeded),
                ..
            } = told
                && last(node, order)
            {
                away.lock().unwrap().extend(NODES.map(name));
            }
        },
    );
    let life = drive(fleet, record, plan, 1, who, &tale);
    let ended = tokio::time::timeout(Duration::from_mins(10), life).await;
    assert!(ended.is_err(), "{ended:?}");
    fleet.away.lock().unwrap().clear();
}

/// Found by the simulator (seed 158): the node was uncordoned first, and nothing told of the rest any more.
#[test]
fn load_balancers_take_a_node_back_though_two_controllers_die_before() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        drive_until(&fleet, &record, &plan, "ann", |node, order| {
            (node.as_str(), order) == ("cp2", "upgrade")
        })
        .await;
        assert!(released(&world, "cp2"));
        drive_until(&fleet, &record, &plan, "bob", |_, order| {
            order == "uncordon" || order == "return-backend"
        })
        .await;
        let (tale, said) = tale(&world);
        let end = within(drive(&fleet, &record, &plan, 1, "eve", &tale)).await;
        assert_eq!(end.unwrap(), End::Finished, "{:#?}", said.lock().unwrap());
        assert!(!released(&world, "cp2"));
    });
    check(&world, &TARGET);
}

/// The controller died between letting go and the cordon, which tells of the rest: `resume` takes the node back at its first look,
/// and so does `abort`.
#[test]
fn a_control_plane_that_was_let_go_of_and_not_cordoned_is_taken_back() {
    for gives_up in [false, true] {
        let world = cluster();
        life(&world, async {
            let fleet = Arc::new(Fleet::start(&world).await);
            let (record, plan) = fleet.begin(TARGET).await;
            drive_until(&fleet, &record, &plan, "ann", |_, order| {
                order == "release-backend"
            })
            .await;
            assert!(released(&world, "cp1"));
            let (tale, said) = tale(&world);
            if gives_up {
                let came = within(give_up(&fleet, record.number, 1, "eve", &tale));
                let came = came.await.unwrap();
                assert_eq!((came.mended, came.middle), (vec![name("cp1")], vec![]));
                assert!(!released(&world, "cp1"));
                let cluster = fleet.seen().await.cluster.unwrap();
                assert_eq!(cluster.lease, None, "the lease was let go");
                return;
            }
            let end = within(drive(&fleet, &record, &plan, 1, "eve", &tale)).await;
            assert_eq!(end.unwrap(), End::Finished);
            let said = said.lock().unwrap();
            let first = |order: &str| said.iter().position(|line| line.contains(order)).unwrap();
            assert!(
                first("return-backend") < first("release-backend"),
                "{said:#?}"
            );
        });
        if !gives_up {
            check(&world, &TARGET);
        }
    }
}

/// `abort` after a controller that died in the middle of a drain; and one beside a controller that lives leaves it to that.
#[test]
fn giving_up_takes_back_what_a_dead_controller_cordoned_and_nothing_of_one_that_lives() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (begun, plan) = fleet.begin(TARGET).await;
        let (told, said) = tale(&world);
        let abort = async {
            heard(&said, |line| line.starts_with("cp1 upgrade")).await;
            let (tale, _) = tale(&world);
            let came = give_up(&fleet, begun.number, 1, "eve", &tale).await;
            assert_eq!(came.unwrap().by.as_deref(), Some("rollout/ann"));
            let kept = newest(&*fleet).await.unwrap().unwrap();
            wish(&*fleet, &kept, RolloutWish::Aborted, "eve", kept.at)
                .await
                .unwrap();
        };
        let rollout = drive(&fleet, &begun, &plan, 1, "ann", &told);
        assert_eq!(beside(rollout, abort).await.unwrap(), End::Aborted);

        let plan = fleet.plan(&request(TARGET), 2).await.unwrap();
        let next = record(&plan);
        put(&*fleet, &next).await.unwrap();
        // cp1 is through: the first drain is that of cp2.
        drive_until(&fleet, &next, &plan, "ann", |_, order| order == "drain").await;
        let (tale, _) = tale(&world);
        let came = within(give_up(&fleet, next.number, 1, "eve", &tale));
        assert_eq!(came.await.unwrap().mended, [name("cp2")]);
        assert!(!released(&world, "cp2"));
        let seen = fleet.seen().await.cluster.unwrap();
        assert!(seen.nodes.iter().all(|node| !node.cordoned), "{seen:?}");
    });
}

/// A control plane that one load balancer does not take back stops the rollout before the next one is let go of.
#[test]
fn a_load_balancer_that_does_not_take_a_node_back_stops_the_rollout() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let (record, plan) = fleet.begin(TARGET).await;
        let (told, said) = tale(&world);
        let haproxy = |active: bool| {
            let mut state = world.state();
            let machine = state.machines.get_mut(&name("cp3")).unwrap();
            machine.services.get_mut("haproxy").unwrap().active = active;
        };
        let trouble = async {
            heard(&said, |line| {
                line.starts_with("cp1 upgrade kubeadm-upgrade")
            })
            .await;
            haproxy(false);
        };
        let end = beside(drive(&fleet, &record, &plan, 1, "ann", &told), trouble).await;
        let End::Stopped { node, outcome } = end.unwrap() else {
            panic!("it did not stop: {:#?}", said.lock().unwrap());
        };
        assert_eq!(node.as_str(), "cp3");
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        assert!(!released(&world, "cp2"), "the next one was let go of");
        haproxy(true);
        let kept = newest(&*fleet).await.unwrap().unwrap();
        let open = wish(&*fleet, &kept, RolloutWish::Running, "ann", kept.at)
            .await
            .unwrap();
        let end = within(drive(&fleet, &open, &plan, 1, "ann", &told)).await;
        assert_eq!(end.unwrap(), End::Finished, "{:#?}", said.lock().unwrap());
    });
    check(&world, &TARGET);
}
