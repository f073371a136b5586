//! The operator's machine: this host's files, but the network of a machine of its own at the nodes' switch.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::agent;
use crate::lab::Lab;
use crate::program::{Program, program};
use crate::switch::Switch;

/// Becomes a program there, in the operator's folder, with the cluster's controller before others on its PATH.
pub(crate) fn exec(lab: &Lab, argv: &[String]) -> Result<()> {
    let dir = agent::operator_folder(lab);
    std::fs::create_dir_all(&dir)?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", Switch::of(lab.place()).operator()))
        .arg("--")
        .args(argv)
        .env("PATH", format!("{}:{path}", dir.join("bin").display()))
        .env("HACTL_STATE", dir.join(agent::STATE))
        .current_dir(&dir);
    Err(command.exec()).context("failed to enter the operator's namespace")
}

/// The cluster's controller, about to be run there.
pub(crate) fn controller(lab: &Lab, arguments: &[&str]) -> Program {
    let own = agent::operator_folder(lab).join("bin/hactl-controller");
    controller_of(lab, &own, arguments)
}

/// A controller of another version, about to be run there.
pub(crate) fn controller_of(lab: &Lab, controller: &Path, arguments: &[&str]) -> Program {
    let dir = agent::operator_folder(lab);
    program("nsenter")
        .arg(format!("--net={}", Switch::of(lab.place()).operator()))
        .arg("--")
        .arg(controller)
        .args(arguments)
        .env("HACTL_STATE", dir.join(agent::STATE))
        .dir(&dir)
}
