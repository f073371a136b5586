//! The frozen plan and what is wanted of it, on the control planes' own disks: written to more than half of them, read from more
//! than half, so that two majorities share one that knows the newest.

use hactl_proto::Timestamp;
use hactl_proto::rollout::{RolloutRecord, RolloutWish};

use super::Agents;

/// Why the record could not be read or written. Nothing of the cluster was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// Fewer than a majority of the control planes answered.
    #[error("reach a majority of the control planes about the rollout: {}", .0.join("; "))]
    NoMajority(Vec<String>),
    /// Another one changed it first.
    #[error("change rollout {number}: it is at revision {revision} by {by}")]
    Newer {
        /// The number that is kept.
        number: u64,
        /// Its revision.
        revision: u64,
        /// Who changed it.
        by: String,
    },
}

/// The newest record that a majority of the control planes knows of.
pub async fn newest<A: Agents>(agents: &A) -> Result<Option<RolloutRecord>, KeepError> {
    let (mut newest, mut heard, mut silent) = (None::<RolloutRecord>, 0, Vec::new());
    let control_planes = agents.control_planes();
    for node in &control_planes {
        match agents.kept(node).await {
            Ok(record) => {
                heard += 1;
                let key = |record: &RolloutRecord| (record.number, record.revision);
                if record.as_ref().map(key) > newest.as_ref().map(key) {
                    newest = record;
                }
            }
            Err(reason) => silent.push(format!("{node}: {reason}")),
        }
    }
    if heard > control_planes.len() / 2 {
        Ok(newest)
    } else {
        Err(KeepError::NoMajority(silent))
    }
}

/// Has a majority of the control planes keep it.
pub async fn put<A: Agents>(agents: &A, record: &RolloutRecord) -> Result<(), KeepError> {
    let (mut taken, mut silent) = (0, Vec::new());
    let control_planes = agents.control_planes();
    for node in &control_planes {
        match agents.keep(node, record.clone()).await {
            Ok(None) => taken += 1,
            Ok(Some(kept)) => {
                return Err(KeepError::Newer {
                    number: kept.number,
                    revision: kept.revision,
                    by: kept.by,
                });
            }
            Err(reason) => silent.push(format!("{node}: {reason}")),
        }
    }
    if taken > control_planes.len() / 2 {
        Ok(())
    } else {
        Err(KeepError::NoMajority(silent))
    }
}

/// Changes what is wanted of the newest rollout.
pub async fn wish<A: Agents>(
    agents: &A,
    record: &RolloutRecord,
    wish: RolloutWish,
    by: &str,
    at: Timestamp,
) -> Result<RolloutRecord, KeepError> {
    let next = RolloutRecord {
        revision: record.revision + 1,
        wish,
        by: by.to_owned(),
        at,
        ..record.clone()
    };
    put(agents, &next).await?;
    Ok(next)
}
