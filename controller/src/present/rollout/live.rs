//! A rollout while it runs: on a terminal a table with a bar a node, drawn anew; elsewhere a line for each change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use hactl_cluster_plan::rollout::RolloutPlan;
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent, Waiting};

use crate::present::words::{clean, shortened};
use crate::present::{Screen, time};
use crate::rollout::Told;

/// Characters of a bar.
const BAR: usize = 16;
/// Characters of a line.
const WIDTH: usize = 118;

/// Shows a rollout. What it draws is standard error's.
pub struct Live {
    screen: Screen,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nodes: Vec<NodeName>,
    now: BTreeMap<NodeName, Now>,
    waits: Option<(Vec<String>, Timestamp)>,
    drawn: usize,
    said: String,
}

/// What a node is at.
#[derive(Default, Clone)]
struct Now {
    order: &'static str,
    by: Option<NodeName>,
    index: u32,
    of: u32,
    step: String,
    waiting: Option<Waiting>,
    ended: Option<bool>,
}

impl Live {
    /// Of a plan's nodes.
    pub fn new(screen: Screen, plan: &RolloutPlan) -> Self {
        let mut nodes: Vec<NodeName> = Vec::new();
        let phases = plan.hops.iter().flat_map(|hop| &hop.phases);
        for node in phases.flat_map(|phase| &phase.batches).flatten() {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        Self::of(screen, nodes)
    }

    /// Of these nodes.
    pub fn of(screen: Screen, nodes: Vec<NodeName>) -> Self {
        Self {
            screen,
            state: Mutex::new(State {
                nodes,
                ..State::default()
            }),
        }
    }

    /// Shows what was told.
    pub fn show(&self, told: &Told) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = state.take(told);
        if self.screen.draws() {
            let table = state.table(Timestamp::now());
            let up = if state.drawn > 0 {
                format!("\u{1b}[{}A\u{1b}[J", state.drawn)
            } else {
                String::new()
            };
            state.drawn = table.lines().count();
            let note = if let Told::Note(note) = told {
                format!("{}\n", clean(note))
            } else {
                String::new()
            };
            self.screen.note(&format!("{up}{note}{}", table.trim_end()));
        } else if let Some(text) = text.filter(|text| *text != state.said) {
            self.screen
                .note(&format!("{} {text}", time::moment(Timestamp::now())));
            state.said = text;
        }
    }
}

impl State {
    /// Takes it in; gives its line, where it is a change.
    fn take(&mut self, told: &Told) -> Option<String> {
        match told {
            Told::Note(text) => Some(clean(text)),
            Told::Waits { reasons, since } => {
                self.waits = Some((reasons.clone(), *since));
                Some(format!("waiting for {}", clean(&reasons.join("; "))))
            }
            Told::Event {
                node,
                subject,
                order,
                event,
            } => {
                self.waits = None;
                let now = self.now.entry(subject.clone()).or_default();
                if now.order != *order || now.by.as_ref() != Some(node) {
                    *now = Now {
                        order,
                        by: Some(node.clone()),
                        ..Now::default()
                    };
                }
                let who = if node == subject {
                    String::new()
                } else {
                    format!(" by {node}")
                };
                now.apply(event);
                let word = match event {
                    ReportEvent::Planned { .. } | ReportEvent::Finished { .. } => return None,
                    ReportEvent::Started { step, index } => {
                        format!("{step} ({index} of {})", now.of)
                    }
                    ReportEvent::Waiting(waiting) => format!(
                        "waiting for {}: {}",
                        waiting.condition,
                        clean(&waiting.observed)
                    ),
                    ReportEvent::Ended(Outcome::Succeeded) => "done".to_owned(),
                    ReportEvent::Ended(Outcome::Refused { findings }) => {
                        let checks: Vec<String> = findings
                            .iter()
                            .map(|one| format!("{}: {}", one.check, clean(&one.observed)))
                            .collect();
                        format!("refused: {}", checks.join("; "))
                    }
                    ReportEvent::Ended(Outcome::Failed { step, error, .. }) => {
                        format!("failed at {step}: failed to {}", clean(error))
                    }
                };
                Some(format!("{subject} {order}{who}: {word}"))
            }
        }
    }

    /// The table: a bar a node, and one line of what the whole waits for.
    fn table(&self, now: Timestamp) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            let line = match self.now.get(node) {
                None => format!("{node:<16} {}", bar(0, 0)),
                Some(at) => {
                    let step = match (&at.ended, &at.waiting) {
                        (Some(true), _) => "done".to_owned(),
                        (Some(false), _) => "failed".to_owned(),
                        (None, Some(wait)) => format!(
                            "{}, waiting for {} since {}: {}",
                            at.step,
                            wait.condition,
                            time::since(wait.since, now),
                            clean(&wait.observed)
                        ),
                        (None, None) => at.step.clone(),
                    };
                    let done = if at.ended == Some(true) {
                        at.of.max(1)
                    } else {
                        at.index.saturating_sub(1)
                    };
                    format!(
                        "{node:<16} {} {:<15} {step}",
                        bar(done, at.of.max(1)),
                        at.order
                    )
                }
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", shortened(&line, WIDTH));
        }
        if let Some((reasons, since)) = &self.waits {
            let line = format!(
                "waiting for {} since {}",
                clean(&reasons.join("; ")),
                time::since(*since, now)
            );
            let _ = writeln!(text, "{}", shortened(&line, WIDTH));
        }
        text
    }
}

impl Now {
    fn apply(&mut self, event: &ReportEvent) {
        match event {
            ReportEvent::Planned { steps } => {
                self.of = u32::try_from(steps.len()).unwrap_or(u32::MAX);
                self.ended = None;
            }
            ReportEvent::Started { index, step } => {
                self.index = *index;
                self.step.clone_from(step);
                self.waiting = None;
            }
            ReportEvent::Waiting(waiting) => self.waiting = Some(waiting.clone()),
            ReportEvent::Finished { .. } => self.waiting = None,
            ReportEvent::Ended(outcome) => self.ended = Some(*outcome == Outcome::Succeeded),
        }
    }
}

pub(in crate::present) fn bar(done: u32, of: u32) -> String {
    let filled = if of == 0 {
        0
    } else {
        BAR * done as usize / of as usize
    };
    format!(
        "[{}{}]",
        "#".repeat(filled),
        "-".repeat(BAR - filled.min(BAR))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples::ago;

    fn told(event: ReportEvent) -> Told {
        Told::Event {
            node: NodeName::new("cp1").unwrap(),
            subject: NodeName::new("cp1").unwrap(),
            order: "upgrade",
            event,
        }
    }

    #[test]
    fn a_node_is_a_bar_with_what_it_waits_for() {
        let mut state = State {
            nodes: ["cp1", "w1"]
                .map(|name| NodeName::new(name).unwrap())
                .to_vec(),
            ..State::default()
        };
        let steps = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        state.take(&told(ReportEvent::Planned { steps }));
        let began = ReportEvent::Started {
            index: 3,
            step: "kubeadm-upgrade".to_owned(),
        };
        assert_eq!(
            state.take(&told(began)).unwrap(),
            "cp1 upgrade: kubeadm-upgrade (3 of 4)"
        );
        state.take(&told(ReportEvent::Waiting(Waiting {
            condition: "kubeadm".to_owned(),
            since: ago(42),
            observed: "it runs".to_owned(),
        })));
        state.take(&Told::Waits {
            reasons: vec!["cp3 to answer".to_owned()],
            since: ago(7),
        });
        let table = state.table(ago(0));
        assert!(table.contains("cp1              [########--------] upgrade         kubeadm-upgrade, waiting for kubeadm since 17:19:18Z (42 s)"), "{table}");
        assert!(
            table.contains("w1               [----------------]"),
            "{table}"
        );
        assert!(
            table.ends_with("waiting for cp3 to answer since 17:19:53Z (7 s)\n"),
            "{table}"
        );
        let ended = state
            .take(&told(ReportEvent::Ended(Outcome::Succeeded)))
            .unwrap();
        assert_eq!(ended, "cp1 upgrade: done");
    }
}
