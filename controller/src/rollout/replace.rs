//! New packages of the agent, one node after another, under the cluster's lease. Where each agent stands is seen anew each time:
//! whoever asks again, on any machine, goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hactl_cluster_plan::rollout::{AgentDecision, AgentPlan, Seen, next_agent};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::rollout::agent::AgentSurvey;
use hactl_proto::rollout::{ReplaceAgent, RolloutOrder};

use super::hold::Hold;
use super::turn::{Orders, Plan};
use super::{Agents, DriveError, End, Package, Packages, Tale};

/// Between two looks while something is not well.
const LOOK: Duration = Duration::from_secs(3);
/// So many looks an agent has to run the version that was put in.
const LOOKS: u32 = 20;

/// Replaces agents until all run the version, or one's turn fails.
pub async fn replace_agents<A: Agents>(
    agents: &Arc<A>,
    plan: &AgentPlan,
    packages: &Packages,
    generation: u64,
    who: &str,
    tale: &Tale,
) -> Result<End, DriveError> {
    let hold = Hold::take(agents, who, tale).await?;
    let orders = Orders::new(
        Arc::clone(agents),
        tale.clone(),
        hold.fence,
        &Plan {
            generation,
            // No rollout of Kubernetes has this number.
            number: 0,
            policy: plan.policy.clone(),
            managed: false,
        },
    );
    let ended = until_the_end(agents, plan, packages, &orders, &hold).await;
    hold.release(agents, who).await;
    ended
}

async fn until_the_end<A: Agents>(
    agents: &Arc<A>,
    plan: &AgentPlan,
    packages: &Packages,
    orders: &Orders<A>,
    hold: &Hold,
) -> Result<End, DriveError> {
    let (mut soaked, mut passes) = (BTreeSet::new(), 0);
    let mut put_in: Option<(NodeName, u32)> = None;
    loop {
        if hold.lost() {
            return Err(DriveError::LeaseLost(
                "another controller took it".to_owned(),
            ));
        }
        let seen = agents.seen().await;
        let decision = next_agent(plan, &seen, &soaked);
        if !matches!(decision, AgentDecision::Soak(_)) {
            passes = 0;
        }
        match decision {
            AgentDecision::Done => return Ok(End::Finished),
            AgentDecision::Wait(reasons) => {
                orders.tale.waits(reasons);
                tokio::time::sleep(LOOK).await;
            }
            AgentDecision::Soak(node) => {
                let canary = &plan.policy.canary;
                passes += 1;
                orders.tale.waits(vec![format!(
                    "{node} to be seen well {} times in a row, every {} s, before others follow",
                    canary.passes, canary.pass_seconds
                )]);
                tokio::time::sleep(Duration::from_secs(canary.pass_seconds.into())).await;
                if passes >= canary.passes {
                    soaked.insert(node);
                    passes = 0;
                }
            }
            // Its package is in, and the program of before still runs.
            AgentDecision::Replace(node)
                if put_in.as_ref().is_some_and(|(one, _)| *one == node) =>
            {
                let looks = put_in.map_or(0, |(_, looks)| looks) + 1;
                if looks > LOOKS {
                    return Ok(End::Stopped {
                        outcome: not_restarted(plan),
                        node,
                    });
                }
                let wanted = plan.version;
                orders
                    .tale
                    .waits(vec![format!("{node}'s agent to run {wanted}")]);
                put_in = Some((node, looks));
                tokio::time::sleep(LOOK).await;
            }
            AgentDecision::Replace(node) => {
                let package = fitting(&seen, packages, &node)?;
                if let Err(reason) = agents.bring(&node, package).await {
                    orders
                        .tale
                        .waits(vec![format!("{node} to take the package: {reason}")]);
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                let order = RolloutOrder::ReplaceAgent(ReplaceAgent {
                    version: plan.version,
                    digest: package.digest,
                });
                let outcome = orders.order(&node, &node, order).await?;
                if outcome != Outcome::Succeeded {
                    return Ok(End::Stopped { node, outcome });
                }
                put_in = Some((node, 0));
            }
        }
    }
}

fn not_restarted(plan: &AgentPlan) -> Outcome {
    Outcome::Failed {
        step: "install-agent".to_owned(),
        error: format!(
            "see the agent run {} within {} s: its package is in, and the program of before still runs",
            plan.version,
            u64::from(LOOKS) * LOOK.as_secs()
        ),
        done: vec!["install-agent".to_owned()],
        remedy: "Look at `systemctl status hactl-agent` on the node, and restart it.".to_owned(),
    }
}

fn fitting<'a>(
    seen: &Seen,
    packages: &'a Packages,
    node: &NodeName,
) -> Result<&'a Package, DriveError> {
    let found = seen.nodes.iter().find(|one| one.name == *node);
    let agent: Option<&AgentSurvey> = found.and_then(|one| one.survey.said()?.agent.as_ref());
    agent
        .and_then(|agent| packages.fitting(agent.format?, &agent.architecture))
        .ok_or_else(|| DriveError::Order(format!("find a package for {node} any more")))
}
