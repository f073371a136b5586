//! Whether a rotation is under way, and between which two CAs: what nodes say tells it, nothing is remembered.

use std::collections::BTreeMap;

use hactl_proto::rotation::{AuthoritySeen, Fingerprint, TrustSeen};

/// What the nodes have to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// With one CA alone.
    Rest(Fingerprint),
    /// With two: the one that began to be valid later is the successor.
    Between {
        /// The CA that was in force.
        older: Fingerprint,
        /// Its successor.
        newer: Fingerprint,
        /// What is known of the successor.
        successor: AuthoritySeen,
    },
    /// With none, or with more than two, or with two that can't be put in order.
    Unclear(Vec<Fingerprint>),
}

/// Tells it.
pub fn course(seen: &[TrustSeen]) -> Course {
    let mut known: BTreeMap<&Fingerprint, &AuthoritySeen> = BTreeMap::new();
    for one in seen {
        known.extend(&one.authorities);
    }
    let mut all: Vec<(&Fingerprint, &AuthoritySeen)> = known.into_iter().collect();
    all.sort_by_key(|(_, about)| about.not_before);
    match all.as_slice() {
        [(only, _)] => Course::Rest((*only).clone()),
        [(older, one), (newer, successor)] if one.not_before < successor.not_before => {
            Course::Between {
                older: (*older).clone(),
                newer: (*newer).clone(),
                successor: (*successor).clone(),
            }
        }
        others => Course::Unclear(others.iter().map(|(one, _)| (*one).clone()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use hactl_proto::Timestamp;
    use hactl_proto::name::NodeName;
    use hactl_proto::rotation::Authority;

    use super::*;

    fn seen(cas: &[(&str, i64)]) -> TrustSeen {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        TrustSeen {
            node: NodeName::new("cp1").unwrap(),
            at: at(0),
            authority: Authority::Etcd,
            signer: None,
            holds: [].into(),
            believes: [].into(),
            pending: [].into(),
            presents: [].into(),
            authorities: cas
                .iter()
                .map(|(letter, begin)| {
                    let about = AuthoritySeen {
                        authority: true,
                        not_before: at(*begin),
                        not_after: at(begin + 9),
                        certificate: String::new(),
                    };
                    (ca(letter), about)
                })
                .collect(),
            pods: None,
            complaint: None,
        }
    }

    fn ca(letter: &str) -> Fingerprint {
        Fingerprint::new(&letter.repeat(64)).unwrap()
    }

    #[test]
    fn of_two_the_later_is_the_successor_wherever_they_are_seen() {
        let (old, both) = (seen(&[("b", 1)]), seen(&[("b", 1), ("a", 2)]));
        assert_eq!(course(&[old.clone(), old.clone()]), Course::Rest(ca("b")));
        for order in [[old.clone(), both.clone()], [both, old]] {
            let Course::Between { older, newer, .. } = course(&order) else {
                panic!("no course");
            };
            assert_eq!((older, newer), (ca("b"), ca("a")));
        }
    }

    #[test]
    fn none_three_and_two_of_one_age_are_unclear() {
        assert_eq!(course(&[]), Course::Unclear(Vec::new()));
        let three = seen(&[("a", 1), ("b", 2), ("c", 3)]);
        assert!(matches!(course(&[three]), Course::Unclear(all) if all.len() == 3));
        assert!(matches!(
            course(&[seen(&[("a", 1), ("b", 1)])]),
            Course::Unclear(_)
        ));
    }
}
