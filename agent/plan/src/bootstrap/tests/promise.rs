//! Voter and override.

use super::*;

#[test]
fn a_grant_is_for_one_instance_and_for_good() {
    let granted = ask(&record(2), &request()).unwrap();
    assert_eq!(granted.roster, roster(&[1, 3]));
    assert_eq!(ask(&granted, &request()), Ok(granted.clone()));
    let mut reimaged = request();
    reimaged.instance = instance(9);
    reimaged.roster.insert(name("cp1"), instance(9));
    assert!(matches!(
        ask(&granted, &reimaged),
        Err(GrantRefusal::InstanceDiffers { pinned, .. }) if pinned == instance(1)
    ));
}

#[test]
fn a_grant_is_refused_by_name() {
    type Change = fn(&mut GrantRequest);
    let wrong: [(Change, &str); 7] = [
        (
            |r| r.cluster = ClusterId::from_bytes([2; 16]),
            "bundle of cluster",
        ),
        (
            |r| r.spec = spec(GrantPolicy::All, 5).bootstrap_hash(),
            "holds spec",
        ),
        (|r| r.epoch = 1, "at epoch 0"),
        (
            |r| r.roster.retain(|node, _| *node != name("cp2")),
            "does not name cp2",
        ),
        (
            |r| r.roster.extend([(name("cp2"), instance(8))]),
            "cp2 is known here as",
        ),
        (
            |r| r.roster.extend([(name("w1"), instance(8))]),
            "w1 is not a declared",
        ),
        (
            |r| r.candidate = name("cp3"),
            "not a declared control plane, or not the caller",
        ),
    ];
    for (change, said) in wrong {
        let mut request = request();
        change(&mut request);
        let refusal = ask(&record(2), &request).unwrap_err().to_string();
        assert!(refusal.contains(said), "{said}: {refusal}");
    }
    let as_worker = Caller {
        role: CallerRole::Worker,
        ..cp1()
    };
    let refused = grant(&record(2), &all(), &[], &as_worker, &request());
    assert!(matches!(refused, Err(GrantRefusal::NotDeclared { .. })));
}

#[test]
fn only_the_spec_s_candidate_is_granted() {
    let mut request = request();
    request.candidate = name("cp2");
    request.instance = instance(2);
    let caller = Caller::control_plane(name("cp2"));
    let refused = grant(&record(3), &all(), &[], &caller, &request).map(|_| ());
    let (wanted, asked) = (name("cp1"), name("cp2"));
    assert_eq!(
        refused,
        Err(GrantRefusal::NotTheCandidate { wanted, asked })
    );
}

#[test]
fn a_member_an_initialising_node_and_one_with_foreign_data_never_grant() {
    let refused = ask(&member(2, "aa", false), &request());
    assert_eq!(refused, Err(GrantRefusal::Member(identity("aa"))));

    let evidence = ["/var/lib/etcd/member".to_owned()];
    let refused = grant(&record(2), &all(), &evidence, &cp1(), &request());
    assert!(matches!(refused, Err(GrantRefusal::Foreign { .. })));

    let mut begun = request();
    begun.candidate = name("cp2");
    let begun = candidate_grant(&begun);
    let initialising = Record {
        stage: Stage::Initialising(begun),
        ..record(2)
    };
    let refused = ask(&initialising, &request());
    assert!(matches!(refused, Err(GrantRefusal::Initialising(_))));
}

#[test]
fn an_instance_is_pinned_when_first_heard() {
    let answer = record(3).answer(&all(), &[], false);
    let met = meet(&record(2), &all(), &answer).unwrap();
    assert_eq!(met.roster, roster(&[3]));
    let other = Record {
        instance: instance(7),
        ..record(3)
    };
    let refused = meet(&met, &all(), &other.answer(&all(), &[], false));
    assert!(matches!(refused, Err(GrantRefusal::InstanceDiffers { .. })));
}

#[test]
fn an_override_frees_the_grant_and_retires_the_lost_machine() {
    let granted = ask(&record(2), &request()).unwrap();
    let word = without_cp1();
    let raised = overrule(&granted, &all(), &[], &operator(), &word).unwrap();
    assert_eq!((raised.epoch, &raised.stage), (1, &Stage::Virgin));
    assert_eq!(raised.roster, roster(&[3]));
    assert!(raised.retired.contains(&instance(1)) && raised.is_lost(&name("cp1")));
    assert_eq!(
        overrule(&raised, &all(), &[], &operator(), &word),
        Ok(raised.clone())
    );
    assert_eq!(
        ask(&raised, &request()),
        Err(GrantRefusal::EpochDiffers { ours: 1, theirs: 0 })
    );
    assert_eq!(raised.candidate(&all()), Some(&name("cp2")));
}

#[test]
fn an_override_is_refused_by_name() {
    let plain = without_cp1();
    let take = |record: &Record, caller: &Caller, word: &Override| {
        overrule(record, &all(), &[], caller, word).unwrap_err()
    };
    let cp = cp1();
    assert_eq!(take(&record(2), &cp, &plain), GrantRefusal::NotAnOperator);
    let refusal = take(&member(2, "aa", true), &operator(), &plain);
    assert_eq!(refusal, GrantRefusal::Member(identity("aa")));
    let refusal = take(&record(1), &operator(), &plain);
    assert!(matches!(refusal, GrantRefusal::DeclaredLost { .. }));
    let faults = [
        (
            word("cp1", &[(2, 2), (3, 3)], &[("cp1", &[1])]),
            "no machine for its candidate cp1",
        ),
        (
            word("cp2", &[(2, 2)], &[("cp1", &[1])]),
            "says nothing of cp3",
        ),
        (
            word("cp2", &[(2, 2), (3, 3)], &[("cp1", &[1]), ("w1", &[])]),
            "w1 is not a declared",
        ),
        (
            Override {
                reason: " ".to_owned(),
                ..plain.clone()
            },
            "gives no reason",
        ),
        (
            word("cp2", &[(2, 7), (3, 3)], &[("cp1", &[1]), ("cp2", &[2])]),
            "declared this machine",
        ),
    ];
    for (word, said) in faults {
        let refusal = take(&record(2), &operator(), &word).to_string();
        assert!(refusal.contains(said), "{said}: {refusal}");
    }
    let granted = ask(&record(2), &request()).unwrap();
    let unaware = word("cp2", &[(1, 9), (2, 2), (3, 3)], &[]);
    let refusal = take(&granted, &operator(), &unaware);
    assert!(matches!(refusal, GrantRefusal::InstanceDiffers { .. }));
    let aware = word("cp2", &[(1, 9), (2, 2), (3, 3)], &[("cp1", &[1])]);
    let raised = overrule(&granted, &all(), &[], &operator(), &aware).unwrap();
    assert_eq!(raised.roster.get(&name("cp1")), Some(&instance(9)));
    assert!(raised.retired.contains(&instance(1)));
    let raised = overrule(&record(2), &all(), &[], &operator(), &plain).unwrap();
    let second = word("cp3", &[(2, 2), (3, 3)], &[("cp1", &[1])]);
    let refusal = take(&raised, &operator(), &second);
    assert_eq!(refusal, GrantRefusal::EpochDiffers { ours: 1, theirs: 1 });
}

#[test]
fn a_cluster_is_learnt_once_and_never_changed() {
    let announcement = MemberAnnouncement {
        node: name("cp1"),
        instance: instance(1),
        cluster: cluster(),
        epoch: 0,
        identity: identity("aa"),
    };
    let granted = ask(&record(2), &request()).unwrap();
    let known = learn(&granted, &all(), &cp1(), &announcement).unwrap();
    assert_eq!(known.standing(&[]), Standing::Member(identity("aa")));
    let other = MemberAnnouncement {
        identity: identity("bb"),
        ..announcement.clone()
    };
    let refused = learn(&known, &all(), &cp1(), &other);
    assert_eq!(refused, Err(GrantRefusal::Member(identity("aa"))));
    let overruled = without_cp1();
    let raised = overrule(&granted, &all(), &[], &operator(), &overruled).unwrap();
    let refused = learn(&raised, &all(), &cp1(), &announcement);
    assert!(matches!(refused, Err(GrantRefusal::DeclaredLost { .. })));
    let unknown = Witness {
        instance: instance(9),
        ..witness(2)
    };
    let refused = adopt(&raised, &unknown, &identity("aa"));
    assert!(matches!(refused, Err(GrantRefusal::EpochDiffers { .. })));
}

/// An override that was sent as an init began: who took it waits for grants that never come, and joins the cluster that forms.
#[test]
fn a_cluster_of_an_earlier_epoch_is_learnt_from_a_machine_that_the_override_counts_on() {
    let granted = ask(&record(2), &request()).unwrap();
    let word = word("cp2", &[(1, 1), (2, 2), (3, 3)], &[]);
    let raised = overrule(&granted, &all(), &[], &operator(), &word).unwrap();
    let known = adopt(&raised, &witness(1), &identity("aa")).unwrap();
    assert_eq!(known.standing(&[]), Standing::Member(identity("aa")));
    // Another that took the override hears of it from this one, too.
    assert_eq!(known.epoch, 0);
    let third = overrule(&record(3), &all(), &[], &operator(), &word).unwrap();
    assert!(adopt(&third, &witness(2), &identity("aa")).is_ok());
}
