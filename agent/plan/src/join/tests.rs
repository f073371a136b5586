use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::etcd::{EtcdMember, MemberHealth, MemberList, peer_url};
use crate::example::spec;

fn applicant(name: &str, last: u8, role: NodeRole) -> Applicant {
    Applicant {
        node: NodeName::new(name).unwrap(),
        role,
        address: [10, 99, 0, last].into(),
    }
}

fn cp2() -> Applicant {
    applicant("cp2", 12, NodeRole::ControlPlane)
}

/// Members at 10.99.0.11 and on: whether each is well, and whether it is a learner.
fn view(members: &[(bool, bool)]) -> Known<EtcdView> {
    let mut health = BTreeMap::new();
    let members = (1_u64..)
        .zip(members)
        .map(|(id, (well, learner))| {
            let address = format!("10.99.0.{}", 10 + id);
            if *well {
                health.insert(MemberId(id), MemberHealth::Healthy);
            }
            EtcdMember {
                id: MemberId(id),
                name: format!("cp{id}"),
                peer_urls: vec![peer_url(address.parse().unwrap())],
                client_urls: vec![format!("https://{address}:2379")],
                learner: *learner,
            }
        })
        .collect();
    Known::Is(EtcdView {
        list: MemberList {
            cluster: MemberId(9),
            answered: MemberId(1),
            members,
        },
        health,
        alarms: Known::Is(Vec::new()),
    })
}

#[test]
fn a_member_that_is_not_well_goes_and_one_that_is_stays() {
    const WELL: (bool, bool) = (true, false);
    const DEAD: (bool, bool) = (false, false);
    assert_eq!(
        member_action(&view(&[WELL]), &cp2()),
        Ok(MemberAction::None)
    );
    assert_eq!(
        member_action(&view(&[WELL, WELL]), &cp2()),
        Ok(MemberAction::Keep(MemberId(2)))
    );
    let cp3 = applicant("cp3", 13, NodeRole::ControlPlane);
    assert_eq!(
        member_action(&view(&[WELL, WELL, DEAD]), &cp3),
        Ok(MemberAction::Remove(MemberId(3)))
    );
    assert_eq!(
        member_action(&view(&[WELL, (true, true)]), &cp2()),
        Ok(MemberAction::Remove(MemberId(2)))
    );
}

#[test]
fn nobody_joins_while_another_member_is_away_or_etcd_is_unknown() {
    let refused = member_action(&view(&[(true, false), (true, false), (false, false)]), &{
        applicant("cp4", 14, NodeRole::ControlPlane)
    })
    .unwrap_err();
    assert_eq!(
        refused[0].observed,
        "member 3 (cp3) is not healthy: not asked"
    );
    assert!(member_action(&Known::Unknown("no answer".to_owned()), &cp2()).is_err());
}

#[test]
fn a_dead_member_of_two_is_not_removed_by_a_survivor_that_is_unknown() {
    let refused = member_action(&view(&[(false, false), (false, false)]), &cp2()).unwrap_err();
    assert!(refused[0].observed.contains("0 of the 1"), "{refused:?}");
}

fn node(ready: bool, address: &str) -> Known<Option<NodeObject>> {
    Known::Is(Some(NodeObject {
        ready,
        addresses: vec![address.to_owned()],
        ..NodeObject::default()
    }))
}

#[test]
fn a_node_of_an_earlier_try_goes_and_another_machines_is_a_reason() {
    let keep = MemberAction::Keep(MemberId(2));
    let none = MemberAction::None;
    let act = |node, member| node_action(&node, &cp2(), member).map_err(|f| f.check);
    assert_eq!(act(Known::Is(None), none), Ok(NodeAction::Leave));
    assert_eq!(act(node(false, "10.99.0.12"), none), Ok(NodeAction::Delete));
    assert_eq!(act(node(true, "10.99.0.12"), none), Ok(NodeAction::Delete));
    assert_eq!(act(node(true, "10.99.0.12"), keep), Ok(NodeAction::Leave));
    let elsewhere = MemberAction::Elsewhere;
    assert_eq!(
        act(node(true, "10.99.0.12"), elsewhere),
        Ok(NodeAction::Leave)
    );
    assert_eq!(
        act(node(false, "10.99.0.12"), elsewhere),
        Ok(NodeAction::Delete)
    );
    let taken = Err("node-name-taken".to_owned());
    assert_eq!(act(node(true, "10.99.0.77"), none), taken);
    let unknown = Known::Unknown("no answer".to_owned());
    assert!(act(unknown, none).is_err());
    let w1 = applicant("w1", 21, NodeRole::Worker);
    assert_eq!(
        node_action(&node(true, "10.99.0.21"), &w1, none),
        Ok(NodeAction::Leave)
    );
}

#[test]
fn only_whom_the_spec_lets_in_may_join() {
    let mut spec = spec();
    assert_eq!(stranger(&spec, &cp2()), None);
    let seen = |spec: &_, who| stranger(spec, &who).map(|finding| finding.observed);
    let moved = applicant("cp2", 77, NodeRole::ControlPlane);
    assert_eq!(
        seen(&spec, moved).as_deref(),
        Some("cp2 joins with address 10.99.0.77")
    );
    let worker = applicant("cp2", 12, NodeRole::Worker);
    assert!(seen(&spec, worker).unwrap().contains("as worker"));
    let unnamed = || applicant("w9", 99, NodeRole::Worker);
    assert_eq!(seen(&spec, unnamed()), None);
    // The spec may have gained it after this one was written: its certificate was a control plane's decision.
    spec.policies.worker_enrolment = false;
    assert_eq!(seen(&spec, unnamed()), None);
    assert!(seen(&spec, applicant("x", 1, NodeRole::ControlPlane)).is_some());
}

#[test]
fn tokens_are_told_apart_by_what_they_were_minted_for() {
    let purpose = |role, joiner: &str| {
        Purpose {
            joiner: NodeName::new(joiner).unwrap(),
            role,
            sponsor: NodeName::new("cp1").unwrap(),
        }
        .describe()
    };
    let token = |secret: &str, description: String| ListedToken {
        secret: secret.to_owned(),
        description,
    };
    let tokens = [
        token("a", purpose(NodeRole::ControlPlane, "cp2")),
        token("b", purpose(NodeRole::Worker, "w1")),
        token("c", CERTIFICATES_TOKEN.to_owned()),
        token("d", "an operator's own".to_owned()),
        token("e", "hactl join worker by cp1".to_owned()),
    ];
    assert_eq!(tokens_of(&tokens, &cp2().node), ["a"]);
    assert_eq!(control_plane_tokens(&tokens), ["a", "c"]);
    let cp1 = NodeName::new("cp1").unwrap();
    let none = BTreeSet::new();
    assert_eq!(worker_tokens_by(&tokens, &cp1, &none), ["b"]);
    let nothing = Vec::<&str>::new();
    assert_eq!(worker_tokens_by(&tokens, &cp2().node, &none), nothing);
    let since = BTreeSet::from([NodeName::new("w1").unwrap()]);
    assert_eq!(worker_tokens_by(&tokens, &cp1, &since), nothing);
}
