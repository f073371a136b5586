//! Which etcd a target brings: told when a node is staged, asked for where it was not.

use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::{Staged, StagedEtcd, Unfinished};
use hactl_proto::version::KubernetesVersion;

use super::carried_out::{after, until};
use super::survey;
use crate::rollout::samples::{request, seen, version};
use crate::rollout::*;

/// A cluster whose control planes are through to v1.36.3 and whose etcd is next.
fn before_etcd() -> (RolloutPlan, Seen) {
    let mut seen = seen(1);
    let plan = plan(&seen, &request(version(36, 3)), 1).unwrap();
    until(
        &plan,
        &mut seen,
        "3.7.0-0",
        |decision| matches!(decision, Decision::Upgrade(works) if works[0].upgrade.part == UpgradePart::Etcd),
    );
    (plan, seen)
}

#[test]
fn an_etcd_that_is_not_known_is_told_or_waited_for_and_never_taken_for_there() {
    let (plan, ready) = before_etcd();
    let at = version(36, 3);
    let staged = |etcd| {
        Some(Staged {
            target: version(36, 3),
            etcd,
        })
    };
    let tag = |tag: &str| staged(StagedEtcd::Tag(tag.to_owned()));
    let other = Some(Staged {
        target: version(36, 9),
        etcd: StagedEtcd::Tag("3.6.11-0".to_owned()),
    });
    let turn = |staged: Option<Staged>, kubeadm: Option<KubernetesVersion>| {
        let mut seen = ready.clone();
        let one = survey(&mut seen, "cp1");
        one.staged = staged;
        one.installed.versions.kubeadm = kubeadm;
        match decide(&plan, &seen, &after(&at)) {
            Decision::Upgrade(works) => {
                format!("{} {:?}", works[0].node, works[0].upgrade.part)
            }
            Decision::Stage { target, nodes } => format!("stage {target} on {}", nodes[0]),
            Decision::Wait(reasons) => reasons.join("; "),
            Decision::Soak(soak) => format!("soak {}", soak.kind.name()),
            other => panic!("{other:?}"),
        }
    };
    let kubeadm = || Some(at.clone());
    // It is looked at, and cp2 is next, where cp1's etcd is there.
    assert_eq!(turn(tag("3.7.0-0"), kubeadm()), "cp1 Etcd");
    assert_eq!(turn(tag("3.6.11-0"), kubeadm()), "soak etcd");
    assert_eq!(turn(staged(StagedEtcd::Absent), kubeadm()), "soak etcd");
    for unknown in [None, staged(StagedEtcd::Unknown), other] {
        assert_eq!(turn(unknown.clone(), kubeadm()), "stage v1.36.3 on cp1");
        assert_eq!(
            turn(unknown.clone(), Some(version(36, 2))),
            "which etcd v1.36.3 brings to cp1 is not known, and its kubeadm, v1.36.2, can't tell"
        );
        assert_eq!(
            turn(unknown, None),
            "which etcd v1.36.3 brings to cp1 is not known, and its kubeadm, unknown, can't tell"
        );
    }
}

/// Found by the simulator (seed 908): the turn before was given again and again, in which nothing is left to do.
#[test]
fn a_part_that_was_begun_and_failed_has_the_next_turn() {
    for (to, part) in [
        (version(36, 3), UpgradePart::Etcd),
        (version(37, 1), UpgradePart::Kubelet),
        (version(37, 1), UpgradePart::Etcd),
    ] {
        let mut seen = seen(1);
        let plan = plan(&seen, &request(to.clone()), 1).unwrap();
        until(
            &plan,
            &mut seen,
            "3.7.0-0",
            |decision| matches!(decision, Decision::Upgrade(works) if works[0].upgrade.part == part),
        );
        survey(&mut seen, "cp1").unfinished = Some(Unfinished {
            target: to.clone(),
            part,
        });
        let Decision::Upgrade(works) = decide(&plan, &seen, &after(&to)) else {
            panic!("no turn");
        };
        let turn = (works[0].node.as_str(), works[0].upgrade.part);
        assert_eq!(turn, ("cp1", part), "to {to}");
    }
}

#[test]
fn what_was_staged_for_a_plan_that_was_given_up_is_not_taken_for_this_ones() {
    let mut seen = seen(1);
    for node in ["cp1", "cp2", "cp3", "w1"] {
        survey(&mut seen, node).staged = Some(Staged {
            target: version(37, 1),
            etcd: StagedEtcd::Absent,
        });
    }
    let plan = plan(&seen, &request(version(36, 3)), 1).unwrap();
    let decision = decide(&plan, &seen, &Memory::default());
    assert!(
        matches!(&decision, Decision::Stage { target, nodes } if *target == version(36, 3) && nodes.len() == 4),
        "{decision:?}"
    );
}
