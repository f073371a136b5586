//! Next.

use super::*;
use crate::plan::left::Left;

/// What `record` does next, with these answers and that on its disk; cp3 is silent when it has none.
fn step(record: &Record, role: NodeRole, holding: Holding, answers: &[StandingAnswer]) -> Next {
    let here = Here {
        prepared: true,
        holding,
        endpoint_answers: false,
        left: Left::Nothing,
    };
    step_here(record, role, &here, answers)
}

fn step_here(record: &Record, role: NodeRole, here: &Here, answers: &[StandingAnswer]) -> Next {
    let spec = all();
    let mut peers: BTreeMap<_, _> = spec
        .control_planes
        .iter()
        .filter(|node| node.name != record.node)
        .map(|node| {
            let since = Timestamp::UNIX_EPOCH;
            (
                node.name.clone(),
                Peer {
                    heard: Heard::default(),
                    since,
                },
            )
        })
        .collect();
    for answer in answers {
        peers.get_mut(&answer.node).unwrap().heard.answer = Some(answer.clone());
    }
    next(&Situation {
        record,
        spec: &spec,
        role,
        here,
        peers: &peers,
    })
}

const CP: NodeRole = NodeRole::ControlPlane;

fn complete(ca: &str, healthy: bool, grace_over: bool) -> Holding {
    Holding::Complete {
        identity: identity(ca),
        healthy,
        grace_over,
    }
}

fn partial() -> Holding {
    Holding::Partial {
        evidence: vec!["/etc/kubernetes/pki/ca.crt".to_owned()],
    }
}

fn checks(next: Next) -> Vec<String> {
    match next {
        Next::Refuse { findings } => findings.into_iter().map(|finding| finding.check).collect(),
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn a_settled_node_follows_a_successor_that_lies_beside_the_ca_it_knows_and_no_other() {
    let of = |held: &str, beside: &[&str]| ClusterIdentity {
        beside: beside
            .iter()
            .map(|ca| identity(ca).ca_fingerprint)
            .collect(),
        ..identity(held)
    };
    let next = |known: ClusterIdentity, held: ClusterIdentity| {
        let holding = Holding::Complete {
            identity: held,
            healthy: true,
            grace_over: true,
        };
        step(&record(2).settled(known), CP, holding, &[])
    };
    // As a rotation goes: both, the successor in front, the successor alone.
    let stages = [of("a", &[]), of("a", &["b"]), of("b", &["a"]), of("b", &[])];
    for pair in stages.windows(2) {
        assert_eq!(next(pair[0].clone(), pair[0].clone()), Next::Done);
        assert_eq!(
            next(pair[0].clone(), pair[1].clone()),
            Next::Settle(pair[1].clone())
        );
    }
    for stranger in [of("b", &[]), of("b", &["c"])] {
        assert!(matches!(next(of("a", &[]), stranger), Next::Refuse { .. }));
    }
}

#[test]
fn the_missing_are_named_with_since_when() {
    let (own, _) = candidate(&[virgin(2)]);
    let Next::AwaitPeers { missing } = step(&own, CP, Holding::Nothing, &[virgin(2)]) else {
        panic!("it waits");
    };
    assert_eq!(missing, [(name("cp3"), Timestamp::UNIX_EPOCH)]);
    let next = step(&record(2), CP, Holding::Nothing, &[virgin(1)]);
    let candidate = Some(name("cp1"));
    let missing = vec![(name("cp3"), Timestamp::UNIX_EPOCH)];
    assert_eq!(next, Next::AwaitMember { candidate, missing });
}

#[test]
fn a_half_done_init_goes_on_though_everyone_is_silent() {
    let begun = Record {
        stage: Stage::Initialising(candidate_grant(&request())),
        ..record(1)
    };
    for holding in [Holding::Nothing, partial(), complete("aa", false, true)] {
        assert_eq!(step(&begun, CP, holding, &[]), Next::Init(begun.clone()));
    }
    let later = StandingAnswer {
        epoch: 1,
        ..virgin(2)
    };
    assert_eq!(
        checks(step(&begun, CP, partial(), std::slice::from_ref(&later))),
        ["epoch-equal"]
    );
    // Its grant is wanted at that epoch, and it never gives it: nobody else begins.
    let counts_on_it = StandingAnswer {
        roster: roster(&[1, 3]),
        ..later.clone()
    };
    let next = step(&begun, CP, partial(), &[counts_on_it]);
    assert_eq!(next, Next::Init(begun.clone()));
    let replaced = StandingAnswer {
        roster: [(name("cp1"), instance(9))].into(),
        ..later
    };
    assert_eq!(
        checks(step(&begun, CP, partial(), &[replaced])),
        ["epoch-equal"]
    );
}

#[test]
fn who_took_an_override_beside_an_init_learns_of_the_cluster_that_forms() {
    let word = word("cp2", &[(1, 1), (2, 2), (3, 3)], &[]);
    let settled = member(1, "aa", true).answer(&all(), &[], true);
    for (n, candidate) in [(2, true), (3, false)] {
        let raised = overrule(&record(n), &all(), &[], &operator(), &word).unwrap();
        let told = Next::Learn {
            identity: identity("aa"),
            by: witness(1),
        };
        let answers = std::slice::from_ref(&settled);
        assert_eq!(step(&raised, CP, Holding::Nothing, answers), told);
        let begun = Record {
            stage: Stage::Initialising(candidate_grant(&request())),
            ..record(1)
        };
        let begun = begun.answer(&all(), &[], false);
        let next = step(&raised, CP, Holding::Nothing, &[begun]);
        if candidate {
            assert_eq!(checks(next), ["grant-free"]);
        } else {
            assert!(matches!(next, Next::AwaitMember { .. }), "{next:?}");
        }
    }
}

#[test]
fn a_complete_init_goes_on_on_an_unprepared_node_and_is_not_begun_anew_while_it_comes_up() {
    let begun = Record {
        stage: Stage::Initialising(candidate_grant(&request())),
        ..record(1)
    };
    let unprepared = |holding| {
        let here = Here {
            prepared: false,
            holding,
            endpoint_answers: false,
            left: Left::Nothing,
        };
        step_here(&begun, CP, &here, &[])
    };
    let goes_on = Next::Init(begun.clone());
    assert_eq!(unprepared(complete("aa", true, false)), goes_on);
    assert_eq!(unprepared(complete("aa", true, true)), goes_on);
    assert!(matches!(
        unprepared(complete("aa", false, false)),
        Next::AwaitHealth { .. }
    ));
    assert_eq!(unprepared(complete("aa", false, true)), Next::Prepare);
    assert_eq!(unprepared(partial()), Next::Prepare);
}

#[test]
fn a_half_done_join_is_cleaned_and_joined_through_a_member_that_serves() {
    let serving = member(1, "aa", true).answer(&all(), &[], true);
    let joiner = member(2, "aa", false);
    let join = |clean| Next::Join {
        role: CP,
        via: vec![name("cp1")],
        clean,
    };
    let served = std::slice::from_ref(&serving);
    assert_eq!(step(&joiner, CP, Holding::Nothing, served), join(false));
    // The plan of a control plane's join cleans by itself, and only where no member votes.
    assert_eq!(step(&joiner, CP, partial(), served), join(false));
    assert_eq!(
        step(&joiner, CP, complete("aa", false, true), served),
        join(false)
    );
    for left in [partial(), complete("aa", false, true)] {
        let next = step(&joiner, NodeRole::Worker, left, served);
        assert!(matches!(next, Next::Join { clean: true, .. }), "{next:?}");
    }
    assert!(matches!(
        step(&joiner, CP, complete("aa", false, false), served),
        Next::AwaitHealth { .. }
    ));
    let settle = Next::Settle(identity("aa"));
    assert_eq!(
        step(&joiner, CP, complete("aa", true, true), served),
        settle
    );
    let not_yet = member(1, "aa", true).answer(&all(), &[], false);
    let next = step(&joiner, CP, Holding::Nothing, &[not_yet]);
    assert!(matches!(
        next,
        Next::AwaitMember {
            candidate: None,
            ..
        }
    ));
}

#[test]
fn what_is_left_of_a_join_is_done_before_the_node_settles_whatever_drifted() {
    let served = [member(1, "aa", true).answer(&all(), &[], true)];
    let joiner = member(2, "aa", false);
    let with = |left, grace_over| {
        let here = Here {
            prepared: false,
            holding: complete("aa", true, grace_over),
            endpoint_answers: false,
            left,
        };
        step_here(&joiner, CP, &here, &served)
    };
    assert_eq!(with(Left::Nothing, false), Next::Settle(identity("aa")));
    let joins = Next::Join {
        role: CP,
        via: vec![name("cp1")],
        clean: false,
    };
    assert_eq!(with(Left::Steps(vec!["label-zone"]), false), joins);
    assert_eq!(with(Left::Registration, true), joins);
    for left in [Left::Time("await-node".to_owned()), Left::Registration] {
        let next = with(left, false);
        assert!(matches!(next, Next::AwaitHealth { .. }), "{next:?}");
    }
}

#[test]
fn a_wiped_candidate_joins_the_cluster_that_it_made() {
    let wiped = Record {
        instance: instance(9),
        ..record(1)
    };
    let told = member(2, "aa", true).answer(&all(), &[], true);
    let learn = Next::Learn {
        identity: identity("aa"),
        by: witness(2),
    };
    assert_eq!(step(&wiped, CP, Holding::Nothing, &[told]), learn);

    let granted = ask(&record(2), &request())
        .unwrap()
        .answer(&all(), &[], false);
    let met = meet(&wiped, &all(), &granted).unwrap();
    assert_eq!(
        checks(step(&met, CP, Holding::Nothing, &[granted])),
        ["grant-free"]
    );
}

#[test]
fn data_without_a_record_and_a_record_without_data_refuse() {
    let told = member(1, "aa", true).answer(&all(), &[], true);
    let served = std::slice::from_ref(&told);
    assert_eq!(
        checks(step(&record(2), CP, partial(), served)),
        ["no-foreign-data"]
    );
    assert_eq!(
        checks(step(&record(2), CP, complete("bb", true, true), served)),
        ["no-foreign-data"]
    );
    let next = step(&record(2), CP, complete("aa", true, true), served);
    assert!(matches!(next, Next::Learn { .. }));

    let settled = member(2, "aa", true);
    assert_eq!(
        checks(step(&settled, CP, Holding::Nothing, served)),
        ["cluster-data-kept"]
    );
    assert_eq!(
        checks(step(&settled, CP, partial(), served)),
        ["cluster-data-kept"]
    );
    assert_eq!(
        checks(step(&settled, CP, complete("bb", true, true), served)),
        ["one-cluster"]
    );
    assert_eq!(
        step(&settled, CP, complete("aa", false, true), served),
        Next::Done
    );
}

#[test]
fn an_endpoint_that_answers_forbids_the_init_and_an_unprepared_node_is_prepared_first() {
    let (own, _) = candidate(&[virgin(2), virgin(3)]);
    let mut here = Here {
        prepared: true,
        holding: Holding::Nothing,
        endpoint_answers: true,
        left: Left::Nothing,
    };
    let answers = [virgin(2), virgin(3)];
    assert_eq!(
        checks(step_here(&own, CP, &here, &answers)),
        ["endpoint-free"]
    );
    here.prepared = false;
    assert_eq!(step_here(&own, CP, &here, &answers), Next::Prepare);
}

#[test]
fn a_second_cluster_is_named_and_nobody_joins_either() {
    let joiner = member(2, "aa", false);
    let ours = member(1, "aa", true).answer(&all(), &[], true);
    let theirs = member(3, "bb", true).answer(&all(), &[], true);
    assert_eq!(
        checks(step(&joiner, CP, Holding::Nothing, &[ours, theirs])),
        ["one-cluster"]
    );
}

#[test]
fn a_record_reads_back_and_a_damaged_one_does_not() {
    let granted = ask(&record(2), &request()).unwrap();
    let raised = overrule(&granted, &all(), &[], &operator(), &without_cp1());
    for record in [record(1), granted, member(3, "aa", true), raised.unwrap()] {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert!(serde_json::from_str::<Record>(&text[..text.len() - 1]).is_err());
    }
}

#[test]
fn a_voter_that_others_know_by_another_instance_is_told_so_and_one_that_knows_better_is_not() {
    let answer = |roster: &[(u8, u8)]| StandingAnswer {
        roster: roster
            .iter()
            .map(|(n, of)| (name(&format!("cp{n}")), instance(*of)))
            .collect(),
        ..record(3).answer(&all(), &[], false)
    };
    let mut voter = record(2);
    voter.roster = roster(&[1, 2, 3]);
    let refused = step(&voter, CP, Holding::Nothing, &[answer(&[(2, 9)])]);
    assert_eq!(checks(refused), ["instance-known"]);
    // Somebody else was replaced: that one is told.
    let other = step(&voter, CP, Holding::Nothing, &[answer(&[(1, 9)])]);
    assert!(matches!(other, Next::AwaitMember { .. }), "{other:?}");
}

#[test]
fn a_control_plane_is_told_of_members_that_hold_another_spec() {
    let mut answer = member(1, "aa", true).answer(&all(), &[], true);
    answer.spec = spec(GrantPolicy::Majority, 5).bootstrap_hash();
    let answers = [answer];
    let known = member(2, "aa", false);
    let refused = step(&known, CP, Holding::Nothing, &answers);
    assert_eq!(checks(refused), ["spec-equal"]);
    // A worker's spec is not asked for: it waits for whoever takes it in.
    let worker = step(&known, NodeRole::Worker, Holding::Nothing, &answers);
    assert!(!matches!(worker, Next::Refuse { .. }), "{worker:?}");
}
