//! `validate`: judges a spec, and changes nothing.

use std::path::PathBuf;

use clap::Args;
use hactl_proto::spec::ClusterSpec;

use super::spec_file;
use crate::exit::{Exit, Failure};
use crate::present::{Screen, Verdict};

/// Judge a cluster spec: every problem with its line, reason and remedy
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller validate cluster.yaml
  hactl-controller validate -o json cluster.yaml | jq '.problems[] | .line'

Ends with 0 when the spec can be used (warnings or not), with 3 when it is refused.")]
pub(super) struct Validate {
    /// The spec
    #[arg(value_name = "SPEC")]
    file: PathBuf,
}

impl Validate {
    pub(super) fn run(&self, screen: Screen) -> Result<Exit, Failure> {
        let judged = spec_file::judge(&self.file)?;
        let file = self.file.display().to_string();
        match judged {
            Ok(accepted) => {
                let summary = Some(summary(&accepted.spec));
                screen.show(&Verdict {
                    file: &file,
                    accepted: true,
                    problems: &accepted.warnings,
                    summary,
                })?;
                Ok(Exit::Done)
            }
            Err(refused) => {
                screen.show(&Verdict {
                    file: &file,
                    accepted: false,
                    problems: &refused.problems,
                    summary: None,
                })?;
                Ok(Exit::Refused)
            }
        }
    }
}

/// What the spec describes, in a line.
pub(super) fn summary(spec: &ClusterSpec) -> String {
    let candidate = spec
        .candidate()
        .map(ToString::to_string)
        .unwrap_or_default();
    format!(
        "{} with Kubernetes {}, {} control planes and {} workers in {} zones, kubeadm init on {candidate}",
        spec.name,
        spec.kubernetes.version,
        spec.control_planes.len(),
        spec.workers.len(),
        spec.zones.len(),
    )
}
