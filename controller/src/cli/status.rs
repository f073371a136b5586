//! `status`: the cluster on one screen, once or again and again.

use std::time::Duration;

use clap::Args;
use hactl_cluster_plan::observed::Observed;

use super::Common;
use super::session::{Session, wait};
use crate::exit::{Exit, Failure};
use crate::observe::rollouts;
use crate::present::{Glance, Screen, StatusView};

/// Show the cluster on one screen: nodes by zone, what runs, what is wrong
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller status
  hactl-controller status --watch
  hactl-controller status --watch -o json | jq -c '.rollout.wish'
  hactl-controller status -o json | jq '.concerns[] | select(.severity == \"refusal\")'

--watch shows the rollout too, of whoever carries it out, from what the control planes keep and the agents report; it takes no
lease and changes nothing. Without a terminal it prints a line, with -o json one document a line, where something changed. It
goes on until it is interrupted.

Ends with 0 when all is well, with 3 when something is not, with 4 when some node did not answer.")]
pub(super) struct Status {
    /// Look again and again, the rollout included
    #[arg(long)]
    watch: bool,
    /// Between two looks of --watch, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2, requires = "watch", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

impl Status {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open(common)?;
        if self.watch {
            let every = Duration::from_secs(self.every);
            return wait(watch(&session, screen, every));
        }
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

/// Until nobody reads it any more.
async fn watch(session: &Session, screen: Screen, every: Duration) -> Result<Exit, Failure> {
    let mut before = None;
    loop {
        let (observed, kept) = tokio::join!(
            session.observe(),
            rollouts(&session.operator, &session.kept.spec, session.limit)
        );
        let glance = Glance::new(&observed, &kept);
        if !screen.glance(&glance, before.as_ref())? {
            return Ok(Exit::Done);
        }
        before = Some(glance);
        tokio::time::sleep(every).await;
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
