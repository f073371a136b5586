//! A finding: something about a node or a spec that is not as it should be, with what to do about it.

use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is held up.
    Warning,
    /// The instruction is refused while it stands.
    Refusal,
}

/// One named deviation. The same shape serves preflight, doctor and the health digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// The check's name, stable and in kebab case, such as `swap-off`.
    pub check: String,
    /// Whether it refuses or warns.
    pub severity: Severity,
    /// What was seen.
    pub observed: String,
    /// What is wanted.
    pub wanted: String,
    /// What the operator can do, a whole sentence or a command.
    pub remedy: String,
    /// Whether the agent can put it right by itself (mode `enforce`).
    #[serde(default)]
    pub mendable: bool,
}

impl Finding {
    /// A reason against an instruction that no agent puts right by itself.
    pub fn refusal(
        check: impl Into<String>,
        observed: impl Into<String>,
        wanted: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            check: check.into(),
            severity: Severity::Refusal,
            observed: observed.into(),
            wanted: wanted.into(),
            remedy: remedy.into(),
            mendable: false,
        }
    }
}

/// What the agent does about a prerequisite that does not hold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum CheckMode {
    /// Put it right, and keep it so.
    #[default]
    Enforce,
    /// Only say so.
    Report,
    /// Do not look.
    Off,
}
