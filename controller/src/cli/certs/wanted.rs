//! What rotations of what agents know each other by share: which way, how far, and without whom.

use std::collections::BTreeSet;

use clap::Args;
use hactl_proto::name::NodeName;

use crate::exit::Failure;
use crate::observe::Target;
use crate::rotation::Wish;

/// Which way, how far, and without whom.
#[derive(Debug, Clone, Args)]
pub(super) struct Wanted {
    /// Give the old one up: from then on it can't be turned back
    #[arg(long, conflicts_with = "abort")]
    finish: bool,
    /// Go back to the old one
    #[arg(long)]
    abort: bool,
    /// A node that is gone for good, or was never on: it holds up nothing [may be repeated]
    #[arg(long, value_name = "NODE")]
    pub(super) without: Vec<NodeName>,
}

impl Wanted {
    pub(super) const fn wish(&self) -> Wish {
        match (self.finish, self.abort) {
            (true, _) => Wish::Finish,
            (_, true) => Wish::Back,
            _ => Wish::Forward,
        }
    }

    /// Whom it leaves out; a name that nobody knows is a slip.
    pub(super) fn without(&self, known: &[Target]) -> Result<BTreeSet<NodeName>, Failure> {
        let unknown = |name: &&NodeName| !known.iter().any(|target| target.name == **name);
        match self.without.iter().find(unknown) {
            Some(name) => Err(Failure::Usage(format!(
                "no node {name}: neither declared nor known to those that answer"
            ))),
            None => Ok(self.without.iter().cloned().collect()),
        }
    }
}
