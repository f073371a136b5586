//! Mounts that bear the lab's name as their source, so that what an interrupted run left can be found and cleared.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::remove;
use crate::program::program;

/// An overlay that is unmounted when it goes out of scope.
pub(crate) struct Overlay {
    root: PathBuf,
    work: PathBuf,
}

impl Overlay {
    /// Mounts the lower layers, topmost first, under `upper` at `root`.
    pub(crate) fn mount(
        name: &str,
        lower: &[&Path],
        upper: &Path,
        work: &Path,
        root: &Path,
    ) -> Result<Self> {
        unmount_below(root)?;
        remove(work)?;
        overlay(name, lower, upper, work, root)?;
        Ok(Self {
            root: root.to_owned(),
            work: work.to_owned(),
        })
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        unmount_below(&self.root).ok();
        remove(&self.work).ok();
    }
}

/// Mounts an overlay that stays.
pub(crate) fn overlay(
    name: &str,
    lower: &[&Path],
    upper: &Path,
    work: &Path,
    root: &Path,
) -> Result<()> {
    for dir in [upper, work, root] {
        fs::create_dir_all(dir)?;
    }
    let lower: Vec<String> = lower
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        upper.display(),
        work.display()
    );
    program("mount")
        .args(["-t", "overlay", name, "-o", &options])
        .arg(root)
        .run()?;
    Ok(())
}

/// Every mount point at or below a path, the deepest last.
pub(crate) fn below(path: &Path) -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("failed to read the mounts")?;
    let points = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from);
    Ok(points.filter(|point| point.starts_with(path)).collect())
}

/// Unmounts all that is mounted at or below a path. Lazily: a process that is just going may still have a file open.
pub(crate) fn unmount_below(path: &Path) -> Result<()> {
    for point in below(path)?.iter().rev() {
        program("umount").arg("--lazy").arg(point).run()?;
    }
    Ok(())
}
