//! Problems of a spec: where, what, why and what to do, gathered and told all at once.

use std::fmt;

use hactl_proto::finding::Severity;
use serde::Serialize;

use super::position::Position;

/// One thing that is wrong, or that the operator should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where it is.
    #[serde(flatten)]
    pub at: Position,
    /// `Refusal`: the spec is not used. `Warning`: it is.
    pub severity: Severity,
    /// The field's path, as `spec.controlPlanes[0].zone`; empty for the file as a whole.
    pub field: String,
    /// What was found.
    pub what: String,
    /// Why that matters.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Refusal => "error",
            Severity::Warning => "warning",
        };
        let colon = if self.field.is_empty() { "" } else { ": " };
        writeln!(
            f,
            "{}: {severity}: {}{colon}{}",
            self.at, self.field, self.what
        )?;
        writeln!(f, "    why:    {}", self.why)?;
        write!(f, "    remedy: {}", self.remedy)
    }
}

/// Problems as the operator reads them, each headed by the file's name.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The name to show, usually the path as the operator gave it.
    pub file: &'a str,
    /// The problems.
    pub problems: &'a [Problem],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems
            .iter()
            .try_for_each(|problem| writeln!(f, "{}:{problem}", self.file))
    }
}

/// Gathers problems while a spec is read.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Something that refuses the spec.
    pub(crate) fn error(
        &mut self,
        at: Position,
        field: &str,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(
            Severity::Refusal,
            at,
            field,
            what.into(),
            why.into(),
            remedy.into(),
        );
    }

    /// Something that the operator should know.
    pub(crate) fn warn(
        &mut self,
        at: Position,
        field: &str,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(
            Severity::Warning,
            at,
            field,
            what.into(),
            why.into(),
            remedy.into(),
        );
    }

    fn push(
        &mut self,
        severity: Severity,
        at: Position,
        field: &str,
        what: String,
        why: String,
        remedy: String,
    ) {
        self.0.push(Problem {
            at,
            severity,
            field: field.to_owned(),
            what,
            why,
            remedy,
        });
    }

    /// Whether one of them refuses the spec.
    pub(crate) fn refuse(&self) -> bool {
        self.0
            .iter()
            .any(|problem| problem.severity == Severity::Refusal)
    }

    /// All, by line and column; those of one place in the order in which they were found.
    pub(crate) fn sorted(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| problem.at);
        self.0
    }
}
