//! Packages of hactl's own agent: one that was brought lies on the disk, whole and verified, until the next one comes; and what is
//! installed.

use hactl_node_plan::rollout::agent_package::{InstalledAgent, installed, parse_installed};
use hactl_proto::rollout::agent::{
    AgentSurvey, AgentVersion, PACKAGE_BYTES, PackageDigest, PackageFormat,
};
use ring::digest::{SHA256, digest as sum};

use super::Rollouts;
use crate::api::failure::Failure;
use crate::host::Host;

impl<H: Host> Rollouts<H> {
    /// Keeps a package whose bytes have that digest; an earlier one is removed. Nothing is put in.
    pub(super) async fn keep_package(
        &self,
        digest: PackageDigest,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        if bytes.len() as u64 > PACKAGE_BYTES {
            return Err(Failure::Refused(format!(
                "a package has at most {PACKAGE_BYTES} bytes"
            )));
        }
        if !is_of(bytes, digest) {
            return Err(Failure::Refused(format!(
                "what came does not have the digest {digest}; bring it again"
            )));
        }
        let folder = self.paths.packages();
        let failed = |source| Failure::internal("keep the package", source);
        for entry in self
            .host
            .list(&folder)
            .await
            .map_err(failed)?
            .unwrap_or_default()
        {
            if entry.name != digest.to_string() {
                self.host
                    .remove(&folder.join(entry.name))
                    .await
                    .map_err(failed)?;
            }
        }
        let file = folder.join(digest.to_string());
        self.host.replace(&file, bytes, 0o600).await.map_err(failed)
    }

    /// What this agent says of itself.
    pub(super) async fn own(&self) -> AgentSurvey {
        let installed = installed_agent(&*self.host).await;
        AgentSurvey {
            runs: self.version,
            format: installed.ok().flatten().map(|found| found.format),
            architecture: std::env::consts::ARCH.to_owned(),
        }
    }
}

/// The version of this program.
pub(super) fn own_version() -> AgentVersion {
    // The workspace's own version is one; a test of the contract shows it.
    AgentVersion::own().unwrap_or(AgentVersion {
        major: 0,
        minor: 0,
        patch: 0,
    })
}

/// Whether bytes have a digest.
pub(crate) fn is_of(bytes: &[u8], digest: PackageDigest) -> bool {
    hex::encode(sum(&SHA256, bytes)) == digest.to_string()
}

/// The agent as the node's package database has it; `None`: it is no package's.
pub(crate) async fn installed_agent<H: Host>(host: &H) -> Result<Option<InstalledAgent>, String> {
    let mut reason = None;
    for format in [PackageFormat::Deb, PackageFormat::Rpm] {
        match host.run(&installed(format)).await {
            Ok(answer) => {
                let found = parse_installed(format, &answer);
                if found.is_some() {
                    return Ok(found);
                }
            }
            // Most nodes have one of the two.
            Err(crate::host::HostError::Start { .. }) => {}
            Err(error) => reason = Some(error.to_string()),
        }
    }
    reason.map_or(Ok(None), Err)
}
