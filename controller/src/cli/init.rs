//! `init`: makes a cluster's authority and a bundle for each of its nodes. No node is touched.

use std::path::PathBuf;

use clap::Args;

use super::issue::{Issue, Term};
use super::{Common, spec_file};
use crate::exit::{Exit, Failure};
use crate::present::Screen;
use crate::state::Kept;
use crate::trust::{Authority, AuthorityError};

/// Make a new cluster's CA, operator certificate and bundles
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller init cluster.yaml
  scp ~/.local/state/hactl/prod/bundles/cp1.json root@cp1:/etc/hactl/bundle.json

Nothing that exists is overwritten. Put each bundle on its node, mode 0600: the nodes do the rest.")]
pub(super) struct Init {
    /// The spec
    #[arg(value_name = "SPEC")]
    file: PathBuf,
    #[command(flatten)]
    term: Term,
}

impl Init {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let Some(spec) = spec_file::accepted(&self.file, screen)? else {
            return Ok(Exit::Refused);
        };
        let folder = common.places().for_new(&spec.name)?;
        let authority = Authority::create(&folder, hactl_proto::Timestamp::now())
            .map_err(refused_if_occupied)?;
        let kept = Kept {
            generation: authority.generation(),
            spec,
        };
        let issue = Issue {
            authority: &authority,
            kept: &kept,
            term: &self.term,
        };
        screen.show(&issue.all()?)?;
        Ok(Exit::Done)
    }
}

fn refused_if_occupied(error: AuthorityError) -> Failure {
    match error {
        AuthorityError::Occupied { .. } => Failure::Refused(format!("failed to {error}")),
        error => Failure::failed("make the cluster's authority")(error),
    }
}
