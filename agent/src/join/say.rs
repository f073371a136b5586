//! The member's words to an applicant: what it waits for, then the admission or the reason against it.

use hactl_proto::Timestamp;
use hactl_proto::join::Admission;
use hactl_proto::report::Waiting;
use tokio::sync::mpsc::Sender;

use super::JoinError;
use crate::api::failure::Failure;

/// The way back to one applicant.
pub(super) struct Say {
    to: Sender<Result<Admission, Failure>>,
    waiting: Option<Waiting>,
}

impl Say {
    pub(super) fn new(to: Sender<Result<Admission, Failure>>) -> Self {
        Self { to, waiting: None }
    }

    /// What is waited for and what was seen of it. The first time of a condition fixes since when. Fails when nobody listens any more.
    pub(super) async fn waiting(
        &mut self,
        condition: &str,
        observed: &str,
        now: Timestamp,
    ) -> Result<(), JoinError> {
        let since = match &self.waiting {
            Some(last) if last.condition == condition => last.since,
            _ => now,
        };
        let waiting = Waiting {
            condition: condition.to_owned(),
            since,
            observed: observed.to_owned(),
        };
        if self.waiting.as_ref() == Some(&waiting) && !self.to.is_closed() {
            return Ok(());
        }
        self.waiting = Some(waiting.clone());
        let sent = self.to.send(Ok(Admission::Waiting(waiting))).await;
        sent.map_err(|_| JoinError::Gone)
    }

    /// The last word. Whether anybody heard it.
    pub(super) async fn last(self, answer: Result<Admission, Failure>) -> bool {
        self.to.send(answer).await.is_ok()
    }
}
