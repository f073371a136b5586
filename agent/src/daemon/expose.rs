//! Writes what Prometheus is told, where node_exporter's textfile collector has its folder.

use std::sync::Arc;
use std::time::Duration;

use hactl_proto::member::MemberView;
use tokio::time::MissedTickBehavior;

use super::Parts;
use crate::causes::chain;
use crate::host::Host;
use crate::inspect::certificates::{Ports, certificates};
use crate::metrics::{Seen, text};

/// Between two looks. Each writes and fsyncs a file on what may be etcd's disk, and asks every port.
const EVERY: Duration = Duration::from_mins(1);
/// Nothing in it is secret, and node_exporter is nobody in particular.
const MODE: u32 = 0o644;

/// For as long as the agent runs. Without the folder nothing is looked at: it appears with node_exporter's package.
pub(super) async fn expose<H: Host>(parts: Arc<Parts<H>>) {
    let folder = parts.paths.textfiles.clone();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        ticks.tick().await;
        if !matches!(parts.host.stamp(&folder).await, Ok(Some(_))) {
            continue;
        }
        let seen = look(&parts).await;
        let done = parts
            .host
            .replace(&folder.join("hactl.prom"), seen.as_bytes(), MODE)
            .await;
        match done {
            Ok(()) => told = false,
            Err(error) if !told => {
                told = true;
                tracing::warn!("failed to write metrics: {}", chain(&error));
            }
            Err(_) => {}
        }
    }
}

async fn look<H: Host>(parts: &Parts<H>) -> String {
    let node = parts.operations.node();
    let certificates = certificates(&*parts.host, &node, &parts.paths, Ports::Ask).await;
    let members = parts.membership.members().await.unwrap_or_default();
    let members: Vec<_> = members
        .iter()
        .map(|member: &MemberView| member.state)
        .collect();
    let gossip = parts.membership.status().await.ok();
    let health = parts.health.borrow().clone();
    text(&Seen {
        at: parts.host.now(),
        health: &health,
        certificates: &certificates,
        members: &members,
        gossip: gossip.as_ref(),
    })
}
