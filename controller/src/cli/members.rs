//! `members`: who sees whom.

use clap::Args;

use super::Common;
use super::session::{Session, wait};
use super::status::completeness;
use crate::exit::{Exit, Failure};
use crate::present::{MembersView, Screen};

/// Show who sees whom, how, and since when
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller members
  hactl-controller members -o json | jq '.members[] | {node, seen}'

Ends with 0 when everybody sees everybody alive, with 3 when not, with 4 when some node did not answer.")]
pub(super) struct Members {}

impl Members {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let Self {} = self;
        let session = Session::open(common)?;
        let observed = wait(async { Ok(session.observe().await) })?;
        let view = MembersView::new(&observed);
        screen.show(&view)?;
        let found = if view.all_alive() {
            Exit::Done
        } else {
            Exit::Refused
        };
        Ok(found.or(completeness(&observed)))
    }
}
