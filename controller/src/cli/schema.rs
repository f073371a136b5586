//! `schema`: the spec's JSON Schema, for editors.

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::present::Screen;

/// Kept in step with the reader by a test of `hactl-cluster-plan`.
const SCHEMA: &str = include_str!("../../schema/cluster.schema.json");

/// Print the JSON Schema of cluster specs, for editors
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller schema > cluster.schema.json
  # then, in the first line of cluster.yaml, for editors with the YAML language server:
  # yaml-language-server: $schema=./cluster.schema.json")]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(&self, screen: Screen) -> Result<Exit, Failure> {
        let Self {} = self;
        screen.raw(SCHEMA)?;
        Ok(Exit::Done)
    }
}
