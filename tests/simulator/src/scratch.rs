//! A copy of the tree to put faults into. The product's own files are never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The repository.
pub fn root() -> anyhow::Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?)
}

/// The tree as git knows it and as it is now, with some files changed. What is the same already keeps its time, so that cargo builds
/// what changed.
pub fn copy(root: &Path, tree: &Path, changed: &BTreeMap<PathBuf, String>) -> anyhow::Result<()> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()?;
    ensure!(listed.status.success(), "git does not list the tree");
    let listed = String::from_utf8(listed.stdout)?;
    let mut kept = BTreeSet::new();
    for file in listed.split_terminator('\0') {
        let from = root.join(file);
        if !from.is_file() {
            continue;
        }
        let bytes = match changed.get(Path::new(file)) {
            Some(text) => text.clone().into_bytes(),
            None => std::fs::read(&from)?,
        };
        let to = tree.join(file);
        if std::fs::read(&to).ok().as_ref() != Some(&bytes) {
            let folder = to.parent().context("a file has a folder")?;
            std::fs::create_dir_all(folder)?;
            std::fs::write(&to, bytes)?;
        }
        kept.insert(to);
    }
    prune(tree, &kept)
}

/// Removes what is not in the tree any more: cargo would find it.
fn prune(folder: &Path, kept: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            prune(&path, kept)?;
        } else if !kept.contains(&path) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Where cargo builds.
pub fn target(scratch: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| scratch.join("target"), PathBuf::from)
}
