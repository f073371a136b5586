//! The members of the last run, on disk: not states, only whom to announce to, so that a cluster finds itself again even when
//! every declared control plane has moved.

use std::path::Path;

use super::core::Seed;
use crate::host::{Host, HostError};

/// As many as are announced to after a start, and some more in case those are gone.
const KEPT: usize = 32;

/// Reads them. What is not there or does not read is none: the declared control planes are announced to anyway.
pub async fn read<H: Host>(host: &H, path: &Path) -> Vec<Seed> {
    let bytes = host.read(path).await.ok().flatten().unwrap_or_default();
    let mut seeds: Vec<Seed> = serde_json::from_slice(&bytes).unwrap_or_default();
    seeds.truncate(KEPT);
    seeds
}

/// Replaces them.
pub async fn write<H: Host>(host: &H, path: &Path, living: &[Seed]) -> Result<(), HostError> {
    let kept = &living[..living.len().min(KEPT)];
    // Names and addresses always serialize.
    let bytes = serde_json::to_vec_pretty(kept).unwrap_or_default();
    host.replace(path, &bytes, 0o600).await
}
