use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::etcd::{MemberHealth, MemberList};

/// A member of a test's list.
#[derive(Debug, Clone, Copy)]
struct Sketch {
    started: bool,
    learner: bool,
    healthy: Option<bool>,
}

const WELL: Sketch = Sketch {
    started: true,
    learner: false,
    healthy: Some(true),
};
const DEAD: Sketch = Sketch {
    healthy: Some(false),
    ..WELL
};
const LEARNER: Sketch = Sketch {
    learner: true,
    ..WELL
};
const NEVER_STARTED: Sketch = Sketch {
    started: false,
    healthy: None,
    ..WELL
};

fn view(members: &[Sketch]) -> Known<EtcdView> {
    let mut health = BTreeMap::new();
    let list = (1_u64..)
        .zip(members)
        .map(|(id, sketch)| {
            if let Some(healthy) = sketch.healthy {
                let state = if healthy {
                    MemberHealth::Healthy
                } else {
                    MemberHealth::Unhealthy("no answer".to_owned())
                };
                health.insert(MemberId(id), state);
            }
            let started = |text: String| if sketch.started { text } else { String::new() };
            EtcdMember {
                id: MemberId(id),
                name: started(format!("cp{id}")),
                peer_urls: vec![format!("https://10.0.0.{id}:2380")],
                client_urls: if sketch.started {
                    vec![format!("https://10.0.0.{id}:2379")]
                } else {
                    Vec::new()
                },
                learner: sketch.learner,
            }
        })
        .collect();
    Known::Is(EtcdView {
        list: MemberList {
            cluster: MemberId(99),
            answered: MemberId(1),
            members: list,
        },
        health,
        alarms: Known::Is(Vec::new()),
    })
}

#[test]
fn removal_is_judged_on_the_list_that_is_left() {
    let one = MemberId(1);
    assert_eq!(may_remove(&view(&[WELL]), one), Err(Unsafe::Last(one)));
    assert_eq!(may_remove(&view(&[DEAD, WELL]), one), Ok(()));
    assert_eq!(may_remove(&view(&[DEAD, WELL, WELL]), one), Ok(()));
    let no_quorum = Err(Unsafe::NoQuorum {
        healthy: 1,
        voters: 2,
        wanted: 2,
    });
    assert_eq!(may_remove(&view(&[DEAD, DEAD, WELL]), one), no_quorum);
    assert_eq!(
        may_remove(&view(&[WELL, WELL, NEVER_STARTED]), one),
        no_quorum
    );
    assert_eq!(
        may_remove(&view(&[WELL, WELL, WELL, LEARNER]), one),
        Err(Unsafe::Learner(MemberId(4)))
    );
    assert_eq!(
        may_remove(&view(&[WELL, WELL, LEARNER]), MemberId(3)),
        Ok(())
    );
    assert_eq!(
        may_remove(&view(&[WELL, WELL]), MemberId(7)),
        Err(Unsafe::NoSuchMember(MemberId(7)))
    );
}

#[test]
fn an_unreadable_or_empty_list_refuses_everything() {
    let unreadable = Known::Unknown("connection refused".to_owned());
    for view in [unreadable, view(&[])] {
        assert!(may_remove(&view, MemberId(1)).is_err());
        assert!(may_add(&view, None).is_err());
        assert!(may_stop(&view, MemberId(1)).is_err());
    }
}

#[test]
fn adding_wants_every_voter_well_and_no_alarm() {
    assert_eq!(may_add(&view(&[WELL]), None), Ok(()));
    assert!(may_add(&view(&[WELL, LEARNER]), None).is_err());
    assert!(may_add(&view(&[WELL, WELL, NEVER_STARTED]), None).is_err());
    assert_eq!(
        may_add(&view(&[WELL, WELL, NEVER_STARTED]), Some(MemberId(3))),
        Ok(())
    );
    let Known::Is(mut alarmed) = view(&[WELL]) else {
        unreachable!()
    };
    alarmed.alarms = Known::Unknown("time-out".to_owned());
    assert!(may_add(&Known::Is(alarmed), None).is_err());
}

#[test]
fn stopping_counts_the_stopped_one_as_bad() {
    assert!(may_stop(&view(&[WELL, WELL]), MemberId(1)).is_err());
    assert_eq!(may_stop(&view(&[WELL, WELL, WELL]), MemberId(1)), Ok(()));
    assert!(may_stop(&view(&[WELL, WELL, DEAD]), MemberId(1)).is_err());
    assert_eq!(may_stop(&view(&[WELL, WELL, DEAD]), MemberId(3)), Ok(()));
}

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let sketch = (
        any::<bool>(),
        prop::bool::weighted(0.2),
        any::<Option<bool>>(),
    )
        .prop_map(|(started, learner, healthy)| Sketch {
            started,
            learner,
            healthy,
        });
    prop::collection::vec(sketch, 0..7)
}

proptest! {
    /// Never below quorum: whatever the list, a removal or a stop that is allowed leaves a healthy majority.
    #[test]
    fn what_is_allowed_leaves_a_healthy_majority(members in sketches(), id in 1_u64..8) {
        let view = view(&members);
        let Known::Is(seen) = &view else { unreachable!() };
        let well = |leave: bool| seen.list.voters()
            .filter(|m| !(leave && m.id == MemberId(id)) && seen.healthy(m)).count();
        let voters = seen.list.voters().count();
        let voter = seen.list.voters().any(|m| m.id == MemberId(id));
        if may_remove(&view, MemberId(id)).is_ok() && voter {
            prop_assert!(voters > 1);
            prop_assert!(well(true) * 2 > voters - 1);
        }
        if may_stop(&view, MemberId(id)).is_ok() {
            prop_assert!(well(true) * 2 > voters);
        }
    }

    /// What may be added to has a healthy quorum also with the newcomer counted as bad, from two members on; with one it can't.
    #[test]
    fn a_newcomer_that_never_starts_costs_no_quorum_from_two_members_on(members in sketches()) {
        let view = view(&members);
        let Known::Is(seen) = &view else { unreachable!() };
        if may_add(&view, None).is_ok() {
            let voters = seen.list.voters().count();
            prop_assert!(voters > 0);
            prop_assert_eq!(seen.list.voters().filter(|m| seen.healthy(m)).count(), voters);
            prop_assert!(voters < 2 || voters >= quorum(voters + 1));
        }
    }
}
