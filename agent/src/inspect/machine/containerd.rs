//! containerd: installed, running, configured.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_node_plan::containerd::imports;
use hactl_node_plan::facts::machine::TextFile;
use hactl_node_plan::facts::machine::containerd::{
    CONTAINERD_CONFIG, ContainerdFacts, ContainerdVersion, parse_pause_image, parse_version,
};
use hactl_node_plan::prerequisite::Requirements;

use super::packages::path_of;
use super::reader::{Reader, known, succeeded};
use super::unit::is_active;
use crate::host::Host;

const UNIT: &str = "containerd.service";
/// Where `systemctl enable` puts its link.
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";
/// More files than that import each other in a circle.
const MOST_IMPORTS: usize = 64;
/// kubeadm computes the list without asking anyone when it is told the version.
const KUBEADM_LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn inspect<H: Host>(
    read: &mut Reader<'_, H>,
    programs: &Result<BTreeMap<String, PathBuf>, String>,
    restart_due: &Path,
    wanted: &Requirements,
) -> ContainerdFacts {
    let version = version(read, programs).await;
    let running = is_active(read, UNIT).await;
    let enabled = enabled(read).await;
    ContainerdFacts {
        version: known(version),
        running: known(running),
        enabled: known(enabled),
        restart_due: matches!(read.stamp(restart_due).await, Ok(Some(_))),
        files: known(files(read).await),
        pause_image: known(pause_image(read, programs, wanted).await),
    }
}

async fn version<H: Host>(
    read: &mut Reader<'_, H>,
    programs: &Result<BTreeMap<String, PathBuf>, String>,
) -> Result<Option<ContainerdVersion>, String> {
    let Some(path) = path_of(programs, "containerd")? else {
        return Ok(None);
    };
    let command = Command::new("containerd", ["--version"]);
    let line = command.line();
    let output = read.ask_while_unchanged(command, &[&path]).await;
    let text = succeeded(&line, output)?;
    parse_version(&text)
        .map(Some)
        .ok_or_else(|| format!("{line} says {:?}", text.trim()))
}

/// A link in the usual place, or systemd says so.
async fn enabled<H: Host>(read: &mut Reader<'_, H>) -> Result<bool, String> {
    if read.names(WANTS).await?.iter().any(|name| name == UNIT) {
        return Ok(true);
    }
    let command = Command::new("systemctl", ["is-enabled", UNIT]);
    let output = read
        .ask_while_unchanged(command, &["/etc/systemd/system", WANTS])
        .await?;
    Ok(output.stdout.trim() == "enabled")
}

/// The main file and what it imports, breadth first as containerd reads them, each once.
async fn files<H: Host>(read: &Reader<'_, H>) -> Result<Vec<TextFile>, String> {
    let Some(main) = read.file(CONTAINERD_CONFIG).await? else {
        return Ok(vec![]);
    };
    let mut seen = BTreeSet::from([main.path.clone()]);
    let mut waiting = VecDeque::from([main]);
    let mut files = Vec::new();
    while let Some(file) = waiting.pop_front() {
        // A file that is no TOML imports nothing; the check says what is wrong with it.
        let patterns = imports(&file.path, &file.text).unwrap_or_default();
        files.push(file);
        if files.len() > MOST_IMPORTS {
            return Err(format!(
                "{CONTAINERD_CONFIG} imports more than {MOST_IMPORTS} files"
            ));
        }
        for pattern in patterns {
            for name in read.names(&pattern.folder).await? {
                let path = format!("{}/{name}", pattern.folder);
                if pattern.fits(&name)
                    && seen.insert(path.clone())
                    && let Some(file) = read.file(&path).await?
                {
                    waiting.push_back(file);
                }
            }
        }
    }
    Ok(files)
}

/// What the installed kubeadm would have the spec's version use. A kubeadm of another minor does not know it
/// (kubeadm.md 0.1): that is the check of versions' to say.
async fn pause_image<H: Host>(
    read: &mut Reader<'_, H>,
    programs: &Result<BTreeMap<String, PathBuf>, String>,
    wanted: &Requirements,
) -> Result<Option<String>, String> {
    let (Some(path), Some(version)) = (path_of(programs, "kubeadm")?, &wanted.kubernetes) else {
        return Ok(None);
    };
    let mut words = vec![
        "config".to_owned(),
        "images".to_owned(),
        "list".to_owned(),
        "-o".to_owned(),
        "json".to_owned(),
        format!("--kubernetes-version={version}"),
    ];
    if let Some(repository) = &wanted.image_repository {
        words.push(format!("--image-repository={repository}"));
    }
    let command = Command::new("kubeadm", words).limit(KUBEADM_LIMIT);
    let line = command.line();
    let output = read.ask_while_unchanged(command, &[&path]).await;
    Ok(parse_pause_image(&succeeded(&line, output)?))
}
