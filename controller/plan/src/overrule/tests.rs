//! Overrides from what control planes say.

use super::*;
use crate::observed::samples::{cluster_spec, grant, identity};

const CLUSTER: ClusterId = ClusterId::from_bytes([1; 16]);

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn instance(number: u8) -> InstanceId {
    InstanceId::from_bytes([number; 16])
}

/// An answer of the node's first machine, which has the node's number.
fn answer(node: &str, epoch: u64, standing: Standing) -> StandingAnswer {
    StandingAnswer {
        node: name(node),
        instance: instance(node.as_bytes()[2] - b'0'),
        cluster: CLUSTER,
        spec: cluster_spec().bootstrap_hash(),
        epoch,
        standing,
        roster: BTreeMap::new(),
        serving: false,
    }
}

fn said(candidate: &str, lost: &[&str], replaced: &[&str]) -> Assertion {
    let names = |names: &[&str]| names.iter().map(|text| name(text)).collect();
    Assertion {
        candidate: name(candidate),
        lost: names(lost),
        replaced: names(replaced),
        reason: "cp1 burned".to_owned(),
    }
}

fn checks(answers: &[StandingAnswer], said: &Assertion) -> Vec<String> {
    let result = overrule(&cluster_spec(), CLUSTER, answers, said);
    result
        .unwrap_err()
        .into_iter()
        .map(|finding| finding.check)
        .collect()
}

#[test]
fn a_lost_candidate_is_named_with_every_machine_it_was_known_as() {
    // The grant of the sample went to instance 7 of cp1; cp3 heard of instance 8.
    let mut third = answer("cp3", 2, Standing::Virgin);
    third.roster.insert(name("cp1"), instance(8));
    let answers = [
        answer("cp2", 0, Standing::Granted(grant(&cluster_spec()))),
        third,
    ];
    let word = overrule(
        &cluster_spec(),
        CLUSTER,
        &answers,
        &said("cp2", &["cp1"], &[]),
    )
    .unwrap();
    assert_eq!((word.epoch, word.candidate.as_str()), (3, "cp2"));
    assert_eq!(
        word.lost,
        [(name("cp1"), [instance(7), instance(8)].into())].into()
    );
    assert_eq!(
        word.roster,
        [(name("cp2"), instance(2)), (name("cp3"), instance(3))].into()
    );
}

#[test]
fn a_replaced_machine_counts_by_its_new_instance_and_its_old_one_is_lost() {
    let mut second = answer("cp2", 0, Standing::Virgin);
    second.roster.insert(name("cp1"), instance(9));
    let answers = [
        answer("cp1", 0, Standing::Virgin),
        second,
        answer("cp3", 0, Standing::Virgin),
    ];
    assert_eq!(
        checks(&answers, &said("cp1", &[], &[])),
        ["one-machine-a-name"]
    );
    let word = overrule(
        &cluster_spec(),
        CLUSTER,
        &answers,
        &said("cp1", &[], &["cp1"]),
    )
    .unwrap();
    assert_eq!(word.roster[&name("cp1")], instance(1));
    assert_eq!(word.lost, [(name("cp1"), [instance(9)].into())].into());
}

#[test]
fn where_there_may_be_a_cluster_nothing_is_overridden() {
    let evidence = vec!["/var/lib/etcd/member".to_owned()];
    let answers = [
        answer("cp1", 0, Standing::Initialising(grant(&cluster_spec()))),
        answer("cp2", 0, Standing::Member(identity())),
        answer("cp3", 0, Standing::Foreign { evidence }),
    ];
    let found = checks(&answers, &said("cp2", &[], &[]));
    assert_eq!(
        found,
        ["no-init-begun", "no-cluster-known", "no-foreign-data"]
    );
}

#[test]
fn whoever_is_neither_heard_nor_called_lost_holds_it_up() {
    let answers = [answer("cp2", 0, Standing::Virgin)];
    assert_eq!(
        checks(&answers, &said("cp2", &["cp1"], &[])),
        ["all-accounted-for"]
    );
}

#[test]
fn assertions_that_contradict_themselves_or_what_is_seen_are_refused_all_at_once() {
    let answers = [answer("cp2", 0, Standing::Virgin)];
    let found = checks(&answers, &said("cp2", &["cp2", "cp9"], &["cp2", "cp3"]));
    let wanted = [
        "declared",
        "contradiction",
        "contradiction",
        "lost-is-silent",
        "all-accounted-for",
        "all-accounted-for",
    ];
    assert_eq!(found, wanted);
}
