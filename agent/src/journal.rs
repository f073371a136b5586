//! The journal: what was begun and how it ended, durable, append-only, never a secret.
//!
//! Facts decide, the journal explains. It holds names and outcomes, no serialized steps: after a crash the plan is computed
//! again from facts, and the journal only says which operation was under way. Two files of one format: the current one, and
//! the one before it, kept when the current one has grown past a bound.

/// One line: JSON behind a checksum.
mod line;
/// Lines folded into operations.
mod past;
/// Bytes into lines, whatever the bytes are.
mod read;

pub use line::{Entry, Line};
pub use past::{Past, PastOperation};
pub use read::{Reading, fuzz_journal, read};

use std::path::PathBuf;
use std::sync::Arc;

use hactl_proto::instruction::Fence;

use crate::host::{Host, HostError};

/// A current file larger than this is rotated before the next operation.
const ROTATE_BYTES: usize = 1 << 20;
/// Files of damage that are kept aside, at most.
const DAMAGED_KEPT: usize = 4;

/// Why the journal could not be opened or written. Nothing was begun: an operation that can't be recorded is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The host could not read or write its files.
    #[error("{verb} the journal")]
    Host {
        /// `read`, `mend`, `rotate` or `write`.
        verb: &'static str,
        /// The cause.
        source: HostError,
    },
    /// An entry could not be put into JSON.
    #[error("encode a journal entry")]
    Encode(#[from] serde_json::Error),
}

/// The open journal. One writer.
#[derive(Debug)]
pub struct Journal<H> {
    host: Arc<H>,
    folder: PathBuf,
    /// The last line's number.
    sequence: u64,
    /// Bytes in the current file.
    size: usize,
    /// Whether the last write failed, so that a half of a line may be there.
    torn: bool,
}

impl<H: Host> Journal<H> {
    /// Opens the journal in its folder and tells what it holds. Damage is mended: a torn last line is cut off; a file that
    /// is damaged elsewhere is kept aside whole, and its good lines go on.
    pub async fn open(host: Arc<H>, folder: PathBuf) -> Result<(Self, Past), JournalError> {
        let mut journal = Self {
            host,
            folder,
            sequence: 0,
            size: 0,
            torn: false,
        };
        let mut past = Past::default();
        for name in [PREVIOUS, CURRENT] {
            let (reading, size) = journal.load(name).await?;
            for line in &reading.lines {
                if line.sequence > journal.sequence {
                    journal.sequence = line.sequence;
                    past.apply(line);
                }
            }
            past.notes.extend(reading.notes(name));
            journal.size = size;
        }
        Ok((journal, past))
    }

    /// Records an entry: when this returns, it outlives a power cut.
    pub async fn record(&mut self, entry: Entry) -> Result<(), JournalError> {
        if self.torn {
            self.size = self.load(CURRENT).await?.1;
        }
        let line = Line {
            sequence: self.sequence + 1,
            at: self.host.now(),
            entry,
        };
        let bytes = line.encode()?;
        // Also when the caller goes away during the write.
        self.torn = true;
        self.host
            .append(&self.folder.join(CURRENT), &bytes)
            .await
            .map_err(|source| JournalError::Host {
                verb: "write",
                source,
            })?;
        self.torn = false;
        self.sequence = line.sequence;
        self.size += bytes.len();
        Ok(())
    }

    /// Starts a new file where the current one has grown large, carrying over the highest fence. To be called between
    /// operations, so that one operation's lines are in one file. A cut between the two writes leaves lines twice, which
    /// their numbers show.
    pub async fn rotate(&mut self, highest_fence: Option<Fence>) -> Result<(), JournalError> {
        if self.size <= ROTATE_BYTES {
            return Ok(());
        }
        let wrong = |source| JournalError::Host {
            verb: "rotate",
            source,
        };
        let (current, previous) = (self.folder.join(CURRENT), self.folder.join(PREVIOUS));
        let bytes = self.host.read(&current).await.map_err(wrong)?;
        self.host
            .replace(&previous, &bytes.unwrap_or_default(), 0o600)
            .await
            .map_err(wrong)?;
        let carried = Line {
            sequence: self.sequence + 1,
            at: self.host.now(),
            entry: Entry::Carried { highest_fence },
        };
        let bytes = carried.encode()?;
        self.host
            .replace(&current, &bytes, 0o600)
            .await
            .map_err(wrong)?;
        self.sequence = carried.sequence;
        self.size = bytes.len();
        Ok(())
    }

    /// Reads one file and mends it on the disk where it is damaged.
    async fn load(&self, name: &str) -> Result<(Reading, usize), JournalError> {
        let path = self.folder.join(name);
        let found = self.host.read(&path).await;
        let bytes = found
            .map_err(|source| JournalError::Host {
                verb: "read",
                source,
            })?
            .unwrap_or_default();
        let reading = read(&bytes);
        if reading.is_whole() {
            return Ok((reading, bytes.len()));
        }
        let mend = |source| JournalError::Host {
            verb: "mend",
            source,
        };
        if !reading.is_torn_only() {
            let aside = self.aside(name).await.map_err(mend)?;
            self.host
                .replace(&aside, &bytes, 0o600)
                .await
                .map_err(mend)?;
        }
        self.host
            .replace(&path, &reading.good, 0o600)
            .await
            .map_err(mend)?;
        let size = reading.good.len();
        Ok((reading, size))
    }

    /// Where the next damaged file is kept; the last place is used again and again.
    async fn aside(&self, name: &str) -> Result<PathBuf, HostError> {
        let entries = self.host.list(&self.folder).await?.unwrap_or_default();
        let taken = entries
            .iter()
            .filter(|entry| entry.name.contains(".damaged-"))
            .count();
        let number = (taken + 1).min(DAMAGED_KEPT);
        Ok(self.folder.join(format!("{name}.damaged-{number}")))
    }
}

/// Reads the journal's lines without opening it for writing, oldest first, for whoever wants to show it.
pub async fn show<H: Host>(host: &H, folder: &std::path::Path) -> Result<Vec<Line>, JournalError> {
    let mut lines: Vec<Line> = Vec::new();
    for name in [PREVIOUS, CURRENT] {
        let bytes = host.read(&folder.join(name)).await;
        let bytes = bytes.map_err(|source| JournalError::Host {
            verb: "read",
            source,
        })?;
        let last = lines.last().map_or(0, |line| line.sequence);
        let more = read(&bytes.unwrap_or_default()).lines;
        lines.extend(more.into_iter().filter(|line| line.sequence > last));
    }
    Ok(lines)
}

/// The file that is written.
const CURRENT: &str = "journal";
/// The file before it.
const PREVIOUS: &str = "journal.1";

#[cfg(test)]
mod tests;
