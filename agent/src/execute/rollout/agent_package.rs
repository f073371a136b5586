//! Putting a new package of the agent in. It runs as a unit of its own, since the package's scripts restart the agent in its middle:
//! the new one finds the operation in the journal, and the unit by its name.

use std::time::Duration;

use hactl_node_plan::rollout::agent_package::{busy, put_in};
use hactl_node_plan::step::rollout::RolloutStep;
use hactl_proto::rollout::{ReplaceAgent, RolloutOrder};

use super::{misfit, order};
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::rollout::{installed_agent, is_of};

const REMEDY: &str = "Look at `journalctl -u 'hactl-*-install-agent'` and at the package tool on the node; then give the verb again.";

const EVERY: Duration = Duration::from_secs(5);
/// How long another package tool may be at work: security updates by themselves take minutes.
const LIMIT: Duration = Duration::from_mins(15);

/// Verifies the file once more, puts it in, and looks whether it is.
pub(super) async fn install<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let wanted = replacement(cx)?;
    let what = format!("put hactl-agent {} in", wanted.version);
    let before = installed(cx).await?;
    let file = cx.paths.packages().join(wanted.digest.to_string());
    let bytes = cx.host.read(&file).await?;
    if !bytes.is_some_and(|bytes| is_of(&bytes, wanted.digest)) {
        let observed = format!("{} is not the package that was brought", file.display());
        return Err(StepError::state(what, observed, REMEDY));
    }
    let unit = cx.unit(RolloutStep::InstallAgent.name());
    let command = put_in(before.format, &file.to_string_lossy()).unit(unit);
    let ended = cx
        .wait("dpkg's lock", EVERY, LIMIT, || async {
            Ok(match cx.run(&command).await {
                Err(StepError::Program { words, .. }) if busy(&words) => Condition::Pending(words),
                ended => Condition::Met(ended),
            })
        })
        .await?;
    let after = installed(cx).await?;
    if after.settled && after.version == wanted.version {
        return Ok(());
    }
    ended?;
    let observed = format!(
        "the package tool ended well, and {} is installed{}",
        after.version,
        if after.settled {
            ""
        } else {
            ", not configured"
        }
    );
    Err(StepError::state(what, observed, REMEDY))
}

async fn installed<H: Host>(
    cx: &ExecuteContext<H>,
) -> Result<hactl_node_plan::rollout::agent_package::InstalledAgent, StepError> {
    let found = installed_agent(&*cx.host).await;
    let what = "tell which agent is installed";
    found
        .map_err(|reason| StepError::state(what, reason, REMEDY))?
        .ok_or_else(|| StepError::state(what, "it is no package of this node", REMEDY))
}

fn replacement<H>(cx: &ExecuteContext<H>) -> Result<&ReplaceAgent, StepError> {
    match order(cx)? {
        RolloutOrder::ReplaceAgent(order) => Ok(order),
        other => Err(misfit(other.kind())),
    }
}
