//! Journal entries over the wire.

use super::v1::journal_event;
use super::{WireError, field, instant, moment, v1};
use crate::instruction::{Fence, OperationId};
use crate::journal::{JournalEntry, JournalEvent};

impl From<JournalEntry> for v1::JournalEntry {
    fn from(entry: JournalEntry) -> Self {
        let event = match entry.event {
            JournalEvent::Accepted { generation, fence } => {
                journal_event::Event::Accepted(journal_event::Accepted {
                    generation,
                    fence: fence.map(|fence| fence.0),
                })
            }
            JournalEvent::Resumed => journal_event::Event::Resumed(journal_event::Resumed {}),
            JournalEvent::Report { event } => journal_event::Event::Report(event.into()),
        };
        Self {
            at: Some(instant(entry.at)),
            operation: entry.operation.to_string(),
            kind: entry.kind,
            event: Some(v1::JournalEvent { event: Some(event) }),
        }
    }
}

impl TryFrom<v1::JournalEvent> for JournalEvent {
    type Error = WireError;
    fn try_from(event: v1::JournalEvent) -> Result<Self, WireError> {
        Ok(
            match event.event.ok_or_else(|| WireError::absent("event"))? {
                journal_event::Event::Accepted(accepted) => Self::Accepted {
                    generation: accepted.generation,
                    fence: accepted.fence.map(Fence),
                },
                journal_event::Event::Resumed(_) => Self::Resumed,
                journal_event::Event::Report(event) => Self::Report {
                    event: field("report", Some(event))?,
                },
            },
        )
    }
}

impl TryFrom<v1::JournalEntry> for JournalEntry {
    type Error = WireError;
    fn try_from(entry: v1::JournalEntry) -> Result<Self, WireError> {
        Ok(Self {
            at: moment("at", entry.at)?,
            operation: OperationId::new(entry.operation)
                .map_err(|error| WireError::wrong("operation", error))?,
            kind: entry.kind,
            event: field("event", entry.event)?,
        })
    }
}
