//! Who may have the next turn while others are away.

use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::Unfinished;
use hactl_proto::rotation::Authority;

use super::carried_out::{after, carry_out, told, until};
use super::{cluster, name, survey};
use crate::observed::samples::ago;
use crate::observed::{Answer, Silence};
use crate::rollout::gate::control_planes_unwell;
use crate::rollout::samples::{request, seen, version};
use crate::rollout::*;

#[test]
fn a_member_that_is_away_keeps_the_next_control_plane_from_its_turn() {
    let mut seen = seen(2);
    let wanted = request(version(36, 3));
    let plan = plan(&seen, &wanted, 1).unwrap();
    let staged = decide(&plan, &seen, &Memory::default());
    carry_out(&mut seen, &staged, "3.6.11-0");
    assert_eq!(
        decide(&plan, &seen, &Memory::default()),
        Decision::Snapshot(name("cp3"))
    );
    let at = version(36, 3);
    // Two nodes have one: either may be lost.
    let mut half = Memory::default();
    half.took_snapshot(at.clone(), name("cp3"));
    assert_eq!(decide(&plan, &seen, &half), Decision::Snapshot(name("cp2")));
    let Decision::Upgrade(works) = decide(&plan, &seen, &after(&at)) else {
        panic!("no turn");
    };
    assert_eq!(
        (works[0].node.as_str(), works[0].upgrade.first),
        ("cp1", true)
    );
    cluster(&mut seen).etcd[2].complaint = Some("connection refused".to_owned());
    assert_eq!(
        decide(&plan, &seen, &after(&at)),
        Decision::Wait(vec!["etcd member cp3: connection refused".to_owned()])
    );
    // The one under work may be unwell itself.
    cluster(&mut seen).etcd[2].complaint = None;
    cluster(&mut seen).etcd[0].complaint = Some("connection refused".to_owned());
    cluster(&mut seen).nodes[0].ready = false;
    survey(&mut seen, "cp1").unfinished = Some(Unfinished {
        target: at.clone(),
        part: UpgradePart::Whole,
    });
    assert!(matches!(
        decide(&plan, &seen, &after(&at)),
        Decision::Upgrade(_)
    ));
}

#[test]
fn every_gate_says_what_keeps_control_planes_waiting() {
    let reasons = |change: &dyn Fn(&mut Seen)| {
        let mut seen = seen(0);
        change(&mut seen);
        control_planes_unwell(&seen, Some(&name("cp1")))
    };
    assert!(reasons(&|_| {}).is_empty());
    let silence = Silence {
        since: ago(5),
        tried_ms: 1,
        reason: "no route".to_owned(),
    };
    let silent = |seen: &mut Seen| seen.nodes[2].survey = Answer::Silent(silence.clone());
    assert_eq!(reasons(&silent), ["cp3 does not answer: no route"]);
    let learner = |seen: &mut Seen| cluster(seen).etcd[1].voter = false;
    assert_eq!(reasons(&learner), ["etcd member cp2 is a learner"]);
    let empty = |seen: &mut Seen| cluster(seen).etcd.clear();
    assert_eq!(reasons(&empty), ["etcd's member list is empty"]);
    let unready = |seen: &mut Seen| cluster(seen).nodes[1].ready = false;
    assert_eq!(reasons(&unready), ["Node cp2 is not Ready"]);
    let own = |seen: &mut Seen| {
        cluster(seen).nodes[0].ready = false;
        cluster(seen).etcd[0].voter = false;
    };
    assert!(reasons(&own).is_empty());
}

#[test]
fn nobody_is_begun_while_a_ca_is_rotated_and_who_was_begun_goes_on() {
    let mut seen = seen(0);
    let plan = plan(&seen, &request(version(36, 3)), 1).unwrap();
    let at = version(36, 3);
    let staged = decide(&plan, &seen, &Memory::default());
    carry_out(&mut seen, &staged, "3.6.11-0");
    survey(&mut seen, "cp2").rotating = Ok([Authority::Etcd].into());
    let told = told(&plan, &seen, &after(&at));
    assert!(
        told.starts_with("the rotation of the CA etcd to end: two lie on cp2"),
        "{told}"
    );
    survey(&mut seen, "cp1").unfinished = Some(Unfinished {
        target: at.clone(),
        part: UpgradePart::Whole,
    });
    let decided = decide(&plan, &seen, &after(&at));
    assert!(matches!(decided, Decision::Upgrade(_)), "{decided:?}");
}

#[test]
fn the_canary_of_a_phase_is_the_first_whoever_the_spec_has_first() {
    let mut seen = seen(0);
    let mut wanted = request(version(36, 3));
    wanted.policy.canary.control_plane = Some(name("cp2"));
    let plan = plan(&seen, &wanted, 1).unwrap();
    let mut firsts = Vec::new();
    until(&plan, &mut seen, "3.6.12-0", |decision| {
        if let Decision::Upgrade(works) = decision {
            firsts.push((works[0].node.to_string(), works[0].upgrade.first));
        }
        firsts.len() == 2
    });
    assert_eq!(
        firsts,
        [("cp2".to_owned(), true), ("cp1".to_owned(), false)]
    );
}

#[test]
fn workers_that_are_away_count_against_the_budget() {
    let mut seen = seen(4);
    let mut wanted = request(version(36, 3));
    wanted.policy.max_unavailable = 2;
    let plan = plan(&seen, &wanted, 1).unwrap();
    let at = version(36, 3);
    until(
        &plan,
        &mut seen,
        "3.6.11-0",
        |decision| matches!(decision, Decision::Upgrade(works) if works[0].role == NodeRole::Worker),
    );
    let turn = |seen: &Seen| match decide(&plan, seen, &after(&at)) {
        Decision::Upgrade(works) => works.iter().map(|work| work.node.to_string()).collect(),
        Decision::Wait(reasons) => reasons,
        other => panic!("{other:?}"),
    };
    assert_eq!(turn(&seen), ["w1", "w4"]);
    cluster(&mut seen).nodes[4].ready = false;
    assert_eq!(turn(&seen), ["w1"]);
    cluster(&mut seen).nodes[5].ready = false;
    assert_eq!(
        turn(&seen),
        [
            "w2 is away, and at most 2 may be",
            "w3 is away, and at most 2 may be"
        ]
    );
}

#[test]
fn a_worker_that_is_silent_in_its_batch_counts_as_away() {
    let mut seen = seen(4);
    let mut wanted = request(version(36, 3));
    wanted.policy.max_unavailable = 2;
    let plan = plan(&seen, &wanted, 1).unwrap();
    until(
        &plan,
        &mut seen,
        "3.6.11-0",
        |decision| matches!(decision, Decision::Upgrade(works) if works[0].role == NodeRole::Worker),
    );
    seen.nodes[3].survey = Answer::Silent(Silence {
        since: ago(5),
        tried_ms: 1,
        reason: "no route".to_owned(),
    });
    let at = after(&version(36, 3));
    assert_eq!(told(&plan, &seen, &at), "w4");
    cluster(&mut seen).nodes[4].ready = false;
    assert_eq!(
        told(&plan, &seen, &at),
        "w2 is away, and at most 2 may be; w1 does not answer"
    );
}
