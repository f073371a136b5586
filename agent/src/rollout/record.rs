//! The frozen plan with what is wanted of it: one file, replaced whole, on disk before the answer.

use hactl_proto::rollout::RolloutRecord;

use super::Rollouts;
use crate::api::failure::Failure;
use crate::host::Host;

impl<H: Host> Rollouts<H> {
    /// What is kept.
    pub(super) async fn kept(&self) -> Result<Option<RolloutRecord>, Failure> {
        let bytes = self.host.read(&self.paths.rollout()).await;
        let bytes = bytes.map_err(|source| Failure::internal("read the rollout", source))?;
        bytes
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()
            .map_err(|source| Failure::internal("read the rollout", source))
    }

    /// Keeps a newer record. Gives what is kept instead where it is not newer; the very same is fine.
    pub(super) async fn put(
        &self,
        record: RolloutRecord,
    ) -> Result<Option<RolloutRecord>, Failure> {
        let _only = self.writing.lock().await;
        let kept = self.kept().await?;
        if kept.as_ref() == Some(&record) {
            return Ok(None);
        }
        if !record.supersedes(kept.as_ref()) {
            return Ok(kept);
        }
        // Plain data with string keys: serializing it cannot fail.
        let bytes = serde_json::to_vec_pretty(&record).unwrap_or_default();
        let written = self
            .host
            .replace(&self.paths.rollout(), &bytes, 0o600)
            .await;
        written.map_err(|source| Failure::internal("keep the rollout", source))?;
        Ok(None)
    }
}
