//! Lines folded into operations: what the next start of the agent knows of the last.

use std::collections::VecDeque;

use hactl_proto::Timestamp;
use hactl_proto::instruction::{Fence, OperationId};
use hactl_proto::report::{OperationStatus, Outcome};
use hactl_proto::rollout::RolloutOrder;

use super::line::{Entry, Line};

/// Ended operations that are remembered, so that the same id again is the same operation.
const REMEMBERED: usize = 64;

/// What the journal tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// The highest fence ever accepted.
    pub highest_fence: Option<Fence>,
    /// Operations, oldest first; only the last may be unfinished.
    pub operations: VecDeque<PastOperation>,
    /// What was damaged, for the log.
    pub notes: Vec<String>,
}

/// One operation as the journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOperation {
    /// Its id.
    pub id: OperationId,
    /// Its order's kind.
    pub kind: String,
    /// The spec's generation.
    pub generation: u64,
    /// Its fence.
    pub fence: Option<Fence>,
    /// Its order, where the journal holds it.
    pub order: Option<RolloutOrder>,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The steps that ended well.
    pub done: Vec<String>,
    /// The step that began and did not end, with its place and the plan's length.
    pub step: Option<(u32, u32, String)>,
    /// The plan's length.
    pub planned: u32,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl Past {
    /// Takes the next line in.
    pub fn apply(&mut self, line: &Line) {
        match &line.entry {
            Entry::Accepted {
                id,
                kind,
                generation,
                fence,
                order,
            } => {
                self.highest_fence = self.highest_fence.max(*fence);
                self.operations.push_back(PastOperation {
                    id: id.clone(),
                    kind: kind.clone(),
                    generation: *generation,
                    fence: *fence,
                    order: order.clone(),
                    accepted: line.at,
                    done: Vec::new(),
                    step: None,
                    planned: 0,
                    outcome: None,
                });
                if self.operations.len() > REMEMBERED {
                    self.operations.pop_front();
                }
            }
            Entry::Carried { highest_fence } => {
                self.highest_fence = self.highest_fence.max(*highest_fence);
            }
            // Where it was is read off the lines before.
            Entry::Resumed { .. } => {}
            Entry::Planned { id, steps } => self.with(id, |operation| {
                operation.planned = u32::try_from(steps.len()).unwrap_or(u32::MAX);
                operation.step = None;
            }),
            Entry::Started { id, index, step } => self.with(id, |operation| {
                operation.step = Some((*index, operation.planned, step.clone()));
            }),
            Entry::Finished { id, step, .. } => self.with(id, |operation| {
                operation.step = None;
                operation.done.push(step.clone());
            }),
            Entry::Ended { id, outcome } => self.with(id, |operation| {
                operation.outcome = Some(outcome.clone());
            }),
        }
    }

    /// The operation of that id.
    pub fn operation(&self, id: &OperationId) -> Option<&PastOperation> {
        self.operations.iter().rev().find(|found| found.id == *id)
    }

    /// The operations that began and did not end.
    pub fn unfinished(&self) -> impl Iterator<Item = &PastOperation> {
        self.operations
            .iter()
            .filter(|operation| operation.outcome.is_none())
    }

    /// Applies a change to the operation of that id. A line about an operation whose first line was lost to damage says
    /// nothing that can be used.
    fn with(&mut self, id: &OperationId, change: impl FnOnce(&mut PastOperation)) {
        if let Some(found) = self
            .operations
            .iter_mut()
            .rev()
            .find(|found| found.id == *id)
        {
            change(found);
        }
    }
}

impl PastOperation {
    /// As it is shown to whoever asks.
    pub fn status(&self) -> OperationStatus {
        OperationStatus {
            id: self.id.clone(),
            kind: self.kind.clone(),
            accepted: self.accepted,
            step: self.step.clone(),
            waiting: None,
            outcome: self.outcome.clone(),
        }
    }
}
