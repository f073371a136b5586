//! One order, from its giving to its end: what is lost on the way is told, and what came of it is what the agent's story says.

use std::time::Duration;

use hactl_agent::operation::{SubmitError, Watch};
use hactl_controller::rollout::OrderError;
use hactl_node_plan::run::Rejection;
use hactl_proto::instruction::{Instruction, OperationId};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use tokio::time::timeout;

use super::LIMIT;
use crate::spec::OPERATOR;
use crate::town::Town;

/// A story that says nothing for so long is looked after.
const QUIET: Duration = Duration::from_secs(15);

/// What an order became on the way to its agent.
pub(super) enum Given {
    Watch(Watch, u64),
    Busy(OperationId),
    Stale,
    Refused(String),
}

/// Gives it, and watches it to its end.
pub(super) async fn carry(
    town: &Town,
    node: &NodeName,
    instruction: Instruction,
    tell: &(dyn Fn(ReportEvent) + Send + Sync),
) -> Result<Outcome, OrderError> {
    let given = give(town, node, instruction).await;
    match given.map_err(OrderError::Lost)? {
        Given::Busy(running) => Err(OrderError::Busy(running)),
        Given::Stale => Err(OrderError::Stale("the number is older".to_owned())),
        Given::Refused(reason) => Err(OrderError::Refused(reason)),
        Given::Watch(watch, life) => follow(town, node, watch, life, tell).await,
    }
}

/// Gives an order to a node's agent, from the operator's place.
pub(super) async fn give(
    town: &Town,
    node: &NodeName,
    instruction: Instruction,
) -> Result<Given, String> {
    town.ask(node, "execute", LIMIT, move |agent| {
        let instruction = instruction.clone();
        async move {
            let life = agent.life;
            Ok(match agent.operations.submit(instruction).await {
                Ok(watch) => Given::Watch(watch, life),
                Err(SubmitError::Rejected(Rejection::Busy { running, .. })) => Given::Busy(running),
                Err(SubmitError::Rejected(Rejection::StaleFence { .. })) => Given::Stale,
                Err(error) => Given::Refused(error.to_string()),
            })
        }
    })
    .await
}

/// Watches a story to its end, on a connection that may break.
async fn follow(
    town: &Town,
    node: &NodeName,
    mut watch: Watch,
    mut life: u64,
    tell: &(dyn Fn(ReportEvent) + Send + Sync),
) -> Result<Outcome, OrderError> {
    let address = town.address(node);
    let lost = |reason: &str| OrderError::Lost(reason.to_owned());
    loop {
        let next = timeout(QUIET, watch.next()).await;
        let agent = town.agent(node).ok_or_else(|| lost("connection refused"))?;
        if !address.is_some_and(|address| town.network.connected(OPERATOR, address)) {
            return Err(lost("the connection was lost"));
        }
        if agent.life != life {
            // One in another's place has a story of its own.
            let known = agent.operations.watch(watch.id());
            watch = known.ok_or_else(|| lost("it is not known"))?;
            life = agent.life;
            continue;
        }
        match next {
            Ok(Some(event)) => {
                tell(event.clone());
                if let ReportEvent::Ended(outcome) = event {
                    return Ok(outcome);
                }
            }
            Ok(None) => return Err(lost("the agent ended")),
            Err(_) => {}
        }
    }
}
