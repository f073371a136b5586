//! `certs`: every certificate of every node, and what to do with them.

mod renew;
mod rotate_ca;
mod rotate_gossip_key;
mod rotate_hactl_ca;
mod test;
mod wanted;

use clap::{Args, Subcommand};
use hactl_proto::finding::Severity;
use hactl_proto::name::NodeName;

use super::Common;
use super::session::{Session, targets, wait};
use super::status::completeness;
use crate::exit::{Exit, Failure};
use crate::observe::certificates;
use crate::present::{CertificatesView, NodeCertificates, Screen};

/// Show every certificate of every node, the soonest end first, and renew them
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:
  hactl-controller certs
  hactl-controller certs cp2
  hactl-controller certs -o json
  hactl-controller certs renew --node cp2
  hactl-controller certs rotate-ca --authority etcd

Each agent reads its node's files now and asks each port what it serves. Nothing is changed on any node. Ends with 0 when nothing
was found, with 3 when something is not as it should be, with 4 when some node did not answer."
)]
pub(super) struct Certs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only these nodes
    #[arg(value_name = "NODE")]
    nodes: Vec<NodeName>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Renew(renew::Renew),
    RotateCa(rotate_ca::RotateCa),
    RotateGossipKey(rotate_gossip_key::RotateGossipKey),
    RotateHactlCa(rotate_hactl_ca::RotateHactlCa),
    Test(test::Test),
}

impl Certs {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        match &self.action {
            Some(Action::Renew(renew)) => return renew.run(common, screen),
            Some(Action::RotateCa(rotate)) => return rotate.run(common, screen),
            Some(Action::RotateGossipKey(rotate)) => return rotate.run(common, screen),
            Some(Action::RotateHactlCa(rotate)) => return rotate.run(common, screen),
            Some(Action::Test(test)) => return test.run(common, screen),
            None => {}
        }
        let session = Session::open(common)?;
        let (view, observed) = wait(async {
            let observed = session.observe().await;
            let mut asked = targets(&observed, session.kept.spec.policies.agent_port);
            if let Some(name) = self
                .nodes
                .iter()
                .find(|name| !asked.iter().any(|target| target.name == **name))
            {
                return Err(Failure::Usage(format!(
                    "no node {name}: neither declared nor known to those that answer"
                )));
            }
            if !self.nodes.is_empty() {
                asked.retain(|target| self.nodes.contains(&target.name));
            }
            let answers = certificates(&session.operator, asked, session.limit).await;
            let nodes = answers.into_iter().map(|(target, seen)| NodeCertificates {
                node: target.name,
                seen,
            });
            Ok((CertificatesView::new(nodes.collect()), observed))
        })?;
        screen.show(&view)?;
        let heard = view.nodes.iter().all(|node| node.seen.said().is_some());
        let refused = view
            .nodes
            .iter()
            .filter_map(|node| node.seen.said())
            .flat_map(|seen| &seen.findings)
            .any(|finding| finding.severity == Severity::Refusal);
        let found = if refused { Exit::Refused } else { Exit::Done };
        let answered = if heard { Exit::Done } else { Exit::Partial };
        // Of a part of the cluster only that part has to answer.
        let whole = if self.nodes.is_empty() {
            completeness(&observed)
        } else {
            Exit::Done
        };
        Ok(found.or(answered).or(whole))
    }
}
