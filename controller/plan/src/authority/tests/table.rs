//! Whose turn it is, who is waited for, and every reason against.

use hactl_proto::Timestamp;

use super::*;
use crate::observed::Silence;

#[test]
fn control_planes_go_alone_and_workers_together() {
    let (mut seen, rotation) = (before(), rotation());
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| NodeName::new(*name).unwrap())
            .collect()
    };
    let turn = |stage, of: &[&str]| Decision::Turn(stage, names(of));
    assert_eq!(decide(&rotation, &seen), turn(Stage::Prepare, &["cp1"]));
    for (at, name) in ["w2", "w3"].into_iter().enumerate() {
        seen.nodes.insert(
            3 + at,
            node(name, trust(&[], &["kubelet"], &["kubelet-client"])),
        );
    }
    for node in &mut seen.nodes[..2] {
        let Answer::Said(trust) = &mut node.trust else {
            continue;
        };
        trust.holds = cas(&["a", "b"]);
        trust
            .believes
            .values_mut()
            .for_each(|one| *one = cas(&["a", "b"]));
    }
    assert_eq!(decide(&rotation, &seen), turn(Stage::Trust, &["w1", "w2"]));
}

#[test]
fn who_is_not_well_goes_on_alone_and_two_are_waited_for() {
    let rotation = rotation();
    let ill = |seen: &mut Seen, at: usize| {
        let Answer::Said(trust) = &mut seen.nodes[at].trust else {
            return;
        };
        trust.complaint = Some("its API server does not serve".to_owned());
    };
    let mut seen = before();
    ill(&mut seen, 1);
    let own = Decision::Turn(Stage::Prepare, vec![NodeName::new("cp2").unwrap()]);
    assert_eq!(decide(&rotation, &seen), own);
    ill(&mut seen, 0);
    let Decision::Wait(lines) = decide(&rotation, &seen) else {
        panic!("not waited");
    };
    assert_eq!(lines.len(), 2);
    let mut seen = before();
    seen.nodes[2].trust = Answer::Silent(Silence {
        since: Timestamp::UNIX_EPOCH,
        tried_ms: 10,
        reason: "connection refused".to_owned(),
    });
    let Decision::Wait(lines) = decide(&rotation, &seen) else {
        panic!("not waited");
    };
    assert_eq!(lines, ["w1: does not answer: connection refused"]);
    let mut seen = before();
    seen.pods = Err("the API does not answer".to_owned());
    assert!(matches!(
        decide(&rotation, &seen),
        Decision::Turn(Stage::Prepare, _)
    ));
}

#[test]
fn a_process_that_has_to_begin_anew_does_so_before_anything_else() {
    let rotation = Rotation {
        reissue: true,
        ..rotation()
    };
    let mut seen = before();
    for node in &mut seen.nodes {
        let Answer::Said(trust) = &mut node.trust else {
            continue;
        };
        trust.holds = cas(&["a", "b"]);
        for one in trust.believes.values_mut() {
            *one = cas(&["a", "b"]);
        }
    }
    let names = |name: &str| vec![NodeName::new(name).unwrap()];
    let next = |seen: &Seen| decide(&rotation, seen);
    assert_eq!(next(&seen), Decision::Turn(Stage::Reissue, names("cp1")));
    let Answer::Said(trust) = &mut seen.nodes[1].trust else {
        return;
    };
    trust.pending.insert("api-server".to_owned());
    assert_eq!(next(&seen), Decision::Turn(Stage::Trust, names("cp2")));
}

#[test]
fn pods_that_can_not_be_asked_hold_up_what_they_have_to_understand() {
    let rotation = rotation();
    let mut seen = before();
    for node in &mut seen.nodes {
        let Answer::Said(trust) = &mut node.trust else {
            continue;
        };
        trust.holds = cas(&["a", "b"]);
        trust
            .believes
            .values_mut()
            .for_each(|one| *one = cas(&["a", "b"]));
    }
    seen.pods = Err("the API does not answer".to_owned());
    assert!(matches!(decide(&rotation, &seen), Decision::Wait(_)));
    let etcds = Rotation {
        authority: Authority::Etcd,
        ..rotation
    };
    assert!(matches!(
        decide(&etcds, &seen),
        Decision::Turn(Stage::Reissue, _)
    ));
    // Who asks from outside of the cluster is known to the operator alone.
    seen.pods = Ok(BTreeSet::new());
    let kubernetes = Rotation {
        authority: Authority::Kubernetes,
        ..etcds
    };
    assert_eq!(
        decide(&kubernetes, &seen),
        Decision::Confirm(Stage::Reissue)
    );
}

#[test]
fn every_reason_against_is_told_at_once() {
    let now = Timestamp::UNIX_EPOCH;
    let good = Successor {
        authority: true,
        not_after: Timestamp::from_second(10 * 365 * 86_400).unwrap(),
    };
    assert_eq!(against(&rotation(), &good, &before(), now), []);
    let bad = Successor {
        authority: false,
        not_after: Timestamp::from_second(86_400).unwrap(),
    };
    let mut seen = before();
    seen.nodes[0] = node(
        "cp1",
        Trust {
            complaint: Some("its kubelet does not answer".to_owned()),
            presents: [("apiserver".to_owned(), ca("c"))].into(),
            ..Trust::default()
        },
    );
    seen.nodes[2].trust = Answer::Silent(Silence {
        since: now,
        tried_ms: 10,
        reason: "connection refused".to_owned(),
    });
    let same = Rotation {
        to: ca("a"),
        ..rotation()
    };
    let checks: Vec<String> = against(&same, &bad, &seen, now)
        .into_iter()
        .map(|finding| finding.check)
        .collect();
    assert_eq!(
        checks,
        [
            "rotation-successor",
            "rotation-successor",
            "rotation-successor",
            "rotation-nodes-well",
            "rotation-nodes-known",
            "rotation-unfinished",
        ]
    );
}
