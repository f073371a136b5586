//! One line of the journal: a checksum, a space, JSON, a newline.

use hactl_proto::Timestamp;
use hactl_proto::instruction::{Fence, OperationId};
use hactl_proto::report::Outcome;
use hactl_proto::rollout::RolloutOrder;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// The version that is written. A reader takes this one and all before it.
pub(super) const VERSION: u32 = 1;
/// Hexadecimal digits of the checksum: the first half of a SHA-256.
const CHECKSUM_DIGITS: usize = 32;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1, never used twice.
    pub sequence: u64,
    /// When it was written, by the node's clock.
    pub at: Timestamp,
    /// What it says.
    pub entry: Entry,
}

/// What a line says. Names and outcomes only: no step's data, no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "entry",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Entry {
    /// An instruction was taken on.
    Accepted {
        /// The operation.
        id: OperationId,
        /// The order's kind.
        kind: String,
        /// The spec's generation.
        generation: u64,
        /// The lease's number, if it was given under one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fence: Option<Fence>,
        /// The order itself, where it holds no secret and is to be taken up after a restart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<RolloutOrder>,
    },
    /// The agent was started again while the operation ran.
    Resumed {
        /// The operation.
        id: OperationId,
    },
    /// Facts were read and the plan stands; again after a restart.
    Planned {
        /// The operation.
        id: OperationId,
        /// The steps' names.
        steps: Vec<String>,
    },
    /// A step is about to begin.
    Started {
        /// The operation.
        id: OperationId,
        /// The step's place, from 1.
        index: u32,
        /// Its name.
        step: String,
    },
    /// A step has ended well.
    Finished {
        /// The operation.
        id: OperationId,
        /// The step's place, from 1.
        index: u32,
        /// Its name.
        step: String,
    },
    /// The operation has ended.
    Ended {
        /// The operation.
        id: OperationId,
        /// How.
        outcome: Outcome,
    },
    /// First line of a rotated file.
    Carried {
        /// The highest fence seen before.
        highest_fence: Option<Fence>,
    },
}

/// The JSON of a line.
#[derive(Serialize, Deserialize)]
struct Record<E> {
    v: u32,
    #[serde(rename = "seq")]
    sequence: u64,
    at: Timestamp,
    #[serde(flatten)]
    entry: E,
}

/// Why a line can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not what was written: torn, or damaged.
    Damaged,
    /// It is whole, and of a later version of the agent.
    Newer(u32),
}

impl Line {
    /// The line's bytes, with the newline.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let json = serde_json::to_string(&Record {
            v: VERSION,
            sequence: self.sequence,
            at: self.at,
            entry: &self.entry,
        })?;
        Ok(format!("{} {json}\n", checksum(json.as_bytes())).into_bytes())
    }

    /// Reads a line without its newline.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let (sum, rest) = bytes
            .split_at_checked(CHECKSUM_DIGITS)
            .ok_or(Flaw::Damaged)?;
        let json = rest.strip_prefix(b" ").ok_or(Flaw::Damaged)?;
        if checksum(json).as_bytes() != sum {
            return Err(Flaw::Damaged);
        }
        let version: Version = serde_json::from_slice(json).map_err(|_| Flaw::Damaged)?;
        if version.v > VERSION {
            return Err(Flaw::Newer(version.v));
        }
        let record: Record<Entry> = serde_json::from_slice(json).map_err(|_| Flaw::Damaged)?;
        Ok(Self {
            sequence: record.sequence,
            at: record.at,
            entry: record.entry,
        })
    }
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

fn checksum(json: &[u8]) -> String {
    let mut text = hex::encode(digest(&SHA256, json));
    text.truncate(CHECKSUM_DIGITS);
    text
}
