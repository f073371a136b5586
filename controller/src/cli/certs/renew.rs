//! `certs renew`: each control plane renews what kubeadm signs on it, one after another.

mod all;

use std::time::Duration;

use clap::Args;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::role::NodeRole;
use tokio::time::timeout;

use super::super::Common;
use super::super::session::{Session, wait};
use crate::exit::{Exit, Failure};
use crate::observe::{Target, chain, declared};
use crate::present::{NodeRenewal, RenewalView, Screen};

/// A story that says nothing for so long has lost its connection: the agent says every ten seconds what it waits for.
const QUIET: Duration = Duration::from_mins(2);
/// A node on which nothing serves is slow to say so, and one that says nothing is left out.
const PATIENCE: Duration = Duration::from_secs(30);

/// Renew the certificates that kubeadm signs, one control plane after another
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller certs renew
  hactl-controller certs renew --node cp2

The agents renew by themselves when it is time; this is for now. Each control plane takes the cluster's lease, waits until all others
are well, is let go by the load balancers, renews, restarts its static pods one by one, and shows that the new certificates are served.
The first that fails ends it. What was begun goes on when this is interrupted.")]
pub(in crate::cli) struct Renew {
    /// Only this control plane; may be given several times
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<NodeName>,
    /// Certificates have ended and no API server answers: renew without the cluster's lease on each control plane where they have
    #[arg(long, conflicts_with = "nodes")]
    all: bool,
}

impl Renew {
    pub(in crate::cli) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open_patiently(common, PATIENCE)?;
        let mut targets = declared(&session.kept.spec);
        targets.retain(|target| target.role == NodeRole::ControlPlane);
        if let Some(name) = self
            .nodes
            .iter()
            .find(|name| !targets.iter().any(|target| target.name == **name))
        {
            return Err(Failure::Usage(format!(
                "{name} is no control plane of the spec: kubelets of workers renew theirs by themselves"
            )));
        }
        if !self.nodes.is_empty() {
            targets.retain(|target| self.nodes.contains(&target.name));
        }
        let view = wait(async {
            let (targets, silent) = if self.all {
                all::ended(&session, targets, screen).await
            } else {
                (targets, Vec::new())
            };
            let mut nodes = Vec::new();
            for target in &targets {
                let outcome = self.one(&session, target, screen).await?;
                let stop = outcome != Outcome::Succeeded;
                nodes.push(NodeRenewal {
                    node: target.name.clone(),
                    outcome,
                });
                if stop {
                    break;
                }
            }
            if self.all && nodes.iter().all(NodeRenewal::succeeded) {
                all::served(&session, &targets, screen).await?;
            }
            Ok(RenewalView {
                left: targets[nodes.len()..]
                    .iter()
                    .map(|target| target.name.clone())
                    .collect(),
                nodes,
                silent,
            })
        })?;
        screen.show(&view)?;
        Ok(match view.nodes.last().map(|node| &node.outcome) {
            Some(Outcome::Failed { .. }) => Exit::Failed,
            Some(Outcome::Refused { .. }) => Exit::Refused,
            _ if !view.silent.is_empty() => Exit::Partial,
            _ => Exit::Done,
        })
    }

    async fn one(
        &self,
        session: &Session,
        target: &Target,
        screen: Screen,
    ) -> Result<Outcome, Failure> {
        let doing = || format!("have {} renew its certificates", target.name);
        let agent = session.operator.agent(target).await;
        let agent = agent.map_err(Failure::unreachable(doing()))?;
        let story = agent.renew_certificates(self.all).await;
        let mut story = story.map_err(Failure::unreachable(doing()))?;
        let mut said = String::new();
        loop {
            let event = match timeout(QUIET, story.next()).await {
                Ok(Ok(Some(event))) => event,
                Ok(Ok(None)) => {
                    return Err(Failure::unreachable(doing())("its story has no end"));
                }
                Ok(Err(error)) => {
                    return Err(Failure::unreachable(doing())(chain(&error)));
                }
                Err(_) => {
                    return Err(Failure::unreachable(doing())(
                        "it says nothing any more; what it began goes on there",
                    ));
                }
            };
            let line = match event {
                ReportEvent::Ended(outcome) => return Ok(outcome),
                ReportEvent::Started { step, .. } => format!("{}: {step}", target.name),
                ReportEvent::Waiting(wait) => format!(
                    "{}: waits for {}: {}",
                    target.name, wait.condition, wait.observed
                ),
                ReportEvent::Planned { .. } | ReportEvent::Finished { .. } => continue,
            };
            if line != said {
                screen.note(&line);
                said = line;
            }
        }
    }
}
