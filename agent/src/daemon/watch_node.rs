//! Looks at the node for as long as it lives: digests for the others, drift mended, etcd guarded, a new bundle noticed.

use std::path::Path;
use std::sync::Arc;

use hactl_node_plan::prerequisite::{Requirements, wants_prepare};
use hactl_proto::Timestamp;
use hactl_proto::instruction::{Instruction, OperationId, Order};
use tokio::sync::watch;

use super::{Parts, gossip};
use crate::health::Health;
use crate::health::collect::{Collector, EVERY};
use crate::host::{Host, Stamp};

/// Looks between two attempts to mend the same drift: what could not be mended is not tried all the time.
const MEND_EVERY: u32 = 30;

/// Ends when the bundle changed: the daemon starts anew with it.
pub(super) async fn watch_node<H: Host>(parts: Arc<Parts<H>>, health: watch::Sender<Health>) {
    let mut collector = Collector::new(Arc::clone(&parts.host), parts.paths.clone());
    let bundle = stamp(&*parts.host, &parts.paths.bundle()).await;
    let mut ticks = tokio::time::interval(EVERY);
    let mut mended: Option<u32> = None;
    for look in 0_u32.. {
        ticks.tick().await;
        let node = parts.operations.node();
        let inspector = parts.operations.machine();
        inspector.set_peers(gossip::peer_facts(&parts.membership).await);
        let wanted = Requirements::of(&node);
        let machine = inspector.inspect(&*parts.host, &wanted).await;
        let mut seen = collector.look(&node, &machine).await;
        let due = mended.is_none_or(|at| look.wrapping_sub(at) >= MEND_EVERY);
        // During a first boot the driver prepares the node; here drift is mended after it.
        if due && wants_prepare(&seen.findings) && parts.first_boot.borrow().settled {
            mended = Some(look);
            mend(&parts).await;
        }
        parts.add_first_boot(&mut seen.findings);
        if let Err(error) = parts.membership.publish(seen.digest.clone()).await {
            tracing::warn!(%error, "the digest was not published");
        }
        health.send_replace(seen);
        if stamp(&*parts.host, &parts.paths.bundle()).await != bundle {
            tracing::info!("the bundle changed: starting anew with it");
            return;
        }
    }
}

async fn mend<H: Host>(parts: &Parts<H>) {
    let order = Order::Prepare;
    let now: Timestamp = parts.host.now();
    let instruction = Instruction {
        id: OperationId::own(&order, now),
        generation: parts.bundle.generation,
        fence: None,
        order,
    };
    tracing::info!("prerequisites drifted: putting them right");
    if let Err(error) = parts.operations.submit(instruction).await {
        tracing::info!(%error, "the drift is mended later");
    }
}

async fn stamp<H: Host>(host: &H, path: &Path) -> Option<Stamp> {
    host.stamp(path).await.ok().flatten()
}
