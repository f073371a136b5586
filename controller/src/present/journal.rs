//! `journal NODE`: what happened on a node, in order.

use hactl_proto::journal::{JournalEntry, JournalEvent};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use serde::Serialize;

use super::View;
use super::style::{Style, Tone};
use super::{time, words};

/// A node's journal, or a part of it.
#[derive(Debug, Clone, Serialize)]
pub struct JournalView {
    /// The node.
    pub node: NodeName,
    /// Its entries, oldest first.
    pub entries: Vec<JournalEntry>,
}

impl View for JournalView {
    fn text(&self, style: Style) -> String {
        if self.entries.is_empty() {
            return format!("{}: the journal has no entry of that kind\n", self.node);
        }
        let mut text = String::new();
        let mut current = None;
        for entry in &self.entries {
            if current != Some(&entry.operation) {
                let head = format!("{} ({})", entry.operation, entry.kind);
                words::line(
                    &mut text,
                    format_args!("{}", style.paint(Tone::Head, &words::clean(&head))),
                );
                current = Some(&entry.operation);
            }
            let (tone, lines) = event(&entry.event);
            let mut lines = lines
                .iter()
                .map(|line| style.paint(tone, &words::clean(line)));
            let first = lines.next().unwrap_or_default();
            words::line(
                &mut text,
                format_args!("  {}  {first}", time::moment(entry.at)),
            );
            lines.for_each(|line| words::line(&mut text, format_args!("{:24}{line}", "")));
        }
        text
    }
}

fn event(event: &JournalEvent) -> (Tone, Vec<String>) {
    match event {
        JournalEvent::Accepted { generation, fence } => {
            let lease = fence
                .map(|fence| format!(", under lease {}", fence.0))
                .unwrap_or_default();
            (
                Tone::Plain,
                vec![format!("accepted, of generation {generation}{lease}")],
            )
        }
        JournalEvent::Resumed => (
            Tone::Doubtful,
            vec![
                "the agent was started again: facts are read again, the plan is computed again"
                    .to_owned(),
            ],
        ),
        JournalEvent::Report { event } => report(event),
    }
}

fn report(event: &ReportEvent) -> (Tone, Vec<String>) {
    match event {
        ReportEvent::Planned { steps } if steps.is_empty() => (
            Tone::Plain,
            vec!["planned nothing: the state is there already".to_owned()],
        ),
        ReportEvent::Planned { steps } => (
            Tone::Plain,
            vec![format!("planned {}: {}", steps.len(), steps.join(", "))],
        ),
        ReportEvent::Started { index, step } => {
            (Tone::Plain, vec![format!("step {index} started: {step}")])
        }
        ReportEvent::Waiting(waiting) => {
            let line = format!(
                "waits for {}; seen last: {}",
                waiting.condition, waiting.observed
            );
            (Tone::Faint, vec![line])
        }
        ReportEvent::Finished { index, step } => {
            (Tone::Plain, vec![format!("step {index} finished: {step}")])
        }
        ReportEvent::Ended(outcome) => ended(outcome),
    }
}

fn ended(outcome: &Outcome) -> (Tone, Vec<String>) {
    match outcome {
        Outcome::Succeeded => (Tone::Good, vec!["succeeded".to_owned()]),
        Outcome::Refused { findings } => {
            let mut lines = vec!["refused, nothing was changed".to_owned()];
            for finding in findings {
                lines.push(format!(
                    "{}: {}; wanted: {}",
                    finding.check, finding.observed, finding.wanted
                ));
                lines.push(format!("  remedy: {}", finding.remedy));
            }
            (Tone::Doubtful, lines)
        }
        Outcome::Failed {
            step,
            error,
            done,
            remedy,
        } => {
            let mut lines = vec![format!("failed at {step}")];
            lines.extend(error.lines().map(|line| format!("| {line}")));
            let changed = if done.is_empty() {
                "nothing".to_owned()
            } else {
                done.join(", ")
            };
            lines.push(format!("changed before: {changed}"));
            lines.push(format!("remedy: {remedy}"));
            (Tone::Bad, lines)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples::ago;
    use hactl_proto::instruction::{Fence, OperationId};

    fn entry(seconds: i64, operation: &str, event: JournalEvent) -> JournalEntry {
        let operation = OperationId::new(operation).unwrap();
        JournalEntry {
            at: ago(seconds),
            operation,
            kind: "join-worker".to_owned(),
            event,
        }
    }

    fn said(event: ReportEvent) -> JournalEvent {
        JournalEvent::Report { event }
    }

    #[test]
    fn an_operation_that_failed_and_one_that_ran_after_a_restart() {
        let failed = Outcome::Failed {
            step: "kubeadm-join".to_owned(),
            error: "exit status 1\n[preflight] \u{1b}[31mport 10250 is in use\n".to_owned(),
            done: vec!["write-kubeadm-config".to_owned()],
            remedy: "stop what holds the port".to_owned(),
        };
        let steps = vec!["write-kubeadm-config".to_owned(), "kubeadm-join".to_owned()];
        let entries = vec![
            entry(
                90,
                "join-1",
                JournalEvent::Accepted {
                    generation: 3,
                    fence: Some(Fence(7)),
                },
            ),
            entry(
                90,
                "join-1",
                said(ReportEvent::Planned {
                    steps: steps.clone(),
                }),
            ),
            entry(
                89,
                "join-1",
                said(ReportEvent::Started {
                    index: 2,
                    step: "kubeadm-join".to_owned(),
                }),
            ),
            entry(80, "join-1", said(ReportEvent::Ended(failed))),
            entry(
                60,
                "join-2",
                JournalEvent::Accepted {
                    generation: 3,
                    fence: None,
                },
            ),
            entry(50, "join-2", JournalEvent::Resumed),
            entry(
                49,
                "join-2",
                said(ReportEvent::Planned { steps: Vec::new() }),
            ),
            entry(48, "join-2", said(ReportEvent::Ended(Outcome::Succeeded))),
        ];
        let view = JournalView {
            node: NodeName::new("w1").unwrap(),
            entries,
        };
        insta::assert_snapshot!(view.text(Style::Plain), @r#"
        join-1 (join-worker)
          2026-11-22 17:18:30Z  accepted, of generation 3, under lease 7
          2026-11-22 17:18:30Z  planned 2: write-kubeadm-config, kubeadm-join
          2026-11-22 17:18:31Z  step 2 started: kubeadm-join
          2026-11-22 17:18:40Z  failed at kubeadm-join
                                | exit status 1
                                | [preflight] \u{1b}[31mport 10250 is in use
                                changed before: write-kubeadm-config
                                remedy: stop what holds the port
        join-2 (join-worker)
          2026-11-22 17:19:00Z  accepted, of generation 3
          2026-11-22 17:19:10Z  the agent was started again: facts are read again, the plan is computed again
          2026-11-22 17:19:11Z  planned nothing: the state is there already
          2026-11-22 17:19:12Z  succeeded
        "#);
        insta::assert_snapshot!(serde_json::to_string(&view.entries[0]).unwrap(), @r#"{"at":"2026-11-22T17:18:30Z","operation":"join-1","kind":"join-worker","event":{"entry":"accepted","generation":3,"fence":7}}"#);
    }

    #[test]
    fn an_empty_journal_says_so() {
        let view = JournalView {
            node: NodeName::new("w1").unwrap(),
            entries: Vec::new(),
        };
        insta::assert_snapshot!(view.text(Style::Plain), @"w1: the journal has no entry of that kind");
    }
}
