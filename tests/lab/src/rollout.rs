//! A controller that carries out a rollout on the operator's machine, as a process that can be watched and killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::agent;
use crate::lab::Lab;
use crate::progress::{Stage, stage};
use crate::switch::Switch;

/// A whole upgrade of four nodes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(45);

/// A controller at work, whose words go to a file.
pub(crate) struct Rollout {
    child: Child,
    log: PathBuf,
}

impl Rollout {
    /// The cluster's own controller.
    pub(crate) fn start(lab: &Lab, arguments: &[&str]) -> Result<Self> {
        let own = agent::operator_folder(lab).join("bin/hactl-controller");
        Self::of(lab, &own, arguments)
    }

    /// A controller of another version.
    pub(crate) fn of(lab: &Lab, controller: &Path, arguments: &[&str]) -> Result<Self> {
        let dir = agent::operator_folder(lab);
        // Two may be at work at once.
        let log = dir.join(format!("{}.log", arguments.join(" ").replace('/', "-")));
        let words = fs::File::create(&log)?;
        println!("$ hactl-controller {}", arguments.join(" "));
        let child = Command::new("nsenter")
            .arg(format!("--net={}", Switch::of(lab.place()).operator()))
            .arg("--")
            .arg(controller)
            .args(arguments)
            .env("HACTL_STATE", dir.join(agent::STATE))
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(words.try_clone()?)
            .stderr(words)
            .spawn()
            .context("failed to start the controller")?;
        Ok(Self { child, log })
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) fn wait_for(&mut self, word: &str) -> Result<()> {
        let limit = Instant::now() + LIMIT;
        stage(&format!("waiting for {word:?}"), |stage: &Stage| {
            loop {
                let said = self.said();
                if said.contains(word) {
                    return Ok(());
                }
                if let Some(ended) = self.child.try_wait()? {
                    bail!("the controller ended with {ended}:\n{said}");
                }
                ensure!(Instant::now() < limit, "it was never said:\n{said}");
                stage.detail(said.lines().last().unwrap_or_default().to_owned());
                thread::sleep(Duration::from_millis(300));
            }
        })
    }

    /// Whether it is through, well or not.
    pub(crate) fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    pub(crate) fn kill(mut self) -> Result<()> {
        // nsenter has become the controller: this is kill -9 of it.
        self.child.kill()?;
        self.child.wait()?;
        println!("{}", self.said().trim_end());
        Ok(())
    }

    pub(crate) fn end(mut self) -> Result<()> {
        let limit = Instant::now() + LIMIT;
        let status = stage("waiting for the rollout's end", |stage| {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    return Ok(status);
                }
                ensure!(Instant::now() < limit, "it never ended:\n{}", self.said());
                stage.detail(self.said().lines().last().unwrap_or_default().to_owned());
                thread::sleep(Duration::from_millis(500));
            }
        })?;
        println!("{}", self.said().trim_end());
        ensure!(status.success(), "the controller ended with {status}");
        Ok(())
    }
}

impl Drop for Rollout {
    /// Where the case failed it is still at work.
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
