//! `status`: the cluster on one screen.

use clap::Args;
use hactl_cluster_plan::observed::Observed;

use super::Common;
use super::session::{Session, wait};
use crate::exit::{Exit, Failure};
use crate::present::{Screen, StatusView};

/// Show the cluster on one screen: nodes by zone, what runs, what is wrong
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller status
  watch -n 2 hactl-controller status
  hactl-controller status -o json | jq '.concerns[] | select(.severity == \"refusal\")'

Ends with 0 when all is well, with 3 when something is not, with 4 when some node did not answer.")]
pub(super) struct Status {}

impl Status {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let Self {} = self;
        let session = Session::open(common)?;
        let view = wait(async { Ok(StatusView::new(session.observe().await)) })?;
        screen.show(&view)?;
        let found = if view.concerns.is_empty() {
            Exit::Done
        } else {
            Exit::Refused
        };
        Ok(found.or(completeness(&view.observed)))
    }
}

/// Whether all answered.
pub(super) fn completeness(observed: &Observed) -> Exit {
    if observed.complete() {
        Exit::Done
    } else {
        Exit::Partial
    }
}
