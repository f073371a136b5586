//! `bundle`: makes bundles anew, from the kept spec or a changed one.

use std::path::PathBuf;

use clap::Args;
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::spec::ClusterSpec;

use super::issue::{Issue, Term};
use super::{Common, spec_file};
use crate::exit::{Exit, Failure};
use crate::present::Screen;
use crate::state::{self, Kept};
use crate::trust::Authority;

/// Make bundles: for nodes that are new, whose bundle is lost, or after the spec was changed
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller bundle --spec cluster.yaml            # the spec was changed: a bundle for every node
  hactl-controller bundle --spec cluster.yaml w4         # w4 was added: its bundle alone
  hactl-controller bundle cp2                            # cp2's bundle again
  hactl-controller bundle --enrol-zone b                 # for any worker in zone b that the spec does not name

A changed spec raises the generation. A node that a spec gains joins by itself once its bundle is on it.")]
pub(super) struct Bundle {
    /// Declared nodes [default: every one]
    #[arg(value_name = "NODE", conflicts_with = "enrol_zone")]
    nodes: Vec<NodeName>,
    /// A changed spec
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// For a worker in this zone that the spec does not name; the spec must allow it (workerEnrolment)
    #[arg(long, value_name = "ZONE")]
    enrol_zone: Option<ZoneName>,
    /// Only for the worker of this name
    #[arg(long, value_name = "NAME", requires = "enrol_zone")]
    enrol_name: Option<NodeName>,
    #[command(flatten)]
    term: Term,
}

impl Bundle {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let changed = match &self.spec {
            Some(file) => match spec_file::accepted(file, screen)? {
                Some(spec) => Some(spec),
                None => return Ok(Exit::Refused),
            },
            None => None,
        };
        let folder = common.places().existing()?;
        let mut authority =
            Authority::open(&folder).map_err(Failure::failed("open the cluster's authority"))?;
        let mut kept = match (state::read(&folder)?, &changed) {
            (Some(kept), _) => kept,
            // `init` was cut short before it had kept the spec.
            (None, Some(spec)) => Kept {
                generation: authority.generation(),
                spec: spec.clone(),
            },
            (None, None) => state::read_present(&folder)?,
        };
        if let Some(spec) = changed.filter(|spec| *spec != kept.spec) {
            change(&kept.spec, &spec, screen)?;
            let generation = authority
                .raise_generation()
                .map_err(Failure::failed("raise the generation"))?;
            kept = Kept { generation, spec };
        }
        let issue = Issue {
            authority: &authority,
            kept: &kept,
            term: &self.term,
        };
        let bundles = match &self.enrol_zone {
            Some(zone) => issue.enrolling(self.enrol_name.as_ref(), zone)?,
            None if self.nodes.is_empty() => issue.all()?,
            None => issue.some(&self.nodes)?,
        };
        screen.show(&bundles)?;
        Ok(Exit::Done)
    }
}

/// Refuses another cluster's spec, and says whom a change concerns.
fn change(before: &ClusterSpec, after: &ClusterSpec, screen: Screen) -> Result<(), Failure> {
    if before.name != after.name {
        return Err(Failure::Refused(format!(
            "the spec is of cluster {}, the state folder of {}: nothing was changed",
            after.name, before.name
        )));
    }
    if before.bootstrap_hash() != after.bootstrap_hash() {
        screen.note(&format!(
            "note: the part that all control planes must agree on changed (spec {} to {}): give every node its new \
             bundle; until then they do not take each other's word",
            before.bootstrap_hash(),
            after.bootstrap_hash()
        ));
    }
    Ok(())
}
