//! What the first boot shows of itself: what it waits for and since when, what stands against going on, that it is settled.

use std::time::Duration;

use hactl_node_plan::bootstrap::next::Missing;
use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::report::Waiting;

use super::{FirstBoot, SETTLED_ROUND};
use crate::host::Host;

/// What the first boot shows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// What is awaited, and since when; `None`: an operation runs, or all is done.
    pub waiting: Option<Waiting>,
    /// What stands against going on.
    pub findings: Vec<Finding>,
    /// Whether the node is settled in its cluster.
    pub settled: bool,
}

impl<H: Host, P> FirstBoot<H, P> {
    /// Says what is awaited; in the log when it changes.
    pub(super) fn say(&self, condition: &str, observed: &str) {
        self.progress.send_if_modified(|progress| {
            progress.findings.clear();
            match &mut progress.waiting {
                Some(waiting) if waiting.condition == condition => {
                    let changed = waiting.observed != observed;
                    observed.clone_into(&mut waiting.observed);
                    changed
                }
                waiting => {
                    tracing::info!(observed, "waiting for {condition}");
                    *waiting = Some(Waiting {
                        condition: condition.to_owned(),
                        since: self.host.now(),
                        observed: observed.to_owned(),
                    });
                    true
                }
            }
        });
    }

    pub(super) fn await_member(&self, candidate: Option<&NodeName>, missing: &Missing) {
        let condition = match candidate {
            Some(candidate) => format!("{candidate} to initialise the cluster"),
            None => "a member that serves the API".to_owned(),
        };
        let observed = if missing.is_empty() {
            "every control plane answers".to_owned()
        } else {
            self.silent(missing)
        };
        self.say(&condition, &observed);
    }

    /// Who is silent, since when, and why as far as is known.
    pub(super) fn silent(&self, missing: &Missing) -> String {
        let one = |(node, since): &(NodeName, hactl_proto::Timestamp)| {
            let why = self.hearing.silence(node).unwrap_or("not asked yet");
            format!("{node} silent since {since:.0} ({why})")
        };
        missing.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    pub(super) fn refuse(&mut self, findings: Vec<Finding>) -> Duration {
        self.progress.send_if_modified(|progress| {
            if progress.findings == findings {
                return false;
            }
            for finding in &findings {
                tracing::error!(
                    check = finding.check,
                    observed = finding.observed,
                    wanted = finding.wanted,
                    remedy = finding.remedy,
                    "the first boot stops until an operator looked"
                );
            }
            progress.waiting = None;
            progress.findings = findings;
            true
        });
        self.rest()
    }

    pub(super) fn done(&mut self) -> Duration {
        self.failures = 0;
        self.progress.send_if_modified(|progress| {
            let settled = Progress {
                settled: true,
                ..Progress::default()
            };
            let changed = *progress != settled;
            *progress = settled;
            changed
        });
        SETTLED_ROUND
    }
}
