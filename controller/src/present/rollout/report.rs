//! The report of a rollout's end: text, JSON, and one self-contained HTML page with the timeline, kept in the state folder.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use hactl_cluster_plan::rollout::RolloutPlan;
use hactl_proto::Timestamp;
use hactl_proto::report::Outcome;
use hactl_proto::version::KubernetesVersion;
use serde::Serialize;

use crate::exit::Failure;
use crate::present::style::{Style, Tone};
use crate::present::words::{clean, line};
use crate::present::{View, time};
use crate::rollout::{DriveError, End, Line};

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
    /// Which node did which step, and how long.
    pub timeline: Vec<Line>,
}

impl ReportView {
    /// Of a run.
    pub fn new(
        plan: &RolloutPlan,
        begun: Timestamp,
        ended: Timestamp,
        end: &Result<End, DriveError>,
        timeline: Vec<Line>,
    ) -> Self {
        let (word, why) = match end {
            Ok(End::Finished) => ("finished", None),
            Ok(End::Paused) => ("paused", None),
            Ok(End::Aborted) => ("aborted", None),
            Ok(End::Stopped { node, outcome }) => ("stopped", Some(told(node.as_str(), outcome))),
            Err(error) => ("interrupted", Some(format!("failed to {error}"))),
        };
        Self {
            number: plan.number,
            from: plan.from.clone(),
            to: plan.to.clone(),
            begun,
            ended,
            end: word,
            why,
            timeline,
        }
    }

    /// Keeps it as text, JSON and HTML; later runs of one rollout have files of their own.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let doing = || format!("write the report into {}", folder.display());
        fs::create_dir_all(folder).map_err(Failure::failed(doing()))?;
        let name = format!("{}-{}", self.number, self.begun.strftime("%Y%m%dT%H%M%SZ"));
        // Plain data with string keys: serializing it cannot fail.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        for (end, text) in [
            ("txt", self.text(Style::Plain)),
            ("json", json),
            ("html", self.html()),
        ] {
            let path: PathBuf = folder.join(&name).with_extension(end);
            fs::write(path, text).map_err(Failure::failed(doing()))?;
        }
        Ok(())
    }

    fn seconds(&self, line: &Line) -> (i64, i64) {
        let end = line.ended.unwrap_or(self.ended);
        let since = line.begun.as_second() - self.begun.as_second();
        (
            since.max(0),
            (end.as_second() - line.begun.as_second()).max(0),
        )
    }

    /// One page, nothing outside of it.
    fn html(&self) -> String {
        let whole = (self.ended.as_second() - self.begun.as_second()).max(1);
        let mut rows = String::new();
        for line in &self.timeline {
            let (since, lasted) = self.seconds(line);
            let class = if line.failed { "bad" } else { "good" };
            // Writing to a String cannot fail.
            let _ = writeln!(
                rows,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{lasted} s</td><td class=\"t\"><i class=\"{class}\" style=\"left:{:.2}%;width:{:.2}%\"></i></td></tr>",
                escaped(line.subject.as_str()),
                escaped(&line.order),
                escaped(&line.step),
                100.0 * ratio(since, whole),
                (100.0 * ratio(lasted, whole)).max(0.3),
            );
        }
        let why = self
            .why
            .as_ref()
            .map(|why| format!("<p>{}</p>", escaped(why)))
            .unwrap_or_default();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>rollout {0}</title><style>\
             body{{font:14px sans-serif;margin:2em}}table{{border-collapse:collapse;width:100%}}\
             td{{padding:1px 8px;white-space:nowrap}}.n{{text-align:right}}.t{{width:60%;position:relative;background:#f2f2f2}}\
             i{{position:absolute;top:3px;bottom:3px}}.good{{background:#3a7}}.bad{{background:#c33}}</style>\
             <h1>rollout {0}: {1} to {2}</h1><p>{3}; {4} to {5}, {whole} s</p>{why}<table>\n{rows}</table></html>\n",
            self.number,
            self.from,
            self.to,
            self.end,
            time::moment(self.begun),
            time::moment(self.ended),
        )
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds of a rollout are few")]
fn ratio(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}

fn told(node: &str, outcome: &Outcome) -> String {
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

fn escaped(text: &str) -> String {
    clean(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
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
        for one in &self.timeline {
            let (since, lasted) = self.seconds(one);
            let by = if one.node == one.subject {
                String::new()
            } else {
                format!(" (by {})", one.node)
            };
            let failed = if one.failed { "  FAILED" } else { "" };
            line(
                &mut text,
                format_args!(
                    "  {since:>5} s  {:<16} {:<16} {:<20} {lasted:>5} s{by}{failed}",
                    one.subject, one.order, one.step
                ),
            );
        }
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
        let report = ReportView::new(&plan, ago(120), ago(0), &end, timeline);
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
    }
}
