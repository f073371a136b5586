//! What a renewal changes is kept aside before, and beside it lies how far the renewal has come. Keys are in it: mode 0700, and
//! only the last renewal's copies stay.

use std::path::{Path, PathBuf};

use hactl_node_plan::certificate::renewal::{PROGRESS_VERSION, RenewalProgress, serials};
use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::layout;
use hactl_proto::certificate::{CertificateInventory, KeySeen};

use super::{look, order};
use crate::execute::{ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::certificates::Ports;
use crate::inspect::rollout::renewal;

/// Folders whose files are kept.
const FOLDERS: [&str; 3] = [layout::PKI, "/etc/kubernetes/pki/etcd", layout::KUBERNETES];
/// Mode of a file whose own could not be read: keys may be among them.
const CLOSED: u32 = 0o600;

fn aside<H>(cx: &ExecuteContext<H>) -> PathBuf {
    cx.paths.certificates().join("kept")
}

/// Keeps everything; the progress is written last, so that it stands for whole copies.
pub(super) async fn keep<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (name, _) = order(cx)?;
    let kept = aside(cx);
    cx.host.remove(&kept).await?;
    for folder in FOLDERS {
        let entries = cx.host.list(Path::new(folder)).await?.unwrap_or_default();
        for entry in entries.into_iter().filter(|entry| !entry.folder) {
            let path = format!("{folder}/{}", entry.name);
            copy(
                cx,
                Path::new(&path),
                &kept.join(path.trim_start_matches('/')),
            )
            .await?;
        }
    }
    let begun = RenewalProgress {
        version: PROGRESS_VERSION,
        renewal: name,
        before: serials(&look(cx, Ports::Leave).await),
        renewed: false,
        restarted: std::collections::BTreeSet::new(),
        finished: false,
    };
    write(cx, &begun).await
}

/// How far this renewal has come.
pub(super) async fn begun<H: Host>(cx: &ExecuteContext<H>) -> Result<RenewalProgress, StepError> {
    let (name, _) = order(cx)?;
    let observed = match renewal(&*cx.host, &cx.paths).await {
        Known::Is(Some(progress)) if progress.renewal == name => return Ok(progress),
        Known::Is(Some(progress)) => format!("{} was begun", progress.renewal),
        Known::Is(None) => "nothing was begun".to_owned(),
        Known::Unknown(reason) => reason,
    };
    Err(StepError::state(
        "read how far the renewal has come",
        observed,
        "Look at /var/lib/hactl/certificates.",
    ))
}

/// Changes the progress.
pub(super) async fn record<H: Host>(
    cx: &ExecuteContext<H>,
    change: impl FnOnce(&mut RenewalProgress) + Send,
) -> Result<(), StepError> {
    let mut progress = begun(cx).await?;
    change(&mut progress);
    write(cx, &progress).await
}

/// kubeadm writes the key, then the certificate: a pair that a killed run left half, or a file that it left torn, comes back from the
/// copies, so that kubeadm can read what it is to renew.
pub(super) async fn mend<H: Host>(
    cx: &ExecuteContext<H>,
    seen: &CertificateInventory,
) -> Result<(), StepError> {
    let before = begun(cx).await?.before;
    let half = |name: &String| {
        seen.named(name).is_none_or(|one| {
            matches!(
                one.key,
                KeySeen::Differs | KeySeen::Unreadable | KeySeen::Absent
            )
        })
    };
    if !before.keys().any(half) {
        return Ok(());
    }
    tracing::warn!("a renewal was interrupted: what it left half comes back from the copies");
    let kept = aside(cx);
    for folder in FOLDERS {
        let from = kept.join(folder.trim_start_matches('/'));
        let entries = cx.host.list(&from).await?.unwrap_or_default();
        for entry in entries.into_iter().filter(|entry| !entry.folder) {
            copy(
                cx,
                &from.join(&entry.name),
                &Path::new(folder).join(&entry.name),
            )
            .await?;
        }
    }
    Ok(())
}

/// Copies a file with its mode; what is the same already is left alone.
async fn copy<H: Host>(cx: &ExecuteContext<H>, from: &Path, to: &Path) -> Result<(), StepError> {
    let Some(bytes) = cx.host.read(from).await? else {
        return Ok(());
    };
    if cx.host.read(to).await?.as_deref() == Some(bytes.as_slice()) {
        return Ok(());
    }
    let mode = cx
        .host
        .stamp(from)
        .await?
        .map_or(CLOSED, |stamp| stamp.mode & 0o777);
    Ok(cx.host.replace(to, &bytes, mode).await?)
}

async fn write<H: Host>(
    cx: &ExecuteContext<H>,
    progress: &RenewalProgress,
) -> Result<(), StepError> {
    // Plain data with string keys: serializing it cannot fail.
    let text = serde_json::to_vec_pretty(progress).unwrap_or_default();
    Ok(cx.host.replace(&cx.paths.renewal(), &text, CLOSED).await?)
}
