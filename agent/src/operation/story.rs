//! What an operation says of itself: kept from its beginning, and told to any number of watchers.

use hactl_proto::instruction::OperationId;
use hactl_proto::report::{Outcome, ReportEvent};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Lines that a slow watcher may fall behind.
const BEHIND: usize = 256;

/// The story of the operation under way.
#[derive(Debug)]
pub(super) struct Story {
    /// What was said so far; of waiting only the last.
    told: Vec<ReportEvent>,
    watchers: broadcast::Sender<ReportEvent>,
}

/// One watcher of one operation.
#[derive(Debug)]
pub struct Watch {
    id: OperationId,
    told: std::vec::IntoIter<ReportEvent>,
    next: Option<broadcast::Receiver<ReportEvent>>,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            told: Vec::new(),
            watchers: broadcast::Sender::new(BEHIND),
        }
    }
}

impl Story {
    pub(super) fn tell(&mut self, event: ReportEvent) {
        if matches!(self.told.last(), Some(ReportEvent::Waiting(_))) {
            self.told.pop();
        }
        self.told.push(event.clone());
        // Nobody watching is fine.
        let _ = self.watchers.send(event);
    }

    pub(super) fn watch(&self, id: OperationId) -> Watch {
        Watch {
            id,
            told: self.told.clone().into_iter(),
            next: Some(self.watchers.subscribe()),
        }
    }
}

impl Watch {
    /// A watcher of an operation that has ended: hears how, and no more.
    pub(super) fn ended(id: OperationId, outcome: Outcome) -> Self {
        Self {
            id,
            told: vec![ReportEvent::Ended(outcome)].into_iter(),
            next: None,
        }
    }

    /// The operation.
    pub const fn id(&self) -> &OperationId {
        &self.id
    }

    /// The next line of the story; `None` after the last, or when the agent ends. A watcher that fell far behind misses
    /// lines in the middle, never the last. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<ReportEvent> {
        if let Some(event) = self.told.next() {
            return Some(event);
        }
        let next = self.next.as_mut()?;
        loop {
            match next.recv().await {
                Ok(event) => {
                    if matches!(event, ReportEvent::Ended(_)) {
                        self.next = None;
                    }
                    return Some(event);
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Waits for the end. `None`: the agent ends first.
    pub async fn outcome(mut self) -> Option<Outcome> {
        while let Some(event) = self.next().await {
            if let ReportEvent::Ended(outcome) = event {
                return Some(outcome);
            }
        }
        None
    }
}
