//! The boot epoch: what makes each start of the agent a newer member than the one before.
//!
//! It is raised and synced to disk before the first datagram. It is never below the wall clock in seconds either, so that a node
//! whose disk was wiped still comes back newer; random bits behind it keep keys and nonces apart even where both failed.

use std::path::Path;

use super::seal::Epoch;
use crate::host::{Host, HostError};

/// Why there is no epoch: without one the node must not send. The stored epoch is the old one or the new one, never none.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The file could not be read or replaced.
    #[error("raise the boot epoch")]
    Host(#[from] HostError),
    /// The system has no randomness.
    #[error("draw random bits for the boot epoch")]
    Random(#[source] getrandom::Error),
}

/// Raises the stored epoch and returns it.
pub async fn raise<H: Host>(host: &H, path: &Path) -> Result<Epoch, EpochError> {
    let stored = host.read(path).await?;
    let seconds = host.now().as_second();
    let boot = next(stored.as_deref(), seconds);
    host.replace(path, format!("{boot}\n").as_bytes(), 0o600)
        .await?;
    let salt = getrandom::u32().map_err(EpochError::Random)?;
    Ok(Epoch { boot, salt })
}

/// The epoch after the stored one. A file that does not read counts as none.
fn next(stored: Option<&[u8]>, seconds: i64) -> u32 {
    let stored = stored
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.trim().parse::<u32>().ok())
        .unwrap_or(0);
    let clock = u32::try_from(seconds.max(1)).unwrap_or(u32::MAX - 1);
    stored.saturating_add(1).max(clock)
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_epoch_rises_whatever_the_clock_or_the_disk_does() {
        assert_eq!(next(None, 1_790_000_000), 1_790_000_000);
        assert_eq!(next(Some(b"1790000000\n"), 1_790_000_000), 1_790_000_001);
        assert_eq!(
            next(Some(b"1790000007"), 12),
            1_790_000_008,
            "clock set back"
        );
        assert_eq!(next(Some(b"\xff torn"), 1_790_000_000), 1_790_000_000);
        assert_eq!(next(None, -5), 1);
        assert_eq!(next(Some(b"4294967295"), 1), u32::MAX);
    }
}
