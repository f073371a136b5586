//! A snapshot of etcd, as `etcdctl snapshot save` takes one: streamed to a file of its own, verified, then given its name.
//!
//! etcd appends a SHA-256 of the database to what it sends; that and the database's own first page are looked at before the file
//! counts. What is restored from it later is another matter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hactl_node_plan::etcd::{EtcdCall, EtcdRequest};
use ring::digest::{Context, SHA256};
use tokio::io::AsyncWriteExt as _;

use super::client::{EtcdFiles, connect};
use super::rpc;
use super::rpc::maintenance_client::MaintenanceClient;

/// A large database on a slow disk.
const LIMIT: Duration = Duration::from_mins(10);
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 32;
/// Where bbolt's first page says that it is one (meta page: 16 bytes of header, then the magic number, little endian).
const MAGIC_AT: usize = 16;
const MAGIC: [u8; 4] = 0xED0C_DAED_u32.to_le_bytes();

/// Why there is no snapshot. No file of its name was made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// etcd was not reached, or ended the stream.
    #[error("etcd: {0}")]
    Etcd(String),
    /// The file could not be written.
    #[error("write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// What came is not a whole database.
    #[error("what etcd sent is no whole snapshot: {0}")]
    Damaged(String),
    /// It took too long.
    #[error("it took longer than {} s", LIMIT.as_secs())]
    Limit,
}

/// Takes and verifies one; gives its size in bytes.
pub async fn take(files: &EtcdFiles, to: &Path) -> Result<u64, SnapshotError> {
    tokio::time::timeout(LIMIT, stream(files, to))
        .await
        .unwrap_or(Err(SnapshotError::Limit))
}

async fn stream(files: &EtcdFiles, to: &Path) -> Result<u64, SnapshotError> {
    let endpoint = EtcdCall::local(EtcdRequest::Status).endpoint;
    let channel = connect(files, &endpoint)
        .await
        .map_err(|error| SnapshotError::Etcd(crate::causes::chain(&error)))?;
    let said = |status: tonic::Status| SnapshotError::Etcd(status.message().to_owned());
    let answer = MaintenanceClient::new(channel)
        .max_decoding_message_size(64 << 20)
        .snapshot(rpc::SnapshotRequest {})
        .await
        .map_err(said)?;
    let mut chunks = answer.into_inner();
    let partial = to.with_extension("partial");
    let failed = |source| SnapshotError::Write {
        path: partial.clone(),
        source,
    };
    if let Some(folder) = to.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    }
    let mut file = tokio::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .await
        .map_err(failed)?;
    let mut check = Check::new();
    let received = async {
        while let Some(chunk) = chunks.message().await.map_err(said)? {
            check.take(&chunk.blob);
            file.write_all(&chunk.blob).await.map_err(failed)?;
        }
        let size = check.finish()?;
        file.sync_all().await.map_err(failed)?;
        tokio::fs::rename(&partial, to).await.map_err(failed)?;
        Ok(size)
    }
    .await;
    if received.is_err() {
        let _ = tokio::fs::remove_file(&partial).await;
    }
    received
}

/// Reads a snapshot as it passes by: all but the last bytes are what the last bytes are a checksum of.
pub struct Check {
    hash: Context,
    /// What may yet turn out to be the checksum.
    tail: Vec<u8>,
    head: Vec<u8>,
    size: u64,
}

impl Check {
    /// Nothing has passed by yet.
    #[expect(
        clippy::new_without_default,
        reason = "a check of nothing is no use to anybody"
    )]
    pub fn new() -> Self {
        Self {
            hash: Context::new(&SHA256),
            tail: Vec::new(),
            head: Vec::new(),
            size: 0,
        }
    }

    /// The next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        let missing = (MAGIC_AT + MAGIC.len()).saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(missing));
        self.size += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        let known = self.tail.len().saturating_sub(CHECKSUM);
        self.hash.update(&self.tail[..known]);
        self.tail.drain(..known);
    }

    /// The size, where all is as it should be.
    pub fn finish(self) -> Result<u64, SnapshotError> {
        let wrong = |reason: &str| Err(SnapshotError::Damaged(reason.to_owned()));
        if self.tail.len() < CHECKSUM || self.head.get(MAGIC_AT..) != Some(&MAGIC[..]) {
            return wrong("it does not begin as a database does");
        }
        if !(self.size - CHECKSUM as u64).is_multiple_of(512) {
            return wrong("its length is no multiple of 512 and a checksum");
        }
        if self.hash.finish().as_ref() != self.tail {
            return wrong("its checksum is another");
        }
        Ok(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database of two blocks with its checksum.
    fn snapshot() -> Vec<u8> {
        let mut bytes = vec![7_u8; 1024];
        bytes[MAGIC_AT..MAGIC_AT + 4].copy_from_slice(&MAGIC);
        let sum = ring::digest::digest(&SHA256, &bytes);
        bytes.extend_from_slice(sum.as_ref());
        bytes
    }

    fn check(bytes: &[u8], chunk: usize) -> Result<u64, String> {
        let mut check = Check::new();
        bytes.chunks(chunk).for_each(|chunk| check.take(chunk));
        check.finish().map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_snapshot_passes_however_it_is_cut_into_chunks() {
        for chunk in [1, 5, 31, 32, 33, 512, 4096] {
            assert_eq!(check(&snapshot(), chunk), Ok(1056), "{chunk}");
        }
    }

    #[test]
    fn a_torn_flipped_foreign_or_empty_one_does_not() {
        let whole = snapshot();
        let mut flipped = whole.clone();
        flipped[700] ^= 1;
        let mut foreign = whole.clone();
        foreign[MAGIC_AT] ^= 1;
        for wrong in [
            &whole[..600],
            &whole[..1055],
            &flipped,
            &foreign,
            &[][..],
            &[0; 40][..],
        ] {
            assert!(check(wrong, 64).is_err(), "{}", wrong.len());
        }
    }
}
