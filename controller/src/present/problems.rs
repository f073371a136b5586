//! The verdict on a spec.

use hactl_cluster_plan::spec::{Problem, Report};
use hactl_proto::finding::Severity;
use serde::Serialize;

use super::style::{Style, Tone};
use super::{View, words};

/// What `validate` found.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict<'a> {
    /// The file as the operator named it.
    pub file: &'a str,
    /// Whether the spec can be used.
    pub accepted: bool,
    /// Errors and warnings in the order of lines.
    pub problems: &'a [Problem],
    /// What the spec describes, in a line; `None` when it is refused.
    pub summary: Option<String>,
}

impl View for Verdict<'_> {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        for problem in self.problems {
            let one = std::slice::from_ref(problem);
            let report = Report {
                file: self.file,
                problems: one,
            }
            .to_string();
            text.push_str(&painted(&report, problem.severity, style));
        }
        let errors = self
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Refusal)
            .count();
        let warnings = self.problems.len() - errors;
        let counted = format!(
            "{}, {}",
            words::count(errors, "error"),
            words::count(warnings, "warning")
        );
        let (verdict, tone) = if self.accepted {
            ("accepted", Tone::Good)
        } else {
            ("refused", Tone::Bad)
        };
        let verdict = style.paint(tone, verdict);
        let summary = self
            .summary
            .as_ref()
            .map(|summary| format!(": {summary}"))
            .unwrap_or_default();
        text + &format!("{} {verdict}{summary} ({counted})\n", self.file)
    }
}

fn painted(report: &str, severity: Severity, style: Style) -> String {
    let (word, tone) = words::severity(severity);
    report.replacen(
        &format!(" {word}:"),
        &format!(" {}:", style.paint(tone, word)),
        1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::spec::read;

    #[test]
    fn a_verdict_lists_problems_and_counts_them() {
        let refused = read(b"kind: Cluster\n", &mut |_| Err(String::new())).unwrap_err();
        let view = Verdict {
            file: "c.yaml",
            accepted: false,
            problems: &refused.problems[..1],
            summary: None,
        };
        insta::assert_snapshot!(view.text(Style::Plain), @r#"
        c.yaml:1:1: error: field "apiVersion" is missing
            why:    hactl reads hactl.io/v1alpha1 of kind Cluster
            remedy: add apiVersion
        c.yaml refused (1 error, 0 warnings)
        "#);
        insta::assert_snapshot!(view.text(Style::Colour).replace('\u{1b}', "ESC"), @r#"
        c.yaml:1:1: ESC[31merrorESC[0m: field "apiVersion" is missing
            why:    hactl reads hactl.io/v1alpha1 of kind Cluster
            remedy: add apiVersion
        c.yaml ESC[31mrefusedESC[0m (1 error, 0 warnings)
        "#);
        insta::assert_snapshot!(serde_json::to_string(&view).unwrap(), @r#"{"file":"c.yaml","accepted":false,"problems":[{"line":1,"column":1,"severity":"refusal","field":"","what":"field \"apiVersion\" is missing","why":"hactl reads hactl.io/v1alpha1 of kind Cluster","remedy":"add apiVersion"}],"summary":null}"#);
    }

    #[test]
    fn an_accepted_spec_is_summed_up() {
        let summary = Some("prod, v1.36.2".to_owned());
        let view = Verdict {
            file: "c.yaml",
            accepted: true,
            problems: &[],
            summary,
        };
        insta::assert_snapshot!(view.text(Style::Plain), @"c.yaml accepted: prod, v1.36.2 (0 errors, 0 warnings)");
    }
}
