//! New agents: the plan or the reasons against it, and what came of it.

use std::path::Path;

use hactl_cluster_plan::rollout::{AgentPlan, Blocker};
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::rollout::agent::AgentVersion;
use serde::Serialize;

use super::plan::blockers_text;
use super::report::{keep, outcome_words, timeline_text};
use crate::exit::Failure;
use crate::present::View;
use crate::present::style::{Style, Tone};
use crate::present::words::{clean, count, line};
use crate::rollout::{DriveError, End, Line};

/// What `upgrade --agents --plan` shows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentsView {
    /// The packages' version.
    pub version: AgentVersion,
    /// The plan; absent where there are reasons against one.
    pub plan: Option<AgentPlan>,
    /// The reasons against, all at once.
    pub blockers: Vec<Blocker>,
}

impl AgentsView {
    /// A plan.
    pub const fn of(plan: AgentPlan) -> Self {
        Self {
            version: plan.version,
            plan: Some(plan),
            blockers: Vec::new(),
        }
    }

    /// Reasons against.
    pub const fn refused(version: AgentVersion, blockers: Vec<Blocker>) -> Self {
        Self {
            version,
            plan: None,
            blockers,
        }
    }

    /// The text without colour.
    pub fn words(&self) -> String {
        self.text(Style::Plain)
    }
}

impl View for AgentsView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let Some(plan) = &self.plan else {
            let head = format!(
                "no agents of {}: {}",
                self.version,
                count(self.blockers.len(), "reason")
            );
            line(&mut text, format_args!("{}", style.paint(Tone::Bad, &head)));
            blockers_text(&mut text, &self.blockers, style);
            return text;
        };
        let head = format!(
            "{}: hactl-agent {} on each node in turn",
            plan.cluster, plan.version
        );
        line(
            &mut text,
            format_args!("{}", style.paint(Tone::Head, &head)),
        );
        for (node, runs) in &plan.nodes {
            let what = if *runs == plan.version {
                "is there".to_owned()
            } else if plan.canaries.contains(node) {
                format!("from {runs}; a canary")
            } else {
                format!("from {runs}")
            };
            line(&mut text, format_args!("  {:<16} {what}", node.as_str()));
        }
        let canary = &plan.policy.canary;
        line(
            &mut text,
            format_args!(
                "after a canary {} looks in a row, {} s apart, have to find all well",
                canary.passes, canary.pass_seconds
            ),
        );
        for window in &plan.policy.windows {
            line(
                &mut text,
                format_args!("nodes are begun in the window {window}"),
            );
        }
        text
    }
}

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentsRun {
    /// The version.
    pub version: AgentVersion,
    /// When the run began.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// `finished`, `stopped` or `interrupted`.
    pub end: &'static str,
    /// Why it stopped, and what to do.
    pub why: Option<String>,
    /// The nodes whose agents were replaced by this run.
    pub replaced: Vec<NodeName>,
    /// Which node did which step, and how long.
    pub timeline: Vec<Line>,
}

impl AgentsRun {
    /// Of a run.
    pub fn new(
        plan: &AgentPlan,
        begun: Timestamp,
        ended: Timestamp,
        end: &Result<End, DriveError>,
        timeline: Vec<Line>,
    ) -> Self {
        let (word, why) = match end {
            Ok(End::Finished) => ("finished", None),
            Ok(End::Stopped { node, outcome }) => {
                ("stopped", Some(outcome_words(node.as_str(), outcome)))
            }
            // Nobody pauses or gives up what has no record.
            Ok(End::Paused | End::Aborted) => ("interrupted", None),
            Err(error) => ("interrupted", Some(format!("failed to {error}"))),
        };
        let through = timeline
            .iter()
            .filter(|line| line.ended.is_some() && !line.failed);
        let mut replaced: Vec<NodeName> = through.map(|line| line.subject.clone()).collect();
        replaced.dedup();
        Self {
            version: plan.version,
            begun,
            ended,
            end: word,
            why,
            replaced,
            timeline,
        }
    }

    /// Keeps it as text and JSON; each run has files of its own.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        keep(
            self,
            folder,
            &format!("agents-{}", self.version),
            self.begun,
        )
    }
}

impl View for AgentsRun {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let took = (self.ended.as_second() - self.begun.as_second()).max(0);
        let tone = if self.end == "finished" {
            Tone::Good
        } else {
            Tone::Doubtful
        };
        let agents = count(self.replaced.len(), "agent");
        let end = style.paint(tone, self.end);
        let version = self.version;
        line(
            &mut text,
            format_args!("{agents} replaced by {version}, {end} after {took} s"),
        );
        if let Some(why) = &self.why {
            line(&mut text, format_args!("  {}", clean(why)));
            line(
                &mut text,
                format_args!("  The same verb again goes on with what is left."),
            );
        }
        timeline_text(&mut text, &self.timeline, (self.begun, self.ended));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples::ago;
    use hactl_cluster_plan::rollout::samples::seen;
    use hactl_cluster_plan::rollout::{AgentRequest, Policy, plan_agents};
    use hactl_proto::report::Outcome;
    use hactl_proto::rollout::agent::PackageFormat;

    fn request(version: &str) -> AgentRequest {
        AgentRequest {
            version: version.parse().unwrap(),
            offered: [(PackageFormat::Deb, "x86_64".to_owned())].into(),
            policy: Policy::default(),
        }
    }

    #[test]
    fn a_plan_names_every_node_and_a_refusal_what_to_do() {
        let plan = plan_agents(&seen(1), &request("0.2.0")).unwrap();
        insta::assert_snapshot!(AgentsView::of(plan).words(), @r"
        prod: hactl-agent 0.2.0 on each node in turn
          cp1              from 0.1.0; a canary
          cp2              from 0.1.0
          cp3              from 0.1.0
          w1               from 0.1.0
        after a canary 3 looks in a row, 3 s apart, have to find all well
        ");
        let blockers = plan_agents(&seen(0), &request("0.1.0")).unwrap_err();
        let text = AgentsView::refused("0.1.0".parse().unwrap(), blockers).words();
        assert!(
            text.starts_with("no agents of 0.1.0: 1 reason\n\ncluster  agent-newer\n")
                && text.ends_with("Nothing was changed.\n"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_stopped_says_where_and_that_it_can_go_on() {
        let plan = plan_agents(&seen(1), &request("0.2.0")).unwrap();
        let node = || NodeName::new("cp1").unwrap();
        let outcome = Outcome::Failed {
            step: "install-agent".to_owned(),
            error: "run dpkg: exit status 1: dpkg is locked\u{1b}[2J".to_owned(),
            done: Vec::new(),
            remedy: "Read it.".to_owned(),
        };
        let end = Ok(End::Stopped {
            node: node(),
            outcome,
        });
        let timeline = vec![Line {
            node: node(),
            subject: node(),
            order: "replace-agent".to_owned(),
            step: "install-agent".to_owned(),
            begun: ago(7),
            ended: Some(ago(2)),
            failed: true,
        }];
        let run = AgentsRun::new(&plan, ago(9), ago(0), &end, timeline);
        let text = run.text(Style::Plain);
        assert!(text.starts_with("0 agents replaced by 0.2.0, stopped after 9 s\n  cp1 failed at install-agent: failed to run dpkg"), "{text}");
        assert!(
            !text.contains('\u{1b}') && text.contains("goes on"),
            "{text}"
        );
        let folder = tempfile::tempdir().unwrap();
        run.write(folder.path()).unwrap();
        let kept = |end: &str| {
            let file = folder
                .path()
                .join(format!("agents-0.2.0-20261122T171951Z.{end}"));
            std::fs::read_to_string(file).unwrap()
        };
        assert_eq!(kept("txt"), text);
        assert!(
            text.ends_with("      2 s  cp1              replace-agent    install-agent            5 s  FAILED\n"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&kept("json")).unwrap();
        assert_eq!(json["timeline"][0]["step"], "install-agent");
    }
}
