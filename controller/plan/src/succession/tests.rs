//! Tables, and every state that can be reached: cut off after each single order, nodes that come and go, turned back at any moment.

use std::collections::VecDeque;

use hactl_proto::Timestamp;

use super::*;
use crate::observed::Silence;

fn key(letter: &str) -> Fingerprint {
    Fingerprint::new(&letter.repeat(64)).unwrap()
}

fn name(at: usize) -> NodeName {
    NodeName::new(format!("n{at}")).unwrap()
}

fn silent<T>() -> Answer<T> {
    Answer::Silent(Silence {
        since: Timestamp::UNIX_EPOCH,
        tried_ms: 10,
        reason: "connection refused".to_owned(),
    })
}

/// Nodes by the order of their keys, the one in use first; an empty word is one that does not answer.
fn seen(words: &[&str]) -> Vec<SeenNode> {
    let part = |word: &&str| {
        let keys: Vec<Fingerprint> = word.chars().map(|one| key(&one.to_string())).collect();
        keys.first().map_or_else(silent, |first| {
            Answer::Said(Part {
                believes: keys.iter().cloned().collect(),
                uses: [first.clone()].into(),
            })
        })
    };
    let nodes = words.iter().enumerate();
    nodes
        .map(|(at, word)| SeenNode {
            name: name(at),
            part: part(word),
        })
        .collect()
}

fn to(letter: &str) -> Succession {
    Succession {
        to: key(letter),
        finish: false,
        without: BTreeSet::new(),
    }
}

fn finish(letter: &str) -> Succession {
    Succession {
        finish: true,
        ..to(letter)
    }
}

fn without(at: usize) -> Succession {
    Succession {
        without: [name(at)].into(),
        ..to("b")
    }
}

#[test]
fn each_stage_waits_for_every_node_of_the_one_before() {
    let order =
        |stage, of: &[usize]| Decision::Order(stage, of.iter().map(|at| name(*at)).collect());
    let blocked =
        |stage, of: &[usize]| Decision::Blocked(stage, of.iter().map(|at| name(*at)).collect());
    let (install, employ, remove) = (Stage::Install, Stage::Use, Stage::Remove);
    for (wish, words, wanted) in [
        (to("b"), ["a", "a", "a"], order(install, &[0, 1, 2])),
        (to("b"), ["ab", "a", "ab"], order(install, &[1])),
        // Who answers has the key; who does not holds up its use, by name.
        (to("b"), ["a", "", "a"], order(install, &[0, 2])),
        (to("b"), ["ab", "", "ab"], blocked(install, &[1])),
        (to("b"), ["ab", "ba", ""], blocked(install, &[2])),
        (without(2), ["ab", "ab", ""], order(employ, &[0, 1])),
        // One that is left out and answers all the same is left out no more.
        (without(2), ["ab", "ab", "a"], order(install, &[2])),
        (to("b"), ["ab", "ba", "ab"], order(employ, &[0, 2])),
        (to("b"), ["ba", "ba", "ba"], Decision::Confirm),
        (finish("b"), ["ba", "ba", "ba"], order(remove, &[0, 1, 2])),
        (finish("b"), ["b", "ba", "b"], order(remove, &[1])),
        (finish("b"), ["b", "b", ""], blocked(install, &[2])),
        (finish("b"), ["b", "b", "b"], Decision::Done),
        // Back, from where one has removed the old one already.
        (finish("a"), ["b", "ba", "ba"], order(install, &[0])),
        (finish("a"), ["ba", "ba", "ba"], order(employ, &[0, 1, 2])),
        // A third key is none of this rotation: whoever has it understands nobody yet.
        (to("b"), ["ab", "ab", "c"], order(install, &[2])),
    ] {
        assert_eq!(
            decide(&wish, &seen(&words)),
            wanted,
            "{wish:?} of {words:?}"
        );
    }
}

#[test]
fn who_does_not_answer_is_named_with_what_can_be_done() {
    let findings = held_up(&to("b"), &seen(&["ab", "", ""]));
    assert_eq!(findings.len(), 2);
    assert!(
        findings[0]
            .observed
            .contains("n1 does not answer: connection refused")
    );
    assert!(findings[1].remedy.contains("--without n2"), "{findings:?}");
    assert!(held_up(&without(1), &seen(&["ab", "", "ab"])).is_empty());
}

/// Rings of three nodes, who of them answers, and what the operator wants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    rings: Vec<String>,
    answers: Vec<bool>,
    target: char,
    finish: bool,
}

impl State {
    fn decision(&self) -> Decision {
        let words: Vec<&str> = self
            .rings
            .iter()
            .zip(&self.answers)
            .map(|(ring, answers)| if *answers { ring.as_str() } else { "" })
            .collect();
        let wish = Succession {
            finish: self.finish,
            ..to(&self.target.to_string())
        };
        decide(&wish, &seen(&words))
    }

    /// After each single order of those that are given at once.
    fn after(&self, decision: &Decision) -> Vec<Self> {
        let Decision::Order(stage, nodes) = decision else {
            return Vec::new();
        };
        let other = if self.target == 'a' { "b" } else { "a" };
        let ring = ordered(*stage, &key(&self.target.to_string()), Some(&key(other)));
        let ring: String = ring.iter().map(|one| &one.as_str()[..1]).collect();
        let one = |at: usize| {
            let mut next = self.clone();
            next.rings[at].clone_from(&ring);
            next
        };
        (0..self.rings.len())
            .filter(|at| nodes.contains(&name(*at)))
            .map(one)
            .collect()
    }

    fn understood(&self) -> bool {
        let used = self.rings.iter().filter_map(|ring| ring.chars().next());
        let used: BTreeSet<char> = used.collect();
        self.rings
            .iter()
            .all(|ring| used.iter().all(|one| ring.contains(*one)))
    }
}

#[test]
fn wherever_it_is_cut_off_or_turned_back_everybody_understands_everybody() {
    let first = State {
        rings: vec!["a".to_owned(); 3],
        answers: vec![true; 3],
        target: 'b',
        finish: false,
    };
    let mut known = BTreeSet::from([first.clone()]);
    let mut open = VecDeque::from([first]);
    while let Some(state) = open.pop_front() {
        assert!(state.understood(), "{state:?}");
        let mut next = state.after(&state.decision());
        for at in 0..3 {
            let mut one = state.clone();
            one.answers[at] ^= true;
            next.push(one);
        }
        for (target, finish) in [('a', true), ('b', true), ('b', false)] {
            next.push(State {
                target,
                finish,
                ..state.clone()
            });
        }
        for one in next {
            if known.insert(one.clone()) {
                open.push_back(one);
            }
        }
    }
    assert!(known.len() > 200, "{}", known.len());
    for mut state in known {
        state.answers = vec![true; 3];
        state.finish = true;
        let mut steps = 0;
        while state.decision() != Decision::Done {
            state = state.after(&state.decision()).swap_remove(0);
            steps += 1;
            assert!(steps < 20, "{state:?}");
        }
        assert!(
            state
                .rings
                .iter()
                .all(|ring| *ring == state.target.to_string())
        );
    }
}
