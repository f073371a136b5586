//! What a step says of itself while it runs: what it waits for, and since when.

use hactl_proto::Timestamp;
use hactl_proto::report::Waiting;
use tokio::sync::watch;

/// The running step's word to whoever watches. Cheap to clone; nobody watching is fine.
#[derive(Debug, Clone)]
pub struct Progress {
    waiting: watch::Sender<Option<Waiting>>,
}

impl Progress {
    /// A progress with its watching end.
    pub fn new() -> (Self, watch::Receiver<Option<Waiting>>) {
        let (waiting, watched) = watch::channel(None);
        (Self { waiting }, watched)
    }

    /// The step waits for `condition` and saw `observed` of it last. The first call of a condition fixes since when.
    pub fn waiting(&self, condition: &str, observed: &str, now: Timestamp) {
        self.waiting.send_if_modified(|current| match current {
            Some(wait) if wait.condition == condition => {
                let changed = wait.observed != observed;
                observed.clone_into(&mut wait.observed);
                changed
            }
            _ => {
                *current = Some(Waiting {
                    condition: condition.to_owned(),
                    since: now,
                    observed: observed.to_owned(),
                });
                true
            }
        });
    }

    /// It waits no more.
    pub fn resumed(&self) {
        self.waiting
            .send_if_modified(|current| current.take().is_some());
    }
}
