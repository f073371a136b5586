//! Putting right what a run that died left on nodes, and giving a rollout up.

use std::sync::Arc;

use hactl_cluster_plan::rollout::{Leftover, Policy, abandoned, in_the_middle, untold};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::spec::EndpointMode;

use super::hold::Hold;
use super::turn::{Orders, Plan, Turn};
use super::{Agents, DriveError, Tale};

/// Takes nodes back, one after another; the first order that did not succeed ends it: whose it was, and its end.
pub(super) async fn mend<A: Agents>(
    orders: &Arc<Orders<A>>,
    left: &[Leftover],
) -> Result<Option<(NodeName, Outcome)>, DriveError> {
    for Leftover {
        node,
        back,
        uncordon,
    } in left
    {
        let steward = orders.steward(node, 0);
        let mut failed = None;
        if *back {
            failed = orders.backend(node, false).await?;
        }
        // The cordon tells that there is something to mend: it goes last.
        if failed.is_none() && *uncordon {
            failed = orders.uncordon(&steward, node).await?;
        }
        if let Some(Turn::Failed { node, outcome }) = failed {
            return Ok(Some((node, outcome)));
        }
    }
    Ok(None)
}

/// What came of giving a rollout up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Who carries the rollout out, and ends it after the node under way; nothing was mended then.
    pub by: Option<String>,
    /// Nodes that were taken back.
    pub mended: Vec<NodeName>,
    /// Nodes in the middle of their upgrades, or silent: they are left as they are.
    pub middle: Vec<NodeName>,
    /// Control planes whose load balancer does not tell whom it lets go of, and why.
    pub untold: Vec<(NodeName, String)>,
    /// Whose order ended the mending, and how it ended.
    pub stopped: Option<(NodeName, Outcome)>,
}

/// Takes back what a controller that died had let go of and cordoned. A controller that lives does so by itself.
pub async fn give_up<A: Agents>(
    agents: &Arc<A>,
    number: u64,
    generation: u64,
    who: &str,
    tale: &Tale,
) -> Result<GivenUp, DriveError> {
    let mut came = GivenUp {
        by: None,
        mended: Vec::new(),
        middle: in_the_middle(&agents.seen().await),
        untold: Vec::new(),
        stopped: None,
    };
    let hold = match Hold::take(agents, who, tale).await {
        Ok(hold) => hold,
        Err(DriveError::Held { by }) => {
            came.by = Some(by);
            return Ok(came);
        }
        Err(error) => return Err(error),
    };
    // Whoever held the lease may have gone on until now.
    let seen = agents.seen().await;
    let left = abandoned(&seen);
    let plan = Plan {
        generation,
        number,
        policy: Policy::default(),
        managed: matches!(seen.spec.endpoint.mode, EndpointMode::Managed { .. }),
    };
    let orders = Orders::new(Arc::clone(agents), tale.clone(), hold.fence, &plan);
    let ended = mend(&Arc::new(orders), &left).await;
    hold.release(agents, who).await;
    came.middle = in_the_middle(&seen);
    came.untold = untold(&seen);
    came.stopped = ended?;
    if came.stopped.is_none() {
        came.mended = left.into_iter().map(|one| one.node).collect();
    }
    Ok(came)
}
