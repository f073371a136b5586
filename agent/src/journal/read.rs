//! Bytes into lines. Any bytes: a power cut, a bad disk and a curious editor may all have been there.

use super::line::{Flaw, Line};

/// What a file's bytes gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The good lines, in the file's order.
    pub lines: Vec<Line>,
    /// The bytes of the good lines, and of whole lines that only a later agent can read.
    pub good: Vec<u8>,
    /// Places (from 1) of lines that are damaged, before the last.
    pub damaged: Vec<usize>,
    /// Place of a torn last line.
    pub torn: Option<usize>,
    /// Place and version of lines that a later agent wrote.
    pub newer: Vec<(usize, u32)>,
}

impl Reading {
    /// Whether nothing has to be mended.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.torn.is_none()
    }

    /// Whether the last line alone is bad, as a cut while it was written leaves it.
    pub fn is_torn_only(&self) -> bool {
        self.damaged.is_empty() && self.torn.is_some()
    }

    /// What an operator should know of the file.
    pub(super) fn notes(&self, file: &str) -> Vec<String> {
        let torn = self.torn.map(|place| {
            format!(
                "{file}: line {place} was being written when the agent or the power went; cut off"
            )
        });
        let damaged = self.damaged.iter().map(|place| {
            format!(
                "{file}: line {place} is damaged; the file is kept aside, its good lines are used"
            )
        });
        let newer = self.newer.iter().map(|(place, version)| {
            format!(
                "{file}: line {place} is of version {version}, written by a later agent; not used"
            )
        });
        torn.into_iter().chain(damaged).chain(newer).collect()
    }
}

/// Reads a journal file's bytes. Never fails: what is not a good line is named by its place.
pub fn read(bytes: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let mut rest = bytes;
    let mut place = 0;
    while !rest.is_empty() {
        place += 1;
        let (line, ended, after) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], true, &rest[end + 1..]),
            None => (rest, false, &rest[rest.len()..]),
        };
        match Line::decode(line) {
            // Without its newline the next append would run into it.
            Ok(_) if !ended => reading.torn = Some(place),
            Ok(good) => {
                reading.lines.push(good);
                reading.good.extend_from_slice(&rest[..=line.len()]);
            }
            Err(Flaw::Newer(version)) if ended => {
                reading.newer.push((place, version));
                reading.good.extend_from_slice(&rest[..=line.len()]);
            }
            Err(_) if after.is_empty() => reading.torn = Some(place),
            Err(_) => reading.damaged.push(place),
        }
        rest = after;
    }
    reading
}

/// The fuzz target: whatever follows good lines, these are read; and what was mended reads whole and the same.
///
/// # Panics
/// When one of the two does not hold: that is the finding.
pub fn fuzz_journal(bytes: &[u8]) {
    let before = samples();
    let mut file: Vec<u8> = Vec::new();
    for line in &before {
        file.extend(line.encode().unwrap_or_default());
    }
    file.extend_from_slice(bytes);
    let reading = read(&file);
    assert!(reading.lines.starts_with(&before), "good lines were lost");
    let again = read(&reading.good);
    assert!(again.is_whole(), "mending left damage");
    assert_eq!(again.lines, reading.lines, "mending changed lines");
    let mut past = super::Past::default();
    reading.lines.iter().for_each(|line| past.apply(line));
}

/// Good lines to put before the damage.
fn samples() -> Vec<Line> {
    use super::Entry;
    use hactl_proto::Timestamp;
    use hactl_proto::instruction::{Fence, OperationId};
    let Ok(id) = OperationId::new("op-1") else {
        return Vec::new();
    };
    let entries = [
        Entry::Accepted {
            id: id.clone(),
            kind: "init".to_owned(),
            generation: 1,
            fence: Some(Fence(3)),
            order: None,
        },
        Entry::Started {
            id,
            index: 1,
            step: "init".to_owned(),
        },
    ];
    let number = |(sequence, entry)| Line {
        sequence,
        at: Timestamp::UNIX_EPOCH,
        entry,
    };
    (1..).zip(entries).map(number).collect()
}
