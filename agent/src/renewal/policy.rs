//! By itself: a node looks at its certificates every minute, repairs a kubelet whose own has ended, and, a control plane, begins its turn
//! when one is due.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hactl_node_plan::certificate::renewal::{FirstSeen, due, remember};
use hactl_proto::Timestamp;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;

use super::{Inner, Peers, Renewals, Tale};
use crate::host::Host;
use crate::inspect::certificates::{Ports, certificates};
use crate::inspect::kubernetes::api_server;

const EVERY: Duration = Duration::from_mins(1);
/// After a turn that failed, a quarter of what is left is waited, within these.
const AGAIN_SECONDS: (i64, i64) = (60, 3_600);

/// Looks for as long as the agent lives; `settled` says whether the first boot is through here. Never ends.
pub async fn watch<H: Host, P: Peers>(renewals: Renewals<H, P>, settled: impl Fn() -> bool) {
    let inner = renewals.inner;
    let control_plane = inner.operations.node().role == NodeRole::ControlPlane;
    // Control planes that were made together are due together: each looks at a moment of its own.
    tokio::time::sleep(moment(&inner)).await;
    let mut not_before: Option<Timestamp> = None;
    let mut mended: Option<tokio::time::Instant> = None;
    let mut told = BTreeSet::new();
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        // Also where no API answers: without its kubelet a control plane starts none.
        if mended.is_none_or(|at| at.elapsed() >= super::kubelet::PAUSE) {
            match alone(&inner).await {
                Ok(false) => {}
                Ok(true) => mended = Some(tokio::time::Instant::now()),
                Err(reason) => {
                    tracing::error!(
                        "failed to repair the kubelet's certificate: {reason}; again in a minute"
                    );
                }
            }
        }
        if !control_plane || !settled() {
            continue;
        }
        if let Err(reason) = inner.approve_serving(&mut told).await {
            tracing::warn!("failed to look at kubelets' requests: {reason}; again in a minute");
        }
        if let Err(reason) = inner.mend().await {
            tracing::warn!("failed to end an interrupted renewal: {reason}; again in a minute");
            continue;
        }
        if not_before.is_none_or(|at| inner.host.now() >= at) {
            not_before = look(&inner).await;
        }
    }
}

/// Repairs the kubelet's certificate, unless a renewal is at it.
async fn alone<H: Host, P: Peers>(inner: &Inner<H, P>) -> Result<bool, String> {
    match inner.turn.try_lock() {
        Ok(_turn) => inner.mend_kubelet(&Tale(None)).await,
        Err(_) => Ok(false),
    }
}

/// A moment within the minute, by the node's name.
fn moment<H: Host, P: Peers>(inner: &Arc<Inner<H, P>>) -> Duration {
    let name = inner.operations.node().node.to_string();
    let sum: u64 = name.bytes().map(u64::from).sum();
    Duration::from_secs(sum * 7 % EVERY.as_secs())
}

/// Looks once, and renews what is due. Gives when to look again, where it failed.
async fn look<H: Host, P: Peers>(inner: &Arc<Inner<H, P>>) -> Option<Timestamp> {
    let node = inner.operations.node();
    let seen = certificates(&*inner.host, &node, &inner.paths, Ports::Leave).await;
    let known = first_seen(inner, &seen).await;
    let before = node.spec.certificates.renew_before_seconds();
    let due = due(&seen, &known, before);
    let first = due.first()?;
    // Without an API there is no lease: an operator has to say that all have ended.
    if !api_server(&*inner.host, node.address).await.serves() {
        tracing::warn!(certificate = first.name, ends = %first.not_after, "is due; the API server has to serve first");
        return None;
    }
    tracing::info!(certificate = first.name, ends = %first.not_after, "is due: renewing");
    match inner.renew(false, &Tale(None)).await {
        Outcome::Succeeded => None,
        outcome => {
            let left = first.not_after.as_second() - seen.at.as_second();
            let wait = (left / 4).clamp(AGAIN_SECONDS.0, AGAIN_SECONDS.1);
            tracing::error!(?outcome, "failed to renew certificates; again in {wait} s");
            Timestamp::from_second(inner.host.now().as_second() + wait).ok()
        }
    }
}

/// When each was seen first, kept on disk.
async fn first_seen<H: Host, P: Peers>(
    inner: &Arc<Inner<H, P>>,
    seen: &hactl_proto::certificate::CertificateInventory,
) -> FirstSeen {
    let file = inner.paths.certificates().join("first-seen.json");
    let kept = inner.host.read(&file).await.ok().flatten();
    // A torn file makes lives look as short as what is left: then they are due at a third of that.
    let mut known: FirstSeen = kept
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    if remember(&mut known, seen) {
        let text = serde_json::to_vec(&known).unwrap_or_default();
        if let Err(error) = inner.host.replace(&file, &text, 0o600).await {
            tracing::warn!("failed to {}", crate::causes::chain(&error));
        }
    }
    known
}
