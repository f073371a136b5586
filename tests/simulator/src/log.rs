//! The event log of a run: a line per event, with the virtual time of it.
//!
//! Keys come from the system's random source, as on a node, so a CA has another fingerprint in every run of the same
//! seed. The log calls each by its number in the order of their appearance: which is which is told, and told again.

use std::collections::BTreeMap;
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
    /// The fingerprints told so far and the number of each.
    fingerprints: BTreeMap<String, usize>,
}

/// What a fingerprint begins with, in the words of kubeadm.
const FINGERPRINT: &str = "sha256:";

impl Log {
    /// A log that begins now.
    pub fn new(kept: bool) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            began: Instant::now(),
            kept,
            events: 0,
            text: String::new(),
            fingerprints: BTreeMap::new(),
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
            let text = lines.numbered(&line().replace('\n', " "));
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

impl Lines {
    /// `text` with the number of every fingerprint in its place.
    fn numbered(&mut self, text: &str) -> String {
        let mut parts = text.split(FINGERPRINT);
        let mut told = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part
                .find(|letter: char| !letter.is_ascii_hexdigit())
                .unwrap_or(part.len());
            let (digits, rest) = part.split_at(end);
            let next = self.fingerprints.len() + 1;
            let number = *self.fingerprints.entry(digits.to_owned()).or_insert(next);
            let _ = write!(told, "{FINGERPRINT}#{number}{rest}");
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::Log;

    #[tokio::test(start_paused = true)]
    async fn fingerprints_are_told_by_their_number() {
        let log = Log::new(true);
        log.event(|| "cp1 is of CA sha256:ab12; cp2 of sha256:cd34".to_owned());
        log.event(|| "cp3 is of CA sha256:cd34".to_owned());
        let told = "     0.000 cp1 is of CA sha256:#1; cp2 of sha256:#2\n     0.000 cp3 is of CA sha256:#2\n";
        assert_eq!(log.text(), told);
    }
}
