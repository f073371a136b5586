//! Checks: deb and rpm of one package hold the same files with the same modes, and their scripts are valid shell.
//!
//! That a package installs, upgrades in the middle of an operation and is removed is tried on real nodes (tests/lab).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::assets::{PACKAGES, Workspace};
use crate::build::run;

/// Checks what out/packages holds.
pub(crate) fn all() -> anyhow::Result<()> {
    let workspace = Workspace::read(Path::new("."))?;
    let out = workspace.root.join("out/packages");
    let mut passed = 0;
    for name in PACKAGES {
        let version = &workspace.package(name)?.version;
        let deb = deb_files(&out.join(format!("{name}_{version}_amd64.deb")))?;
        let rpm = rpm_files(&out.join(format!("{name}-{version}.x86_64.rpm")))?;
        let differ: Vec<_> = deb.symmetric_difference(&rpm).collect();
        ensure!(
            differ.is_empty(),
            "{name}: deb and rpm differ in {differ:?}"
        );
        ensure!(
            deb.iter()
                .any(|(path, mode)| *path == format!("/usr/bin/{name}") && mode == "rwxr-xr-x"),
            "{name}: the program is not in {deb:?}"
        );
        println!("{name}: {} files, the same in deb and rpm", deb.len());
        passed += 1;
    }
    for script in scripts(&workspace.root.join("packaging"))? {
        run(Command::new("sh").arg("-n").arg(&script))?;
        passed += 1;
    }
    println!("packages: {passed} passed, 0 failed");
    Ok(())
}

/// Path and mode of each file. cargo-deb adds Debian's own copyright file, which an rpm has no use for.
fn deb_files(deb: &Path) -> anyhow::Result<BTreeSet<(String, String)>> {
    let listed = output(Command::new("dpkg-deb").arg("--contents").arg(deb))?;
    let mut files = BTreeSet::new();
    for line in listed.lines() {
        let mut words = line.split_whitespace();
        let (mode, path) = (
            words.next().unwrap_or_default(),
            words.nth(4).unwrap_or_default(),
        );
        let path = path.trim_start_matches('.');
        if let Some(mode) = mode.strip_prefix('-')
            && !path.ends_with("/copyright")
        {
            files.insert((path.to_owned(), mode.to_owned()));
        }
    }
    Ok(files)
}

fn rpm_files(rpm: &Path) -> anyhow::Result<BTreeSet<(String, String)>> {
    let listed = output(
        Command::new("rpm")
            .args([
                "--query",
                "--package",
                "--queryformat",
                "[%{FILEMODES:perms} %{FILENAMES}\n]",
            ])
            .arg(rpm),
    )?;
    let mut files = BTreeSet::new();
    for line in listed.lines() {
        let Some((mode, path)) = line.split_once(' ') else {
            bail!("rpm lists {line:?}");
        };
        if let Some(mode) = mode.strip_prefix('-') {
            files.insert((path.to_owned(), mode.to_owned()));
        }
    }
    Ok(files)
}

fn scripts(packaging: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for folder in ["deb/agent", "rpm"] {
        for entry in fs::read_dir(packaging.join(folder))? {
            scripts.push(entry?.path());
        }
    }
    scripts.sort();
    Ok(scripts)
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = format!("{command:?}");
    let output = command.output().with_context(|| format!("start {line}"))?;
    ensure!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
