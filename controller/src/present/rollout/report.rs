//! The report of a rollout's end: text, JSON, and one self-contained HTML page with the timeline, kept in the state folder.

use std::fs;
use std::path::Path;

use hactl_cluster_plan::rollout::RolloutPlan;
use hactl_proto::Timestamp;
use hactl_proto::report::Outcome;
use hactl_proto::version::KubernetesVersion;
use serde::Serialize;

use crate::exit::Failure;
use crate::present::View;
use crate::present::style::{Style, Tone};
use crate::present::words::{clean, line, names};
use crate::rollout::{DriveError, End, EndpointSeen, Line, Missed};

/// What came of a run of the controller.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    /// The rollout's number.
    pub number: u64,
    /// From.
    pub from: KubernetesVersion,
    /// To.
    pub to: KubernetesVersion,
    /// When this run began.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// `finished`, `paused`, `aborted`, `stopped` or `interrupted`.
    pub end: &'static str,
    /// Why it stopped, and what to do.
    pub why: Option<String>,
    /// What a client saw of the API meanwhile.
    pub endpoint: EndpointSeen,
    /// Which node did which step, and how long.
    pub timeline: Vec<Line>,
}

/// A run of the controller.
#[derive(Debug)]
pub struct Run<'a> {
    /// When it began.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How.
    pub end: &'a Result<End, DriveError>,
    /// Its steps.
    pub timeline: Vec<Line>,
    /// What was seen of the endpoint.
    pub endpoint: EndpointSeen,
}

impl ReportView {
    /// Of a run.
    pub fn new(plan: &RolloutPlan, run: Run<'_>) -> Self {
        let (word, why) = match run.end {
            Ok(End::Finished) => ("finished", None),
            Ok(End::Paused) => ("paused", None),
            Ok(End::Aborted) => ("aborted", None),
            Ok(End::Stopped { node, outcome }) => {
                ("stopped", Some(outcome_words(node.as_str(), outcome)))
            }
            Err(error) => ("interrupted", Some(format!("failed to {error}"))),
        };
        Self {
            number: plan.number,
            from: plan.from.clone(),
            to: plan.to.clone(),
            begun: run.begun,
            ended: run.ended,
            end: word,
            why,
            endpoint: run.endpoint,
            timeline: run.timeline,
        }
    }

    /// Keeps it as text, JSON and HTML; later runs of one rollout have files of their own.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        keep(self, folder, &self.number.to_string(), self.begun)?;
        let name = name_of(&self.number.to_string(), self.begun, "html");
        fs::write(folder.join(name), self.html()).map_err(Failure::failed(doing(folder)))
    }

    pub(super) fn since(&self, at: Timestamp) -> i64 {
        between(self.begun, at)
    }

    pub(super) fn seconds(&self, line: &Line) -> (i64, i64) {
        let end = line.ended.unwrap_or(self.ended);
        (self.since(line.begun), between(line.begun, end))
    }
}

/// Keeps a run's report as text and JSON; each run has files of its own.
pub(super) fn keep<V: View>(
    report: &V,
    folder: &Path,
    what: &str,
    begun: Timestamp,
) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::failed(doing(folder)))?;
    // Plain data with string keys: serializing it cannot fail.
    let json = serde_json::to_string_pretty(report).unwrap_or_default();
    for (end, text) in [("txt", report.text(Style::Plain)), ("json", json)] {
        let path = folder.join(name_of(what, begun, end));
        fs::write(path, text).map_err(Failure::failed(doing(folder)))?;
    }
    Ok(())
}

fn name_of(what: &str, begun: Timestamp, end: &str) -> String {
    format!("{what}-{}.{end}", begun.strftime("%Y%m%dT%H%M%SZ"))
}

fn doing(folder: &Path) -> String {
    format!("write the report into {}", folder.display())
}

/// Seconds from one moment to another; none where clocks went back.
fn between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).max(0)
}

/// Which node did which step when, and how long, a line each.
pub(super) fn timeline_text(
    text: &mut String,
    lines: &[Line],
    (begun, ended): (Timestamp, Timestamp),
) {
    for one in lines {
        let (since, lasted) = (
            between(begun, one.begun),
            between(one.begun, one.ended.unwrap_or(ended)),
        );
        let by = if one.node == one.subject {
            String::new()
        } else {
            format!(" (by {})", one.node)
        };
        let failed = if one.failed { "  FAILED" } else { "" };
        line(
            text,
            format_args!(
                "  {since:>5} s  {:<16} {:<16} {:<20} {lasted:>5} s{by}{failed}",
                one.subject, one.order, one.step
            ),
        );
    }
}

pub(super) fn missed_words(missed: &Missed) -> String {
    if missed.nodes.is_empty() {
        return format!("failed while no node was in work: {}", missed.why);
    }
    let verb = if missed.nodes.len() == 1 {
        "was"
    } else {
        "were"
    };
    format!(
        "failed while {} {verb} in work: {}",
        names(&missed.nodes),
        missed.why
    )
}

/// How an order ended, with what to do.
pub(super) fn outcome_words(node: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded => format!("{node} succeeded"),
        Outcome::Refused { findings } => {
            let each = findings.iter().map(|one| {
                format!(
                    "{}: {} (wanted: {}). {}",
                    one.check, one.observed, one.wanted, one.remedy
                )
            });
            format!(
                "{node} refused, nothing was changed there: {}",
                each.collect::<Vec<_>>().join("; ")
            )
        }
        Outcome::Failed {
            step,
            error,
            remedy,
            ..
        } => format!("{node} failed at {step}: failed to {error}. {remedy}"),
    }
}

impl View for ReportView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let took = (self.ended.as_second() - self.begun.as_second()).max(0);
        let tone = if self.end == "finished" {
            Tone::Good
        } else {
            Tone::Doubtful
        };
        line(
            &mut text,
            format_args!(
                "rollout {}: {} to {} {} after {took} s",
                self.number,
                self.from,
                self.to,
                style.paint(tone, self.end)
            ),
        );
        if let Some(why) = &self.why {
            line(&mut text, format_args!("  {}", clean(why)));
        }
        line(
            &mut text,
            format_args!("  {}", clean(&self.endpoint.words())),
        );
        let (missed, more) = self.endpoint.failures();
        for one in missed {
            let since = self.since(one.at);
            line(
                &mut text,
                format_args!("  {since:>5} s  {}", clean(&missed_words(one))),
            );
        }
        if more > 0 {
            line(&mut text, format_args!("  and {more} more"));
        }
        timeline_text(&mut text, &self.timeline, (self.begun, self.ended));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples::ago;
    use hactl_cluster_plan::rollout::plan;
    use hactl_cluster_plan::rollout::samples::{request, seen, version};
    use hactl_proto::name::NodeName;

    #[test]
    fn a_report_is_kept_in_three_forms_and_its_page_takes_no_markup_from_afar() {
        let plan = plan(&seen(1), &request(version(36, 3)), 4).unwrap();
        let name = || NodeName::new("cp1").unwrap();
        let timeline = vec![Line {
            node: name(),
            subject: name(),
            order: "upgrade".to_owned(),
            step: "kubeadm-upgrade".to_owned(),
            begun: ago(100),
            ended: Some(ago(20)),
            failed: true,
        }];
        let outcome = Outcome::Failed {
            step: "kubeadm-upgrade".to_owned(),
            error: "run kubeadm: <script>".to_owned(),
            done: Vec::new(),
            remedy: "Read it.".to_owned(),
        };
        let end = Ok(End::Stopped {
            node: name(),
            outcome,
        });
        let endpoint = EndpointSeen::Observed {
            asked: 120,
            failed: 3,
            slowest_ms: 35,
            failures: vec![Missed {
                at: ago(60),
                nodes: vec![name()],
                why: "connection refused <b>".to_owned(),
            }],
        };
        let run = Run {
            begun: ago(120),
            ended: ago(0),
            end: &end,
            timeline,
            endpoint,
        };
        let report = ReportView::new(&plan, run);
        let folder = tempfile::tempdir().unwrap();
        report.write(folder.path()).unwrap();
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "4-20261122T171800Z.html",
                "4-20261122T171800Z.json",
                "4-20261122T171800Z.txt"
            ]
        );
        let html = report.html();
        assert!(
            html.contains("&lt;script&gt;") && !html.contains("<script>"),
            "{html}"
        );
        assert!(html.contains("left:16.67%;width:66.67%"), "{html}");
        let text = report.text(Style::Plain);
        assert!(
            text.contains("stopped after 120 s") && text.contains("   20 s  cp1 "),
            "{text}"
        );
        assert!(
            text.contains(
                "  endpoint asked 120 times, 3 failed, slowest 35 ms\n     60 s  failed while cp1 was in work: connection refused <b>\n  and 2 more\n"
            ),
            "{text}"
        );
        assert!(
            html.contains(
                "<p class=\"failed\">endpoint asked 120 times, 3 failed, slowest 35 ms</p>"
            ) && html.contains("while cp1 was in work: connection refused &lt;b&gt;")
                && html.contains("<i class=\"miss\" style=\"left:50.00%\"></i>"),
            "{html}"
        );
        let json = serde_json::to_value(&report).unwrap();
        let seen = &json["endpoint"];
        assert_eq!(
            (&seen["state"], &seen["asked"], &seen["slowestMs"]),
            (&"observed".into(), &120.into(), &35.into())
        );
        assert_eq!(seen["failures"][0]["nodes"][0], "cp1");
    }
}
