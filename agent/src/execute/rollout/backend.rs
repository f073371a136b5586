//! HAProxy lets a control plane go and takes it back, by its admin socket: nothing is reloaded, open connections live on.

use std::time::Duration;

use hactl_node_plan::endpoint::haproxy::set_server;
use hactl_proto::rollout::RolloutOrder;

use super::{misfit, order};
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::{Host, Question};
use crate::inspect::rollout::{ADMIN_SOCKET, released};

const EVERY: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn set<H: Host>(cx: &ExecuteContext<H>, release: bool) -> Result<(), StepError> {
    let node = match order(cx)? {
        RolloutOrder::ReleaseBackend { node } | RolloutOrder::ReturnBackend { node } => node,
        other => return Err(misfit(other.kind())),
    };
    let question = Question::Converse {
        path: ADMIN_SOCKET.to_owned(),
        line: set_server(node, release),
    };
    let answer = cx.host.ask(&question).await?;
    let said = String::from_utf8_lossy(&answer.body).trim().to_owned();
    if !said.is_empty() {
        return Err(StepError::state(
            format!("tell HAProxy about {node}"),
            said,
            "Compare /etc/haproxy/haproxy.cfg with the spec; `systemctl restart hactl-agent` writes it anew.",
        ));
    }
    let name = if release {
        format!("HAProxy to let go of {node}")
    } else {
        format!("HAProxy to take {node} back")
    };
    cx.wait(&name, EVERY, LIMIT, || async {
        Ok(match released(&*cx.host).await {
            Ok(names) if names.contains(node) == release => Condition::Met(()),
            Ok(_) => Condition::Pending("it has not done so".to_owned()),
            Err(reason) => Condition::Pending(reason),
        })
    })
    .await
}
