//! Candidate.

use super::*;

#[test]
fn the_candidate_waits_asks_and_begins() {
    let (own, heard) = candidate(&[virgin(2)]);
    assert_eq!(
        candidate::decide(&own, &all(), &heard),
        Verdict::Await(vec![name("cp3")])
    );

    let (own, mut heard) = candidate(&[virgin(2), virgin(3)]);
    let Verdict::Ask(request, from) = candidate::decide(&own, &all(), &heard) else {
        panic!("it asks");
    };
    assert_eq!(
        (&request.roster, from),
        (&roster(&[1, 2, 3]), vec![name("cp2"), name("cp3")])
    );
    let own = ask(&own, &request).unwrap();
    for n in [2, 3] {
        let (_, given) = grant(&record(n), &all(), &[], &cp1(), &request).unwrap();
        let held = heard.get_mut(&name(&format!("cp{n}"))).unwrap();
        assert!(!matches!(
            candidate::decide(&own, &all(), &BTreeMap::new()),
            Verdict::Begin(_)
        ));
        held.grant = Some((instance(n), given));
    }
    let Verdict::Begin(begun) = candidate::decide(&own, &all(), &heard) else {
        panic!("it begins");
    };
    assert!(matches!(begun.stage, Stage::Initialising(_)));
    assert_eq!(candidate::begin(&own, &begun), Ok(*begun.clone()));
    assert_eq!(candidate::begin(&begun, &begun), Ok(*begun.clone()));
    let word = word("cp1", &[(1, 1), (2, 2)], &[("cp3", &[3])]);
    let raised = overrule(&own, &all(), &[], &operator(), &word).unwrap();
    assert!(
        candidate::begin(&raised, &begun).is_err(),
        "an override came between"
    );
    let told = adopt(&own, &witness(2), &identity("aa")).unwrap();
    assert!(
        candidate::begin(&told, &begun).is_err(),
        "a cluster came between"
    );

    heard
        .get_mut(&name("cp3"))
        .unwrap()
        .grant
        .as_mut()
        .unwrap()
        .0 = instance(8);
    assert!(
        matches!(candidate::decide(&own, &all(), &heard), Verdict::Ask(_, open) if open == [name("cp3")])
    );
}

#[test]
fn a_majority_is_counted_among_the_others() {
    for (nodes, others) in [(1, 0), (3, 2), (5, 3), (7, 4)] {
        let spec = spec(GrantPolicy::Majority, nodes);
        assert_eq!(candidate::wanted(&record(1), &spec), others, "{nodes}");
    }
    let mut raised = record(1);
    raised.epoch = 1;
    assert_eq!(
        candidate::wanted(&raised, &spec(GrantPolicy::Majority, 5)),
        4
    );
}

#[test]
fn an_adverse_answer_stops_the_candidate_by_name() {
    let reimaged = StandingAnswer {
        roster: [(name("cp1"), instance(8))].into(),
        ..virgin(3)
    };
    let foreign = record(3).answer(&all(), &["/etc/kubernetes/pki/ca.crt".to_owned()], false);
    let later = StandingAnswer {
        epoch: 1,
        ..virgin(3)
    };
    let other_spec = record(3).answer(&spec(GrantPolicy::All, 5), &[], false);
    let said = [
        (reimaged, "cp1 is known here as"),
        (foreign, "/etc/kubernetes/pki/ca.crt"),
        (later, "at epoch 0, the caller at 1"),
        (other_spec, "holds spec"),
    ];
    for (answer, said) in said {
        let (own, heard) = candidate(&[virgin(2), answer]);
        let Verdict::Stop(objections) = candidate::decide(&own, &all(), &heard) else {
            panic!("{said}: it stops");
        };
        assert_eq!(objections[0].0, name("cp3"));
        let text = objections[0].1.to_string();
        assert!(text.contains(said), "{said}: {text}");
    }
    let (own, heard) = candidate(&[virgin(2), member(3, "aa", true).answer(&all(), &[], true)]);
    let verdict = candidate::decide(&own, &all(), &heard);
    assert!(
        matches!(verdict, Verdict::JoinOnly { identity: known, .. } if known == identity("aa"))
    );
}
