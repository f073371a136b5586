//! How far an upgrade of this node has come: a file outside of what kubeadm writes, replaced whole at each turn.
//!
//! Facts decide what is left to do where facts can tell; that `kubeadm upgrade` came to its end they can't.

use hactl_proto::rollout::UpgradePart;
use hactl_proto::status::InstalledVersions;
use hactl_proto::version::KubernetesVersion;
use serde::{Deserialize, Serialize};

/// The format that is written.
pub const PROGRESS_VERSION: u32 = 1;

/// How far an upgrade of this node has come. It is written once everything is kept aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// [`PROGRESS_VERSION`].
    pub version: u32,
    /// Where to.
    pub target: KubernetesVersion,
    /// What of the node.
    pub part: UpgradePart,
    /// What was installed before.
    pub from: InstalledVersions,
    /// Whether kubeadm's part is through, and what it started was seen well.
    pub kubeadm_done: bool,
    /// Whether all is through.
    pub finished: bool,
}

impl Progress {
    /// Whether it is of this upgrade, begun and not finished.
    pub fn under_way(&self, target: &KubernetesVersion, part: UpgradePart) -> bool {
        self.target == *target && self.part == part && !self.finished
    }
}

/// Reads the file. One of a newer agent, or a torn one, is an error: what it says must not be guessed.
pub fn read(text: &str) -> Result<Progress, String> {
    let progress: Progress = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if progress.version > PROGRESS_VERSION {
        return Err(format!(
            "it has version {}, this agent reads up to {PROGRESS_VERSION}",
            progress.version
        ));
    }
    Ok(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_foreign_or_newer_file_is_not_read() {
        let progress = Progress {
            version: PROGRESS_VERSION,
            target: KubernetesVersion::new(1, 36, 3),
            part: UpgradePart::Whole,
            from: InstalledVersions::default(),
            kubeadm_done: true,
            finished: false,
        };
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(read(&text), Ok(progress.clone()));
        assert!(progress.under_way(&KubernetesVersion::new(1, 36, 3), UpgradePart::Whole));
        assert!(!progress.under_way(&KubernetesVersion::new(1, 36, 3), UpgradePart::Kubelet));
        let newer = text.replace("\"version\":1", "\"version\":2");
        for wrong in ["", "{}", "garbage", &text[..40], &newer] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
