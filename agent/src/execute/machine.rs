//! Effects of the steps that put a prerequisite right.

use std::path::Path;
use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_node_plan::step::machine::{EditedFile, FileEdit, MachineStep, PackageTool};

use super::{ExecuteContext, StepError};
use crate::host::Host;

/// Longest installation of packages: a slow mirror.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
/// Longest start of containerd: it reads its metadata first.
const CONTAINERD_LIMIT: Duration = Duration::from_secs(90);

/// Carries one of these steps out.
pub(super) async fn execute<H: Host>(
    step: &MachineStep,
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    match step {
        MachineStep::WriteFile(edit) => write_file(edit, cx).await,
        MachineStep::MaskUnits { units } => {
            let words = ["mask", "--now"].into_iter().map(str::to_owned);
            run(cx, "systemctl", words.chain(units.iter().cloned())).await
        }
        MachineStep::LoadModule(module) => run(cx, "modprobe", [module.name()]).await,
        MachineStep::SetSysctl(sysctl) => {
            run(
                cx,
                "sysctl",
                ["-w".to_owned(), format!("{}=1", sysctl.key())],
            )
            .await
        }
        MachineStep::SwapOff => run(cx, "swapoff", ["-a"]).await,
        MachineStep::EnableContainerd => {
            run(cx, "systemctl", ["enable", "containerd.service"]).await
        }
        MachineStep::RestartContainerd => {
            let command = Command::new("systemctl", ["restart", "containerd.service"]);
            cx.run(&command.limit(CONTAINERD_LIMIT)).await.map(drop)
        }
        MachineStep::InstallPackages { by, packages } => {
            let command = Command::new(install_program(*by), install_words(*by, packages))
                .limit(INSTALL_LIMIT)
                .unit(cx.unit(step.name()));
            cx.run(&command).await.map(drop)
        }
        MachineStep::HoldPackages { by, packages } => match by {
            PackageTool::Apt => run(cx, "apt-mark", with("hold", packages)).await,
            PackageTool::Dnf => {
                let words = ["versionlock", "add"].into_iter().map(str::to_owned);
                run(cx, "dnf", words.chain(packages.iter().cloned())).await
            }
        },
    }
}

/// Runs a short command that has to succeed.
async fn run<H: Host, I, S>(
    cx: &ExecuteContext<H>,
    program: &str,
    words: I,
) -> Result<(), StepError>
where
    I: IntoIterator<Item = S>,
    S: Into<String>,
{
    cx.run(&Command::new(program, words)).await.map(drop)
}

fn with(verb: &str, packages: &[String]) -> Vec<String> {
    std::iter::once(verb.to_owned())
        .chain(packages.iter().cloned())
        .collect()
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

/// Writes the file if it still says what the plan was computed from; written already is fine.
async fn write_file<H: Host>(edit: &FileEdit, cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let path = Path::new(&edit.path);
    let now = cx.host.read(path).await?;
    if now.as_deref() == Some(edit.after.as_bytes()) {
        return after_write(edit, cx).await;
    }
    if now.as_deref() != edit.before.as_ref().map(String::as_bytes) {
        return Err(StepError::State {
            what: format!("write {}", edit.path),
            observed: "it was changed by someone else since it was read".to_owned(),
            remedy: "Nothing was written; give the instruction again.".to_owned(),
        });
    }
    if edit.file == EditedFile::Containerd {
        check_containerd(edit, cx).await?;
    }
    cx.host
        .replace(path, edit.after.as_bytes(), edit.mode)
        .await?;
    after_write(edit, cx).await
}

/// What reads the file only when told is told.
async fn after_write<H: Host>(edit: &FileEdit, cx: &ExecuteContext<H>) -> Result<(), StepError> {
    match edit.file {
        // Or the swap units that systemd made of the old fstab stay.
        EditedFile::Fstab => run(cx, "systemctl", ["daemon-reload"]).await,
        EditedFile::ModulesLoad | EditedFile::SysctlD | EditedFile::Containerd => Ok(()),
    }
}

/// containerd itself reads the new configuration before the old one goes.
async fn check_containerd<H: Host>(
    edit: &FileEdit,
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    let draft = format!("{}.hactl-draft", edit.path);
    let path = Path::new(&draft);
    // 0600 whatever the old mode: the draft may hold registry passwords.
    cx.host.replace(path, edit.after.as_bytes(), 0o600).await?;
    let command = Command::new("containerd", ["--config", &draft, "config", "dump"]);
    let read = cx.host.run(&command.secret_output()).await;
    cx.host.remove(path).await?;
    let output = read?;
    if output.success() {
        return Ok(());
    }
    // Only its complaint: what it dumps may hold registry passwords.
    let words = output.stderr.lines().last().unwrap_or("it says nothing");
    Err(StepError::State {
        what: format!("write {}", edit.path),
        observed: format!("containerd would not start with it: {words}"),
        remedy: "The old file is in place; edit it by hand as docs/prerequisites.md says, then \
                 give the instruction again."
            .to_owned(),
    })
}
