//! The event log of a run: a line per event, with the virtual time of it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The log of one run. Cheap to clone: all clones are one.
#[derive(Debug, Clone)]
pub struct Log(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    began: Instant,
    /// Whether lines are kept, or only counted.
    kept: bool,
    events: u64,
    text: String,
}

impl Log {
    /// A log that begins now.
    pub fn new(kept: bool) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            began: Instant::now(),
            kept,
            events: 0,
            text: String::new(),
        })))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more event, told by `line` where lines are kept.
    pub fn event(&self, line: impl FnOnce() -> String) {
        let mut lines = self.lines();
        lines.events += 1;
        if lines.kept {
            let at = lines.began.elapsed();
            let text = line().replace('\n', " ");
            let (seconds, millis) = (at.as_secs(), at.subsec_millis());
            let _ = writeln!(lines.text, "{seconds:>6}.{millis:03} {text}");
        }
    }

    /// How much virtual time has passed.
    pub fn elapsed(&self) -> Duration {
        self.lines().began.elapsed()
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.lines().events
    }

    /// The lines that were kept.
    pub fn text(&self) -> String {
        self.lines().text.clone()
    }
}
