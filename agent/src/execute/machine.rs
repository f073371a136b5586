//! Effects of the steps that put a prerequisite right.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_node_plan::step::machine::{EditedFile, FileEdit, MachineStep, PackageTool};

use super::context::run_to_success;
use super::{ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::machine::RESTART_DUE;
use crate::paths::Paths;

const CONTAINERD: &str = "containerd.service";

/// Longest installation of packages: a slow mirror.
const INSTALL_LIMIT: Duration = Duration::from_mins(10);
/// Longest start of containerd: it reads its metadata first.
const CONTAINERD_LIMIT: Duration = Duration::from_secs(90);

/// Carries one of these steps out.
pub(super) async fn execute<H: Host>(
    step: &MachineStep,
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    let units = format!("hactl-{}", cx.instruction.id);
    Mender::new(&*cx.host, &cx.paths, units).mend(step).await
}

/// Puts prerequisites right on a host: for an operation, and for the doctor, which has none.
#[derive(Debug)]
pub struct Mender<'a, H> {
    host: &'a H,
    paths: &'a Paths,
    /// What names of transient units begin with.
    units: String,
}

impl<'a, H: Host> Mender<'a, H> {
    /// One whose transient units are called `UNITS-STEP`.
    pub fn new(host: &'a H, paths: &'a Paths, units: String) -> Self {
        Self { host, paths, units }
    }

    /// Carries one step out. Safe to repeat.
    pub async fn mend(&self, step: &MachineStep) -> Result<(), StepError> {
        match step {
            MachineStep::WriteFile(edit) => self.write_file(edit).await,
            MachineStep::LoadModule(module) => self.run("modprobe", &[module.name()]).await,
            MachineStep::SetSysctl(sysctl) => {
                self.run("sysctl", &["-w", &format!("{}=1", sysctl.key())])
                    .await
            }
            MachineStep::SwapOff => self.run("swapoff", &["-a"]).await,
            MachineStep::MaskUnits { units } => {
                self.run_on("systemctl", &["mask", "--now"], units).await
            }
            MachineStep::DisableUnits { units } => {
                self.run_on("systemctl", &["disable", "--now"], units).await
            }
            MachineStep::EnableContainerd => self.run("systemctl", &["enable", CONTAINERD]).await,
            MachineStep::RestartContainerd => self.restart_containerd().await,
            MachineStep::InstallPackages { by, packages } => {
                let command = Command::new(install_program(*by), install_words(*by, packages))
                    .limit(INSTALL_LIMIT)
                    .unit(format!("{}-{}", self.units, step.name()));
                run_to_success(self.host, &command).await.map(drop)
            }
            MachineStep::HoldPackages { by, packages } => match by {
                PackageTool::Apt => self.run_on("apt-mark", &["hold"], packages).await,
                PackageTool::Dnf => self.run_on("dnf", &["versionlock", "add"], packages).await,
            },
        }
    }

    async fn run(&self, program: &str, words: &[&str]) -> Result<(), StepError> {
        self.run_on(program, words, &[]).await
    }

    /// Runs a short command on these names; it has to succeed.
    async fn run_on(
        &self,
        program: &str,
        words: &[&str],
        names: &[String],
    ) -> Result<(), StepError> {
        let words = words.iter().map(|word| (*word).to_owned());
        let command = Command::new(program, words.chain(names.iter().cloned()));
        run_to_success(self.host, &command).await.map(drop)
    }

    /// The marker goes after the restart: a crash between the two restarts once more.
    async fn restart_containerd(&self) -> Result<(), StepError> {
        let command = Command::new("systemctl", ["restart", CONTAINERD]).limit(CONTAINERD_LIMIT);
        run_to_success(self.host, &command).await?;
        Ok(self.host.remove(&self.paths.run.join(RESTART_DUE)).await?)
    }

    /// Writes the file if it still says what the plan was computed from; written already is fine.
    async fn write_file(&self, edit: &FileEdit) -> Result<(), StepError> {
        let path = Path::new(&edit.path);
        let now = self.host.read(path).await?;
        if now.as_deref() == Some(edit.after.as_bytes()) {
            return self.after_write(edit).await;
        }
        if now.as_deref() != edit.before.as_ref().map(String::as_bytes) {
            return Err(StepError::State {
                what: format!("write {}", edit.path),
                observed: "it was changed by someone else since it was read".to_owned(),
                remedy: "Nothing was written; give the instruction again.".to_owned(),
            });
        }
        if edit.file == EditedFile::Containerd {
            self.check_containerd(edit).await?;
            // Before the file: a crash between the two restarts containerd for nothing, never too little.
            let marker = self.paths.run.join(RESTART_DUE);
            self.host.replace(&marker, b"", 0o600).await?;
        }
        self.host
            .replace(path, edit.after.as_bytes(), edit.mode)
            .await?;
        self.after_write(edit).await
    }

    /// What reads the file only when told is told.
    async fn after_write(&self, edit: &FileEdit) -> Result<(), StepError> {
        match edit.file {
            // Or the swap units that systemd made of the old fstab stay.
            EditedFile::Fstab => self.run("systemctl", &["daemon-reload"]).await,
            EditedFile::ModulesLoad | EditedFile::SysctlD | EditedFile::Containerd => Ok(()),
        }
    }

    /// containerd itself reads the new configuration before the old one goes.
    async fn check_containerd(&self, edit: &FileEdit) -> Result<(), StepError> {
        let draft = format!("{}.hactl-draft", edit.path);
        let path = Path::new(&draft);
        // 0600 whatever the old mode: the draft may hold registry passwords.
        self.host
            .replace(path, edit.after.as_bytes(), 0o600)
            .await?;
        let command = Command::new("containerd", ["--config", &draft, "config", "dump"]);
        let read = self.host.run(&command.secret_output()).await;
        self.host.remove(path).await?;
        let output = read?;
        if output.success() {
            return Ok(());
        }
        // Only its complaint: what it dumps may hold registry passwords.
        let words = output.stderr.lines().last().unwrap_or("it says nothing");
        Err(StepError::State {
            what: format!("write {}", edit.path),
            observed: format!("containerd would not start with it: {words}"),
            remedy:
                "The old file is in place; edit it by hand as docs/prerequisites.md says, then \
                     give the instruction again."
                    .to_owned(),
        })
    }
}

const fn install_program(by: PackageTool) -> &'static str {
    match by {
        PackageTool::Apt => "apt-get",
        PackageTool::Dnf => "dnf",
    }
}

/// Never asks, and keeps a configuration file that is there.
fn install_words(by: PackageTool, packages: &[String]) -> Vec<String> {
    let options: &[&str] = match by {
        PackageTool::Apt => &[
            "install",
            "--yes",
            "--no-install-recommends",
            "-o",
            "Dpkg::Options::=--force-confdef",
            "-o",
            "Dpkg::Options::=--force-confold",
            "-o",
            "DPkg::Lock::Timeout=120",
        ],
        PackageTool::Dnf => &["install", "--assumeyes", "--setopt=install_weak_deps=False"],
    };
    options
        .iter()
        .map(|word| (*word).to_owned())
        .chain(packages.iter().cloned())
        .collect()
}
