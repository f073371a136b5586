//! A folder of its own for each node in each cgroup hierarchy. Without it every kubelet sees, and deletes, the pods of
//! the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::Place;

const CGROUPS: &str = "/sys/fs/cgroup";
/// How long the kernel may take to let go of the last process of a node.
const TRIES: u32 = 100;

/// Moves this very process into the node's folders; what it then becomes or starts stays in them.
pub(crate) fn enter(place: &Place, node: &str) -> Result<()> {
    for controller in controllers()? {
        let lab = controller.join(place.name());
        let folder = lab.join(node);
        // Children of an empty cpuset would have no processor to run on.
        for dir in [&lab, &folder] {
            fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
            let parent = dir.parent().unwrap_or(&controller);
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if dir.join(file).exists() {
                    fs::write(dir.join(file), fs::read(parent.join(file))?)?;
                }
            }
            if dir.join("cgroup.clone_children").exists() && dir.join("cpuset.cpus").exists() {
                fs::write(dir.join("cgroup.clone_children"), "1")?;
            }
        }
        let procs = folder.join("cgroup.procs");
        fs::write(&procs, std::process::id().to_string())
            .with_context(|| format!("failed to enter {}", procs.display()))?;
    }
    Ok(())
}

/// Removes the folders of a node, or with `None` of the whole lab.
pub(crate) fn remove(place: &Place, node: Option<&str>) -> Result<()> {
    for controller in controllers()? {
        let lab = controller.join(place.name());
        let folder = node.map_or_else(|| lab.clone(), |node| lab.join(node));
        remove_folder(&folder)?;
    }
    Ok(())
}

/// Every process in the node's folders, those of its pods too.
pub(crate) fn processes(place: &Place, node: &str) -> Vec<i32> {
    let mut found = Vec::new();
    collect(
        &Path::new(CGROUPS)
            .join("pids")
            .join(place.name())
            .join(node),
        &mut found,
    );
    found
}

fn collect(folder: &Path, found: &mut Vec<i32>) {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for child in folders(folder) {
        collect(&child, found);
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    for child in folders(folder) {
        remove_folder(&child)?;
    }
    for left in (0..TRIES).rev() {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Ok(()) => return Ok(()),
            Err(error) if left == 0 => {
                return Err(error)
                    .with_context(|| format!("failed to remove the cgroup {}", folder.display()));
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

/// The mounted controllers of version 1, `systemd` (the one without a controller) among them, and in the hybrid layout the
/// hierarchy of version 2: systemd-nspawn asks that one where it is, and puts all nodes into one place where it is at the root.
fn controllers() -> Result<Vec<PathBuf>> {
    let all = fs::read_dir(CGROUPS)
        .context("failed to list the cgroup controllers")?
        .flatten();
    let own = all
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path());
    Ok(own
        .filter(|dir| {
            let version_2 = dir.join("cgroup.controllers").exists();
            version_2 || dir.join("notify_on_release").exists()
        })
        .collect())
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
