//! `doctor`: every check on every node, now, with remedies.

use clap::Args;
use hactl_cluster_plan::observed::concerns;
use hactl_proto::name::NodeName;

use super::Common;
use super::session::{Session, targets, wait};
use super::status::completeness;
use crate::exit::{Exit, Failure};
use crate::observe::inspect;
use crate::present::{Checkup, DoctorView, Screen};

/// Run every node's checks now, and say what to do about each finding
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller doctor
  hactl-controller doctor cp2 w1

Nothing is changed on any node. Ends with 0 when nothing was found, with 3 when something was, with 4 when some node did
not answer.")]
pub(super) struct Doctor {
    /// Only these nodes
    #[arg(value_name = "NODE")]
    nodes: Vec<NodeName>,
}

impl Doctor {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open(common)?;
        let (view, observed) = wait(async {
            let observed = session.observe().await;
            let mut asked = targets(&observed, session.kept.spec.policies.agent_port);
            if !self.nodes.is_empty() {
                self.all_known(&asked.iter().map(|target| &target.name).collect::<Vec<_>>())?;
                asked.retain(|target| self.nodes.contains(&target.name));
            }
            let answers = inspect(&session.operator, asked, session.limit).await;
            let checkups = answers.into_iter().map(|(target, checked)| Checkup {
                node: target.name,
                role: target.role,
                zone: target.zone,
                checked,
                concerns: Vec::new(),
            });
            Ok((
                DoctorView::new(checkups.collect(), concerns(&observed)),
                observed,
            ))
        })?;
        screen.show(&view)?;
        let found = if view.clean() {
            Exit::Done
        } else {
            Exit::Refused
        };
        let heard = if view.nodes.iter().all(|node| node.checked.said().is_some()) {
            Exit::Done
        } else {
            Exit::Partial
        };
        // Of a part of the cluster only that part has to answer.
        let whole = if self.nodes.is_empty() {
            completeness(&observed)
        } else {
            Exit::Done
        };
        Ok(found.or(heard).or(whole))
    }

    fn all_known(&self, known: &[&NodeName]) -> Result<(), Failure> {
        match self.nodes.iter().find(|name| !known.contains(name)) {
            Some(name) => Err(Failure::Usage(format!(
                "no node {name}: neither declared nor known to those that answer"
            ))),
            None => Ok(()),
        }
    }
}
