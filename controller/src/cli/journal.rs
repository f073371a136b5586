//! `journal`: what happened on a node.

use clap::Args;
use hactl_proto::instruction::OperationId;
use hactl_proto::name::NodeName;
use tokio::time::timeout;

use super::Common;
use super::session::{Session, wait};
use crate::exit::{Exit, Failure};
use crate::present::{JournalView, Screen};

/// Show a node's journal: each operation with its steps and its end
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller journal cp2
  hactl-controller journal cp2 --last 20
  hactl-controller journal cp2 --operation join-cp2-1 -o json")]
pub(super) struct Journal {
    /// The node
    #[arg(value_name = "NODE")]
    node: NodeName,
    /// Only this operation
    #[arg(long, value_name = "ID", value_parser = |text: &str| OperationId::new(text))]
    operation: Option<OperationId>,
    /// At most so many entries, the newest [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
}

impl Journal {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open(common)?;
        let entries = wait(async {
            let target = session.target(&self.node).await?;
            let asking = async {
                let agent = session.operator.agent(&target).await?;
                agent.journal(self.operation.as_ref(), self.last).await
            };
            let doing = || format!("ask {} for its journal", self.node);
            match timeout(session.limit, asking).await {
                Ok(answer) => answer.map_err(Failure::unreachable(doing())),
                Err(_) => Err(Failure::unreachable(doing())(format!(
                    "no answer within {} s",
                    common.limit
                ))),
            }
        })?;
        screen.show(&JournalView {
            node: self.node.clone(),
            entries,
        })?;
        Ok(Exit::Done)
    }
}
