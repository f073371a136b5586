//! The client that an upgrade must not be felt by.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::agent;
use crate::cluster;
use crate::lab::Lab;
use crate::rollout;

/// Reads and writes twenty times a second through the endpoint, in a process of its own.
pub(crate) struct Writer {
    child: Child,
    until: PathBuf,
}

impl Writer {
    /// Starts it with these rights; it ends when it is told to.
    pub(crate) fn start(lab: &Lab, kubeconfig: &str) -> Result<Self> {
        Self::of(lab, kubeconfig, 0)
    }

    /// One that asks once more where a request failed, and only then counts it as failed.
    pub(crate) fn start_patient(lab: &Lab, kubeconfig: &str) -> Result<Self> {
        Self::of(lab, kubeconfig, 1)
    }

    fn of(lab: &Lab, kubeconfig: &str, again: u32) -> Result<Self> {
        let dir = agent::operator_folder(lab);
        fs::create_dir_all(&dir)?;
        let (admin, until) = (dir.join("admin.conf"), dir.join("client-ends"));
        fs::write(&admin, kubeconfig)?;
        let _ = fs::remove_file(&until);
        let map = ["configmap", "hactl-lab-client", "-n", "default"];
        // An earlier client of this cluster left it.
        let gone = [&["delete", "--ignore-not-found"][..], &map].concat();
        cluster::kubectl(lab, &gone)?;
        cluster::kubectl(lab, &[&["create"][..], &map].concat())?;
        let child = Command::new(std::env::current_exe()?)
            .args([
                "client",
                "--json",
                "--rate",
                "20",
                "--limit",
                "30000",
                "--seconds",
                &rollout::LIMIT.as_secs().to_string(),
                "--again",
                &again.to_string(),
            ])
            .args([
                "--admin".as_ref(),
                admin.as_os_str(),
                "--until".as_ref(),
                until.as_os_str(),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the client")?;
        Ok(Self { child, until })
    }

    /// Ends it; what it saw, and the same in words.
    pub(crate) fn end(mut self) -> Result<(Value, String)> {
        fs::write(&self.until, "")?;
        let mut text = String::new();
        if let Some(said) = &mut self.child.stdout {
            said.read_to_string(&mut text)
                .context("failed to read what the client saw")?;
        }
        let text = text.trim().to_owned();
        let seen = serde_json::from_str(&text).context("the client said no JSON")?;
        Ok((seen, text))
    }
}

impl Drop for Writer {
    /// Where the case failed it is still at work.
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
