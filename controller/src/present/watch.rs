//! `status --watch`: the cluster and its rollout, drawn anew on a terminal, else a line or a document where something changed.
//!
//! What changes by itself, such as how long something lasts, is no change.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hactl_cluster_plan::observed::{Observed, ObservedNode, Readiness, concerns, readiness};
use hactl_cluster_plan::rollout::RolloutPlan;
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, Waiting};
use hactl_proto::rollout::{RolloutRecord, RolloutWish};
use hactl_proto::version::KubernetesVersion;
use serde::Serialize;

use super::rollout::bar;
use super::style::{Style, Tone};
use super::{time, words};
use crate::observe::Kept;

/// Characters of a line.
const WIDTH: usize = 118;

/// The cluster at one look.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Glance {
    /// When, by the operator's clock.
    pub at: Timestamp,
    /// The cluster.
    pub cluster: String,
    /// The newest rollout that a control plane knows of.
    pub rollout: Option<RolloutNow>,
    /// Why what is known of the rollout may not be the newest.
    pub doubt: Option<String>,
    /// The nodes, in the spec's order.
    pub nodes: Vec<NodeNow>,
    /// What is not as it should be, each in a line.
    pub concerns: Vec<String>,
}

/// A rollout as control planes keep it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutNow {
    /// Its number.
    pub number: u64,
    /// What is wanted of it.
    pub wish: RolloutWish,
    /// Who changed that last.
    pub by: String,
    /// When.
    pub since: Timestamp,
    /// Where to; absent where the plan is of a version of hactl that this one can't read.
    pub to: Option<KubernetesVersion>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeNow {
    /// Its name.
    pub node: NodeName,
    /// `yes`, `?`, or what is not well.
    pub ready: String,
    /// Its kubelet's version.
    pub kubelet: Option<KubernetesVersion>,
    /// What its agent carries out, or did last for this rollout.
    pub operation: Option<OperationNow>,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationNow {
    /// Its order's kind.
    pub kind: String,
    /// The step's place, from 1.
    pub index: u32,
    /// Of so many.
    pub of: u32,
    /// The step.
    pub step: String,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// How it ended.
    pub ended: Option<Outcome>,
}

impl Glance {
    /// What was seen and kept.
    pub fn new(observed: &Observed, kept: &[(NodeName, Kept)]) -> Self {
        let record = kept
            .iter()
            .filter_map(|(_, kept)| kept.as_ref().ok()?.as_ref())
            .max_by_key(|record| (record.number, record.revision));
        Self {
            at: observed.at,
            cluster: observed.spec.name.to_string(),
            rollout: record.map(RolloutNow::of),
            doubt: doubt(kept),
            nodes: observed
                .nodes
                .iter()
                .map(|node| NodeNow::of(observed, node, record))
                .collect(),
            concerns: concerns(observed)
                .into_iter()
                .map(|concern| {
                    let about = concern.node.as_ref().map_or("cluster", NodeName::as_str);
                    let finding = concern.finding;
                    words::clean(&format!("{about} {}: {}", finding.check, finding.observed))
                })
                .collect(),
        }
    }

    /// What it says, by what it says it of: times that run on by themselves are left out.
    fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::new();
        if let Some(rollout) = &self.rollout {
            facts.insert("rollout".to_owned(), rollout.words());
        }
        if let Some(doubt) = &self.doubt {
            facts.insert("rollout's record".to_owned(), doubt.clone());
        }
        for node in &self.nodes {
            let kubelet = node
                .kubelet
                .as_ref()
                .map_or("-".into(), ToString::to_string);
            let state = format!("ready: {}; kubelet {kubelet}", node.ready);
            facts.insert(format!("{}", node.node), state);
            if let Some(operation) = &node.operation {
                facts.insert(format!("{}'s agent", node.node), operation.words());
            }
        }
        for (at, concern) in self.concerns.iter().enumerate() {
            // The same check may find more than one thing on a node.
            facts.insert(format!("found {at:04}"), concern.clone());
        }
        facts
    }

    /// A line for each thing that is not as it was.
    pub fn changes(&self, before: Option<&Self>) -> Vec<String> {
        let now = time::moment(self.at);
        let (was, is) = (before.map(Self::facts).unwrap_or_default(), self.facts());
        let known: Vec<&String> = was.values().collect();
        let mut lines = Vec::new();
        for (about, text) in &is {
            match about.strip_prefix("found ") {
                Some(_) if !known.contains(&text) => lines.push(format!("{now} found {text}")),
                None if was.get(about) != Some(text) => {
                    lines.push(format!("{now} {about}: {text}"));
                }
                Some(_) | None => {}
            }
        }
        let still: Vec<&String> = is.values().collect();
        for (about, text) in &was {
            match about.strip_prefix("found ") {
                Some(_) if !still.contains(&text) => lines.push(format!("{now} gone: {text}")),
                None if !is.contains_key(about) => lines.push(format!("{now} {about}: no more")),
                _ => {}
            }
        }
        lines
    }

    /// The whole of it.
    pub fn screen(&self, style: Style) -> String {
        let head = format!("{}  as of {}", self.cluster, time::moment(self.at));
        let mut text = format!("{}\n", style.paint(Tone::Head, &head));
        match &self.rollout {
            Some(rollout) => {
                let since = time::since(rollout.since, self.at);
                let line = format!("rollout {}, since {since}", rollout.words());
                words::line(&mut text, format_args!("{}", words::clean(&line)));
            }
            None => text.push_str("no rollout was ever begun\n"),
        }
        if let Some(doubt) = &self.doubt {
            words::line(
                &mut text,
                format_args!("{}", style.paint(Tone::Doubtful, doubt)),
            );
        }
        text.push('\n');
        for node in &self.nodes {
            let line = words::shortened(&self.row(node), WIDTH);
            let tone = match node.ready.as_str() {
                "yes" => Tone::Plain,
                "?" => Tone::Doubtful,
                _ => Tone::Bad,
            };
            words::line(&mut text, format_args!("{}", style.paint(tone, &line)));
        }
        text.push('\n');
        for concern in &self.concerns {
            let line = words::shortened(concern, WIDTH);
            words::line(
                &mut text,
                format_args!("{}", style.paint(Tone::Doubtful, &line)),
            );
        }
        if self.concerns.is_empty() {
            words::line(
                &mut text,
                format_args!("{}", style.paint(Tone::Good, "No findings.")),
            );
        }
        text
    }

    fn row(&self, node: &NodeNow) -> String {
        let kubelet = node
            .kubelet
            .as_ref()
            .map_or("-".into(), ToString::to_string);
        let mut line = format!("{:<16} {kubelet:<10} ", node.node.as_str());
        let Some(operation) = &node.operation else {
            let _ = write!(line, "{} ready: {}", bar(0, 0), node.ready);
            return words::clean(&line);
        };
        let done = match &operation.ended {
            Some(Outcome::Succeeded) => operation.of.max(1),
            _ => operation.index.saturating_sub(1),
        };
        // Writing to a String cannot fail.
        let _ = write!(line, "{} ", bar(done, operation.of.max(1)));
        if node.ready != "yes" {
            let _ = write!(line, "ready: {}; ", node.ready);
        }
        let _ = write!(line, "{}", operation.words());
        if let (Some(waiting), None) = (&operation.waiting, &operation.ended) {
            let _ = write!(line, ", since {}", time::since(waiting.since, self.at));
        }
        words::clean(&line)
    }
}

impl RolloutNow {
    fn of(record: &RolloutRecord) -> Self {
        let plan = serde_json::from_str::<RolloutPlan>(&record.plan);
        Self {
            number: record.number,
            wish: record.wish,
            by: record.by.clone(),
            since: record.at,
            to: plan.ok().map(|plan| plan.to),
        }
    }

    fn words(&self) -> String {
        let to = self.to.as_ref().map_or_else(
            || "a plan that this version can't read".to_owned(),
            ToString::to_string,
        );
        let wish = match self.wish {
            RolloutWish::Running => "running",
            RolloutWish::Paused => "paused",
            RolloutWish::Aborted => "aborted",
            RolloutWish::Finished => "finished",
        };
        words::clean(&format!("{} to {to}: {wish} by {}", self.number, self.by))
    }
}

impl NodeNow {
    fn of(observed: &Observed, node: &ObservedNode, record: Option<&RolloutRecord>) -> Self {
        let status = node.status.said();
        let open = record
            .filter(|record| matches!(record.wish, RolloutWish::Running | RolloutWish::Paused));
        let operation = status.and_then(|status| status.operation.as_ref());
        let of_rollout =
            |id: &str| open.is_some_and(|record| id.starts_with(&format!("r{}-", record.number)));
        let shown = operation
            .filter(|operation| operation.outcome.is_none() || of_rollout(operation.id.as_str()));
        Self {
            node: node.name.clone(),
            ready: match readiness(observed, node) {
                Readiness::Yes => "yes".to_owned(),
                Readiness::No(missing) => format!("no ({})", missing.join(", ")),
                Readiness::Unknown => "?".to_owned(),
            },
            kubelet: status.and_then(|status| status.versions.kubelet.clone()),
            operation: shown.map(|operation| {
                let (index, of, step) = operation.step.clone().unwrap_or_default();
                OperationNow {
                    kind: operation.kind.clone(),
                    index,
                    of,
                    step,
                    waiting: operation.waiting.clone(),
                    ended: operation.outcome.clone(),
                }
            }),
        }
    }
}

impl OperationNow {
    fn words(&self) -> String {
        let text = match (&self.ended, &self.waiting) {
            (Some(Outcome::Succeeded), _) => format!("{} is done", self.kind),
            (Some(Outcome::Refused { findings }), _) => {
                let checks: Vec<&str> = findings.iter().map(|one| one.check.as_str()).collect();
                format!("{} was refused: {}", self.kind, checks.join(", "))
            }
            (Some(Outcome::Failed { step, error, .. }), _) => {
                format!("{} failed at {step}: failed to {error}", self.kind)
            }
            (None, Some(waiting)) => format!(
                "{} {} ({} of {}) waits for {}: {}",
                self.kind, self.step, self.index, self.of, waiting.condition, waiting.observed
            ),
            (None, None) if self.step.is_empty() => format!("{} begins", self.kind),
            (None, None) => {
                format!(
                    "{} {} ({} of {})",
                    self.kind, self.step, self.index, self.of
                )
            }
        };
        words::clean(&text)
    }
}

/// Two majorities share a control plane that knows the newest record: fewer than one may not.
fn doubt(kept: &[(NodeName, Kept)]) -> Option<String> {
    let silent: Vec<String> = kept
        .iter()
        .filter_map(|(node, kept)| Some(format!("{node}: {}", kept.as_ref().err()?)))
        .collect();
    let heard = kept.len() - silent.len();
    (heard <= kept.len() / 2).then(|| {
        let text = format!(
            "{heard} of {} control planes tell of the rollout, a newer one may be kept: {}",
            kept.len(),
            silent.join("; ")
        );
        words::clean(&text)
    })
}
