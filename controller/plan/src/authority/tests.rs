//! Every state that a rotation can reach, with cuts anywhere, pods that begin anew when they like, and turning back at any moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

mod table;

type Cas = BTreeSet<Fingerprint>;
/// Of a node: pairs, beliefs, what is presented.
type Part = (Cas, BTreeMap<String, Cas>, BTreeMap<String, Fingerprint>);
type Plan = fn(&Rotation, &Seen) -> Decision;

fn ca(letter: &str) -> Fingerprint {
    Fingerprint::new(&letter.repeat(64)).unwrap()
}

fn cas(letters: &[&str]) -> Cas {
    letters.iter().map(|letter| ca(letter)).collect()
}

fn rotation() -> Rotation {
    Rotation {
        authority: Authority::Kubernetes,
        from: ca("a"),
        to: ca("b"),
        reissue: false,
        finish: false,
        workers_at_once: 2,
    }
}

fn node(name: &str, trust: Trust) -> SeenNode {
    SeenNode {
        name: NodeName::new(name).unwrap(),
        role: if name.starts_with('w') {
            NodeRole::Worker
        } else {
            NodeRole::ControlPlane
        },
        trust: Answer::Said(trust),
    }
}

fn trust(holds: &[&str], processes: &[&str], certificates: &[&str]) -> Trust {
    let text = |name: &&str| (*name).to_owned();
    Trust {
        holds: cas(holds),
        believes: processes
            .iter()
            .map(|one| (text(one), cas(&["a"])))
            .collect(),
        presents: certificates
            .iter()
            .map(|one| (text(one), ca("a")))
            .collect(),
        pending: BTreeSet::new(),
        complaint: None,
    }
}

fn before() -> Seen {
    Seen {
        nodes: vec![
            node(
                "cp1",
                trust(&["a"], &["api-server", "kubelet"], &["apiserver", "signer"]),
            ),
            node("cp2", trust(&["a"], &["api-server"], &["apiserver"])),
            node("w1", trust(&[], &["kubelet"], &["kubelet-client"])),
        ],
        pods: Ok(BTreeSet::new()),
    }
}

/// A rotation under way. Pods are one group, that may begin anew at any time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    nodes: Vec<Part>,
    pods: Cas,
    back: bool,
    reissue: bool,
    finish: bool,
}

impl State {
    fn first() -> Self {
        let seen = before();
        let parts = seen.nodes.iter().map(|node| {
            let trust = node.trust.said().unwrap().clone();
            (trust.holds, trust.believes, trust.presents)
        });
        Self {
            nodes: parts.collect(),
            pods: cas(&["a"]),
            back: false,
            reissue: false,
            finish: false,
        }
    }

    fn rotation(&self) -> Rotation {
        let one = if self.back {
            rotation().back()
        } else {
            rotation()
        };
        Rotation {
            reissue: self.reissue || self.back,
            finish: self.finish,
            ..one
        }
    }

    fn seen(&self) -> Seen {
        let mut seen = before();
        for (node, (holds, believes, presents)) in seen.nodes.iter_mut().zip(&self.nodes) {
            node.trust = Answer::Said(Trust {
                holds: holds.clone(),
                believes: believes.clone(),
                presents: presents.clone(),
                pending: BTreeSet::new(),
                complaint: None,
            });
        }
        let strangers = (!self.pods.contains(&self.rotation().to)).then(|| "web".to_owned());
        seen.pods = Ok(strangers.into_iter().collect());
        seen
    }

    /// Pods are given what the first control plane's processes believe.
    fn pods_begun_anew(&self) -> Self {
        let given = self.nodes[0].1["api-server"].clone();
        Self {
            pods: given,
            ..self.clone()
        }
    }

    /// Each single effect of a node's turn that is not there yet: it may be cut off after any of them.
    fn effects(&self, stage: Stage, at: usize) -> Vec<Self> {
        let to = self.rotation().to;
        let mut after = Vec::new();
        let mut with = |change: &dyn Fn(&mut Part)| {
            let mut next = self.clone();
            change(&mut next.nodes[at]);
            if next != *self {
                after.push(next);
            }
        };
        let (_, believes, presents) = &self.nodes[at];
        match stage {
            Stage::Pods => {}
            Stage::Prepare => with(&|node| {
                node.0.insert(to.clone());
            }),
            Stage::Trust => believes.keys().for_each(|process| {
                with(&|node| {
                    node.1.get_mut(process).unwrap().insert(to.clone());
                });
            }),
            Stage::Reissue => presents.keys().for_each(|one| {
                with(&|node| drop(node.2.insert(one.clone(), to.clone())));
            }),
            Stage::Distrust => {
                for process in believes.keys() {
                    with(&|node| node.1.get_mut(process).unwrap().retain(|one| *one == to));
                }
                with(&|node| node.0.retain(|one| *one == to));
            }
        }
        after
    }

    /// What may come next if this is decided.
    fn decided(&self, decision: &Decision) -> Vec<Self> {
        match decision {
            Decision::Done | Decision::Wait(_) => Vec::new(),
            Decision::Confirm(Stage::Reissue) => vec![Self {
                reissue: true,
                ..self.clone()
            }],
            Decision::Confirm(_) => vec![Self {
                finish: true,
                ..self.clone()
            }],
            Decision::RestartPods(_) => vec![self.pods_begun_anew()],
            Decision::Turn(stage, names) => {
                let seen = self.seen();
                let places =
                    (0..seen.nodes.len()).filter(|at| names.contains(&seen.nodes[*at].name));
                places.flat_map(|at| self.effects(*stage, at)).collect()
            }
        }
    }

    /// Whatever is presented is believed, by every process of every node and by every pod.
    fn understood(&self) -> Result<(), String> {
        let presented: Cas = self
            .nodes
            .iter()
            .flat_map(|node| node.2.values().cloned())
            .collect();
        let believing = self.nodes.iter().flat_map(|node| node.1.values());
        for believes in believing.chain([&self.pods]) {
            if !presented.is_subset(believes) {
                return Err(format!("somebody is not understood in {self:?}"));
            }
        }
        Ok(())
    }
}

/// Walks through every state that can be reached; how many there are, or the first in which somebody is not understood.
fn explore(plan: Plan) -> Result<BTreeSet<State>, String> {
    let mut known = BTreeSet::from([State::first()]);
    let mut open = VecDeque::from([State::first()]);
    while let Some(state) = open.pop_front() {
        state.understood()?;
        let mut next = state.decided(&plan(&state.rotation(), &state.seen()));
        next.push(state.pods_begun_anew());
        next.push(State {
            back: !state.back,
            finish: false,
            ..state.clone()
        });
        for one in next {
            if known.insert(one.clone()) {
                open.push_back(one);
            }
        }
    }
    Ok(known)
}

#[test]
fn wherever_it_is_cut_off_or_turned_back_everybody_understands_everybody() {
    let states = explore(decide).unwrap();
    assert!(states.len() > 500, "{}", states.len());
}

#[test]
fn from_every_state_it_comes_to_its_end_both_ways() {
    for state in explore(decide).unwrap() {
        for back in [false, true] {
            let mut state = State {
                back,
                reissue: true,
                finish: true,
                ..state.clone()
            };
            let mut steps = 0;
            loop {
                let decision = decide(&state.rotation(), &state.seen());
                if decision == Decision::Done {
                    break;
                }
                let next = state.decided(&decision);
                state = next
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| panic!("{decision:?} does nothing"));
                steps += 1;
                assert!(steps < 50, "no end from {state:?}");
            }
            let to = state.rotation().to;
            for (holds, believes, presents) in &state.nodes {
                assert!(
                    holds
                        .iter()
                        .chain(believes.values().flatten())
                        .all(|one| *one == to)
                );
                assert!(presents.values().all(|one| *one == to));
            }
        }
    }
}

#[test]
fn plans_with_a_wrong_order_are_caught() {
    let wrong: [Plan; 3] = [
        |rotation, seen| match decide(rotation, seen) {
            Decision::Turn(Stage::Trust, nodes) => Decision::Turn(Stage::Reissue, nodes),
            other => other,
        },
        |rotation, seen| match decide(rotation, seen) {
            Decision::Turn(Stage::Reissue, nodes) => Decision::Turn(Stage::Distrust, nodes),
            other => other,
        },
        |rotation, seen| {
            let seen = Seen {
                pods: Ok(BTreeSet::new()),
                ..seen.clone()
            };
            decide(rotation, &seen)
        },
    ];
    for plan in wrong {
        explore(plan).unwrap_err();
    }
}
