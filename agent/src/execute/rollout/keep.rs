//! What an upgrade changes is kept aside before, and put back where it failed: `/etc/kubernetes` and the kubelet's configuration.
//! Beside it lies how far the upgrade has come. All of it is in the agent's own folder, mode 0700: keys are in it.

use std::path::{Path, PathBuf};

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::rollout::images::of_manifest;
use hactl_node_plan::rollout::progress::{PROGRESS_VERSION, Progress};
use hactl_proto::status::InstalledVersions;

use super::{packages, upgrade};
use crate::execute::{ExecuteContext, StepError};
use crate::host::{Host, HostError};
use crate::inspect::rollout::progress;

/// What is kept: folders whole, files by name.
const KEPT: [&str; 4] = [
    layout::MANIFESTS,
    layout::PKI,
    layout::KUBELET_CONFIG,
    layout::KUBELET_FLAGS,
];
/// Mode of a file whose own could not be read: keys may be among them.
const CLOSED: u32 = 0o600;

fn folder<H>(cx: &ExecuteContext<H>) -> PathBuf {
    cx.paths.upgrade().join("kept")
}

/// Keeps everything aside; the progress is written last, so that it stands for whole copies.
pub(super) async fn keep<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let order = upgrade(cx)?;
    let aside = folder(cx);
    cx.host.remove(&aside).await?;
    for path in KEPT {
        copy(cx, Path::new(path), &under(&aside, path)).await?;
    }
    for entry in cx
        .host
        .list(Path::new(layout::KUBERNETES))
        .await?
        .unwrap_or_default()
    {
        if !entry.folder {
            let path = format!("{}/{}", layout::KUBERNETES, entry.name);
            copy(cx, Path::new(&path), &under(&aside, &path)).await?;
        }
    }
    let begun = Progress {
        version: PROGRESS_VERSION,
        target: order.target.clone(),
        part: order.part,
        from: packages::installed(cx).await?,
        kubeadm_done: false,
        finished: false,
    };
    write(cx, &begun).await
}

/// Changes the progress.
pub(super) async fn record<H: Host>(
    cx: &ExecuteContext<H>,
    change: impl FnOnce(&mut Progress) + Send,
) -> Result<(), StepError> {
    let mut progress = begun(cx).await?;
    change(&mut progress);
    write(cx, &progress).await
}

/// What was installed when this upgrade began.
pub(super) async fn before<H: Host>(
    cx: &ExecuteContext<H>,
) -> Result<InstalledVersions, StepError> {
    Ok(begun(cx).await?.from)
}

/// Puts the files back. etcd is never rolled back: its manifest stays where its image was raised already.
pub(super) async fn restore<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let aside = folder(cx);
    let raised = etcd_raised(cx, &aside).await?;
    let mut files = Vec::new();
    walk(cx, &aside, &mut files).await?;
    for file in files {
        let Ok(path) = file.strip_prefix(&aside) else {
            continue;
        };
        let path = Path::new("/").join(path);
        if raised && path == Path::new(layout::ETCD_MANIFEST) {
            continue;
        }
        copy(cx, &file, &path).await?;
    }
    Ok(())
}

/// Forgets the upgrade that was given up; the copies go with it.
pub(super) async fn forget<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    cx.host.remove(&file(cx)).await?;
    Ok(cx.host.remove(&folder(cx)).await?)
}

async fn etcd_raised<H: Host>(cx: &ExecuteContext<H>, aside: &Path) -> Result<bool, StepError> {
    let tag = async |path: PathBuf| -> Result<Option<String>, HostError> {
        let text = cx.host.read(&path).await?.unwrap_or_default();
        Ok(of_manifest(&String::from_utf8_lossy(&text), "etcd"))
    };
    let now = tag(PathBuf::from(layout::ETCD_MANIFEST)).await?;
    Ok(now.is_some() && now != tag(under(aside, layout::ETCD_MANIFEST)).await?)
}

async fn begun<H: Host>(cx: &ExecuteContext<H>) -> Result<Progress, StepError> {
    let observed = match progress(&*cx.host, &cx.paths).await {
        Known::Is(Some(progress)) => return Ok(progress),
        Known::Is(None) => "nothing was begun".to_owned(),
        Known::Unknown(reason) => reason,
    };
    Err(StepError::state(
        "read how far the upgrade has come",
        observed,
        "Look at /var/lib/hactl/upgrade.",
    ))
}

async fn write<H: Host>(cx: &ExecuteContext<H>, progress: &Progress) -> Result<(), StepError> {
    // Plain data with string keys: serializing it cannot fail.
    let text = serde_json::to_vec_pretty(progress).unwrap_or_default();
    Ok(cx.host.replace(&file(cx), &text, CLOSED).await?)
}

fn file<H>(cx: &ExecuteContext<H>) -> PathBuf {
    cx.paths.upgrade().join("progress.json")
}

fn under(aside: &Path, path: &str) -> PathBuf {
    aside.join(path.trim_start_matches('/'))
}

/// Copies a file, or a folder with all in it; what is the same already is left alone. Nothing there is fine.
async fn copy<H: Host>(cx: &ExecuteContext<H>, from: &Path, to: &Path) -> Result<(), StepError> {
    let mut files = Vec::new();
    walk(cx, from, &mut files).await?;
    for file in files {
        let Some(bytes) = cx.host.read(&file).await? else {
            continue;
        };
        let place = match file.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
            Ok(rest) => to.join(rest),
            Err(_) => continue,
        };
        if cx.host.read(&place).await?.as_deref() == Some(bytes.as_slice()) {
            continue;
        }
        let mode = cx
            .host
            .stamp(&file)
            .await?
            .map_or(CLOSED, |stamp| stamp.mode & 0o777);
        cx.host.replace(&place, &bytes, mode).await?;
    }
    Ok(())
}

/// The files below a path, the path itself where it is one.
async fn walk<H: Host>(
    cx: &ExecuteContext<H>,
    path: &Path,
    files: &mut Vec<PathBuf>,
) -> Result<(), StepError> {
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        match cx.host.list(&path).await {
            Ok(Some(entries)) => {
                for entry in entries {
                    let below = path.join(&entry.name);
                    if entry.folder {
                        open.push(below);
                    } else {
                        files.push(below);
                    }
                }
            }
            // A file is no folder; what can be read as neither must not be left out without a word.
            Ok(None) | Err(_) => {
                if cx.host.read(&path).await?.is_some() {
                    files.push(path);
                }
            }
        }
    }
    Ok(())
}
