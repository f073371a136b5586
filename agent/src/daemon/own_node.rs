//! What the API says of this node's own Node: that every component answers does not make it Ready.

use std::time::Duration;

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::output::NodeObject;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::finding::{Finding, Severity};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::host::Host;
use crate::inspect::kubernetes::own_node;

/// An answer holds so long: kubectl is a process of its own, and a screen may be drawn each second.
const KEPT: Duration = Duration::from_secs(5);
/// The operator waits five seconds for all that is asked of a node.
const LIMIT: Duration = Duration::from_secs(3);

/// The last answer.
#[derive(Debug, Default)]
pub(super) struct OwnNode(Mutex<Option<(Instant, Option<Finding>)>>);

impl OwnNode {
    /// Asks, or gives the last answer where it is fresh. `None`: Ready. To be asked of settled nodes: others have none yet.
    pub(super) async fn finding<H: Host>(&self, host: &H, node: &NodeContext) -> Option<Finding> {
        let mut last = self.0.lock().await;
        if let Some((at, finding)) = &*last
            && at.elapsed() < KEPT
        {
            return finding.clone();
        }
        let finding = judge(own_node(host, node, LIMIT).await, node);
        *last = Some((Instant::now(), finding.clone()));
        finding
    }
}

fn judge(seen: Known<Option<NodeObject>>, node: &NodeContext) -> Option<Finding> {
    let name = &node.node;
    let (severity, observed, remedy) = match seen {
        Known::Is(Some(object)) if object.ready => return None,
        Known::Is(Some(object)) if object.waits_for_pod_network() => (
            Severity::Warning,
            format!("NotReady: {}", object.message),
            "apply a pod network, or see why its pods do not run".to_owned(),
        ),
        Known::Is(Some(object)) => (
            Severity::Refusal,
            format!("NotReady: {}", object.message),
            format!("see kubectl describe node {name}, and journalctl -u kubelet on it"),
        ),
        Known::Is(None) => (
            Severity::Refusal,
            "the API has no such Node".to_owned(),
            "its kubelet registers it when it starts: systemctl restart kubelet".to_owned(),
        ),
        Known::Unknown(reason) => (
            Severity::Warning,
            format!("unknown: {reason}"),
            "see whether the endpoint and the API servers answer".to_owned(),
        ),
    };
    Some(Finding {
        check: "node-ready".to_owned(),
        severity,
        observed,
        wanted: format!("the Node {name} Ready"),
        remedy,
        mendable: false,
    })
}
