//! Reports: what an agent says of an operation, while it runs and at its end.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::instruction::OperationId;

/// How an operation ended. A failed operation is a report on an OK stream, not a failed call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// The state that the instruction wants is there, and was checked.
    Succeeded,
    /// Nothing was changed; every reason at once.
    Refused {
        /// The reasons.
        findings: Vec<Finding>,
    },
    /// Something may have changed.
    Failed {
        /// The step that failed.
        step: String,
        /// What happened, with the program's own words.
        error: String,
        /// What changed before, as step names.
        done: Vec<String>,
        /// What the operator can do.
        remedy: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Refused { findings } => {
                f.write_str("refused")?;
                let mut mark = ": ";
                for finding in findings {
                    write!(f, "{mark}{}, {}", finding.check, finding.observed)?;
                    mark = "; ";
                }
                Ok(())
            }
            Self::Failed { step, error, .. } => write!(f, "{step}: failed to {error}"),
        }
    }
}

/// What an operation waits for, and since when: no tool that hangs without a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The condition, as "etcd member cp2 started".
    pub condition: String,
    /// Since when.
    pub since: Timestamp,
    /// What was seen last of it.
    pub observed: String,
}

/// One line of an operation's story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum ReportEvent {
    /// Facts were read, the preflight held, the plan stands.
    Planned {
        /// The plan's step names, in order.
        steps: Vec<String>,
    },
    /// A step began.
    Started {
        /// Its place, from 1.
        index: u32,
        /// Its name.
        step: String,
    },
    /// A step waits.
    Waiting(Waiting),
    /// A step ended well.
    Finished {
        /// Its place, from 1.
        index: u32,
        /// Its name.
        step: String,
    },
    /// The operation ended.
    Ended(Outcome),
}

/// An operation as an agent shows it to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationStatus {
    /// Its id.
    pub id: OperationId,
    /// Its order's kind.
    pub kind: String,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The step under way, with its place and the plan's length.
    pub step: Option<(u32, u32, String)>,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}
