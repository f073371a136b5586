//! The journal's words as an agent shows them. How they lie on disk is the agent's own matter.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::instruction::{Fence, OperationId};
use crate::report::ReportEvent;

/// One entry: what happened to an operation, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// By the node's clock.
    pub at: Timestamp,
    /// The operation.
    pub operation: OperationId,
    /// Its order's kind.
    pub kind: String,
    /// What happened.
    pub event: JournalEvent,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "lowercase")]
pub enum JournalEvent {
    /// The instruction was taken, and is durable.
    Accepted {
        /// The spec's generation that it was computed from.
        generation: u64,
        /// The lease's number that it was given under.
        fence: Option<Fence>,
    },
    /// The agent was started again while the operation ran; facts are read again.
    Resumed,
    /// Part of the operation's story.
    Report {
        /// The part.
        event: ReportEvent,
    },
}
