//! `kubeconfig`: the Kubernetes administrator's credentials, from a control plane.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use hactl_proto::role::NodeRole;
use hactl_proto::secret::Secret;
use tokio::time::timeout;

use super::Common;
use super::session::{Session, wait};
use crate::exit::{Exit, Failure};
use crate::observe::{chain, declared};
use crate::present::Screen;

/// Fetch the Kubernetes administrator's kubeconfig
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller kubeconfig --to ~/.kube/prod.conf
  KUBECONFIG=~/.kube/prod.conf kubectl get nodes

It comes from the first control plane that has it, and gives full rights over the cluster. With no --to it is printed, as
YAML whatever the output format.")]
pub(super) struct Kubeconfig {
    /// Write it to this file, mode 0600, in place of what is there
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Kubeconfig {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open(common)?;
        let config = wait(fetch(&session, common.limit))?;
        match &self.to {
            Some(file) => {
                write(file, &config)
                    .map_err(Failure::failed(format!("write {}", file.display())))?;
                screen.note(&format!("wrote {}", file.display()));
            }
            None => screen.raw(config.expose())?,
        }
        Ok(Exit::Done)
    }
}

/// Of the first control plane that has it.
pub(super) async fn fetch(session: &Session, seconds: u64) -> Result<Secret, Failure> {
    let mut reasons = Vec::new();
    for target in declared(&session.kept.spec) {
        if target.role != NodeRole::ControlPlane {
            continue;
        }
        let asking = async { session.operator.agent(&target).await?.kubeconfig().await };
        match timeout(session.limit, asking).await {
            Ok(Ok(config)) => return Ok(config),
            Ok(Err(error)) => reasons.push(chain(&error)),
            Err(_) => reasons.push(format!("{}: no answer within {seconds} s", target.name)),
        }
    }
    Err(Failure::unreachable(
        "get a kubeconfig of any control plane",
    )(reasons.join("; ")))
}

/// Whole or not at all, and never readable by others for a moment.
fn write(file: &Path, config: &Secret) -> std::io::Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    written.write_all(config.expose().as_bytes())?;
    written.sync_all()?;
    fs::rename(&fresh, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, "old").unwrap();
        write(&file, &Secret::new("new")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(write(&folder.path().join("no/such"), &Secret::new("new")).is_err());
    }
}
