//! What the doctor prints: a table for people, which reads without colour, and JSON for programs.

use std::io::{self, Write};

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::prerequisite::Check;

use super::Diagnosis;

/// Everything, for programs.
pub(super) fn json(diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, diagnosis)?;
    writeln!(out)
}

/// What does not hold, with what to do below each line, and how many hold.
pub(super) fn table(diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    for step in &diagnosis.mended {
        writeln!(out, "done: {step}")?;
    }
    if !diagnosis.findings.is_empty() {
        rows(&diagnosis.findings, out)?;
        writeln!(out)?;
    }
    writeln!(
        out,
        "{} of {} prerequisites of a {}{} hold{}.",
        diagnosis.hold.len(),
        Check::ALL.len() - diagnosis.off.len(),
        diagnosis.role,
        diagnosis
            .kubernetes
            .as_ref()
            .map_or_else(String::new, |version| format!(" with Kubernetes {version}")),
        match diagnosis.off.len() {
            0 => String::new(),
            count => format!(", {count} are switched off"),
        }
    )?;
    if diagnosis.findings.iter().any(|finding| finding.mendable) {
        writeln!(
            out,
            "`hactl-agent doctor --fix` does what is marked with *."
        )?;
    }
    Ok(())
}

fn rows(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    let width = |column: fn(&Finding) -> &str, head: &str| {
        let longest = findings
            .iter()
            .map(|finding| column(finding).chars().count())
            .max();
        longest.unwrap_or(0).max(head.len())
    };
    let check = width(|finding| &finding.check, "CHECK");
    let observed = width(|finding| &finding.observed, "OBSERVED").min(48);
    writeln!(
        out,
        "{:check$}  {:8}  {:observed$}  WANTED",
        "CHECK", "EFFECT", "OBSERVED"
    )?;
    for finding in findings {
        let effect = match finding.severity {
            Severity::Refusal => "refuses",
            Severity::Warning => "warns",
        };
        let fix = if finding.mendable { "fix*:" } else { "fix:" };
        writeln!(
            out,
            "{:check$}  {effect:8}  {:observed$}  {}",
            finding.check, finding.observed, finding.wanted
        )?;
        writeln!(out, "{:check$}  {fix:8}  {}", "", finding.remedy)?;
    }
    Ok(())
}
