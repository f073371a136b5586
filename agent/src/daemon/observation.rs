//! The duty of observation: status from what is known already, checks run now, the journal read.

use std::collections::HashMap;
use std::sync::Arc;

use hactl_proto::Timestamp;
use hactl_proto::finding::Finding;
use hactl_proto::instruction::OperationId;
use hactl_proto::journal::{JournalEntry, JournalEvent};
use hactl_proto::report::ReportEvent;
use hactl_proto::status::NodeStatus;

use super::Parts;
use crate::api::{Failure, duties};
use crate::host::Host;
use crate::journal::{self, Entry, Line};

/// Answers for this node.
pub(super) struct Observation<H>(pub(super) Arc<Parts<H>>);

#[tonic::async_trait]
impl<H: Host> duties::Observation for Observation<H> {
    async fn status(&self) -> Result<NodeStatus, Failure> {
        let parts = &self.0;
        let node = parts.operations.node();
        let health = parts.health.borrow().clone();
        let operations = &parts.operations;
        let last = || operations.all().into_iter().next();
        let mut findings = health.findings;
        if parts.first_boot.borrow().settled {
            findings.extend(parts.own_node.finding(&*parts.host, &node).await);
        }
        Ok(NodeStatus {
            node: node.node.clone(),
            role: node.role,
            zone: node.zone.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: parts.bundle.cluster_id,
            generation: parts.bundle.generation,
            spec: node.spec.bootstrap_hash(),
            standing: parts.standing().await,
            operation: operations.current().or_else(last),
            findings,
            health: health.digest,
            versions: health.versions,
            capabilities: vec![hactl_proto::rollout::CAPABILITY.to_owned()],
        })
    }

    async fn inspect(&self) -> Result<(Vec<Finding>, Timestamp), Failure> {
        let findings = self.0.check_now().await;
        Ok((findings, self.0.host.now()))
    }

    async fn journal(
        &self,
        operation: Option<OperationId>,
        last: Option<usize>,
    ) -> Result<Vec<JournalEntry>, Failure> {
        let folder = self.0.paths.journal();
        let lines = journal::show(&*self.0.host, &folder).await;
        let lines = lines.map_err(|source| Failure::internal("read the journal", source))?;
        let mut entries = said(lines);
        if let Some(id) = operation {
            entries.retain(|entry| entry.operation == id);
        }
        let excess = entries.len().saturating_sub(last.unwrap_or(usize::MAX));
        Ok(entries.split_off(excess))
    }
}

/// The journal's lines in the words that are shown.
fn said(lines: Vec<Line>) -> Vec<JournalEntry> {
    let mut kinds: HashMap<OperationId, String> = HashMap::new();
    let mut said = Vec::new();
    for line in lines {
        let (id, event) = match line.entry {
            Entry::Accepted {
                id,
                kind,
                generation,
                fence,
                ..
            } => {
                kinds.insert(id.clone(), kind);
                (id, JournalEvent::Accepted { generation, fence })
            }
            Entry::Resumed { id } => (id, JournalEvent::Resumed),
            Entry::Planned { id, steps } => (id, report(ReportEvent::Planned { steps })),
            Entry::Started { id, index, step } => {
                (id, report(ReportEvent::Started { index, step }))
            }
            Entry::Finished { id, index, step } => {
                (id, report(ReportEvent::Finished { index, step }))
            }
            Entry::Ended { id, outcome } => (id, report(ReportEvent::Ended(outcome))),
            Entry::Carried { .. } => continue,
        };
        said.push(JournalEntry {
            at: line.at,
            // The line that named it may have been rotated away.
            kind: kinds.get(&id).cloned().unwrap_or_default(),
            operation: id,
            event,
        });
    }
    said
}

const fn report(event: ReportEvent) -> JournalEvent {
    JournalEvent::Report { event }
}
