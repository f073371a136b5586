//! Builds: release binaries, then a deb and an rpm of each package into out/packages.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::assets::{PACKAGES, Package, Workspace};

/// Builds all of them.
pub(crate) fn all() -> anyhow::Result<()> {
    let workspace = Workspace::read(Path::new("."))?;
    let out = workspace.root.join("out/packages");
    programs(&workspace)?;
    packages(&workspace, &out)
}

/// The release binaries.
pub(crate) fn programs(workspace: &Workspace) -> anyhow::Result<()> {
    run(cargo(workspace).args(["build", "--release", "-p", PACKAGES[0], "-p", PACKAGES[1]]))
}

/// Packages of the release binaries that are there.
pub(crate) fn packages(workspace: &Workspace, out: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(out)?;
    for name in PACKAGES {
        let package = workspace.package(name)?;
        deb(workspace, package, out)?;
        rpm(workspace, package, out)?;
    }
    Ok(())
}

/// cargo in the workspace, wherever this program was called.
fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command
        .current_dir(&workspace.root)
        .env("CARGO_TARGET_DIR", &workspace.target_directory);
    command
}

fn deb(workspace: &Workspace, package: &Package, out: &Path) -> anyhow::Result<()> {
    run(cargo(workspace)
        .args([
            "deb",
            "--quiet",
            "--no-build",
            "--package",
            &package.name,
            "--output",
        ])
        .arg(out.join(format!("{}_{}_amd64.deb", package.name, package.version))))
}

/// cargo-generate-rpm takes the deb's list, with sources that do not depend on the folder it runs in.
fn rpm(workspace: &Workspace, package: &Package, out: &Path) -> anyhow::Result<()> {
    let mut assets = String::new();
    for asset in package.assets()? {
        let source = match asset.source.strip_prefix("target/") {
            Some(built) => workspace.target_directory.join(built),
            None => package.folder()?.join(&asset.source),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            assets,
            "[[assets]]\nsource = {:?}\ndest = {:?}\nmode = {:?}",
            source.display().to_string(),
            asset.dest,
            asset.mode
        );
    }
    let list = workspace
        .target_directory
        .join(format!("{}-rpm.toml", package.name));
    fs::write(&list, assets)?;
    run(cargo(workspace)
        .args(["generate-rpm", "--package"])
        .arg(package.folder()?.strip_prefix(&workspace.root)?)
        .arg("--metadata-overwrite")
        .arg(&list)
        .arg("--output")
        .arg(out.join(format!("{}-{}.x86_64.rpm", package.name, package.version))))
}

/// Runs a command to its end, showing what it says.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = format!("{command:?}");
    let status = command.status().with_context(|| format!("start {line}"))?;
    ensure!(status.success(), "{line}: {status}");
    Ok(())
}
