//! Standing on disk: what this node durably is in the first boot, written before it is said.
//!
//! The rules are pure (`hactl-node-plan::bootstrap`); this keeps the one record that they work on. A record that cannot be
//! read is never taken for a fresh one: a node that lost its memory may have promised something.

use std::path::PathBuf;
use std::sync::Arc;

use hactl_node_plan::bootstrap::record::{RECORD_VERSION, Record};
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::standing::InstanceId;
use tokio::sync::Mutex;

use crate::host::{Host, HostError};
use crate::paths::Paths;

/// Why the record is of no use. Nothing was promised.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// The host could not read or write it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It is damaged, or of a later version.
    #[error("read {} (if it is lost for good, declare this machine lost with an override and wipe it)", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: serde_json::Error,
    },
    /// It was written by a later version of the agent.
    #[error("use the standing of version {found}; this agent knows {RECORD_VERSION}")]
    Version {
        /// The version as found.
        found: u32,
    },
    /// The state folder is another node's, or another cluster's.
    #[error(
        "use the state of {node} in cluster {cluster}: the bundle is for another; give each machine its own disk"
    )]
    OtherNode {
        /// Whose it is.
        node: NodeName,
        /// Of which cluster.
        cluster: ClusterId,
    },
}

/// The record of this node, one writer at a time.
#[derive(Debug)]
pub struct StandingStore<H> {
    host: Arc<H>,
    file: PathBuf,
    record: Mutex<Record>,
}

impl<H: Host> StandingStore<H> {
    /// Reads the record, or makes the first one with `fresh` (16 random bytes), durably.
    pub async fn open(
        host: Arc<H>,
        paths: &Paths,
        cluster: ClusterId,
        node: NodeName,
        fresh: InstanceId,
    ) -> Result<Self, StandingError> {
        let file = paths.standing();
        let record = if let Some(bytes) = host.read(&file).await? {
            parse(&bytes, &file)?
        } else {
            let record = Record::new(cluster, node.clone(), fresh);
            write(&*host, &file, &record).await?;
            record
        };
        if record.cluster != cluster || record.node != node {
            return Err(StandingError::OtherNode {
                node: record.node,
                cluster: record.cluster,
            });
        }
        Ok(Self {
            host,
            file,
            record: Mutex::new(record),
        })
    }

    /// The record as it is on disk.
    pub async fn record(&self) -> Record {
        self.record.lock().await.clone()
    }

    /// Applies a rule: what it gives is on disk before this returns. A rule that refuses changes nothing.
    pub async fn change<T, E>(
        &self,
        rule: impl FnOnce(&Record) -> Result<(Record, T), E>,
    ) -> Result<Result<T, E>, StandingError> {
        let mut record = self.record.lock().await;
        match rule(&record) {
            Err(refusal) => Ok(Err(refusal)),
            Ok((next, answer)) => {
                if next != *record {
                    write(&*self.host, &self.file, &next).await?;
                    *record = next;
                }
                Ok(Ok(answer))
            }
        }
    }
}

fn parse(bytes: &[u8], file: &std::path::Path) -> Result<Record, StandingError> {
    #[derive(serde::Deserialize)]
    struct Head {
        version: u32,
    }
    let damaged = |source| StandingError::Damaged {
        path: file.to_owned(),
        source,
    };
    let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
    if head.version > RECORD_VERSION {
        return Err(StandingError::Version {
            found: head.version,
        });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

async fn write<H: Host>(
    host: &H,
    file: &std::path::Path,
    record: &Record,
) -> Result<(), StandingError> {
    let bytes = serde_json::to_vec_pretty(record).map_err(|source| StandingError::Damaged {
        path: file.to_owned(),
        source,
    })?;
    Ok(host.replace(file, &bytes, 0o600).await?)
}
