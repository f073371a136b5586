//! Reads the facts about Kubernetes on this node.

use hactl_node_plan::facts::kubernetes::KubernetesFacts;
use hactl_node_plan::plan::NodeContext;

use crate::host::Host;
use crate::paths::Paths;

/// Reads them.
#[allow(clippy::unused_async, reason = "the facts are not there yet")]
pub(super) async fn inspect<H: Host>(
    _host: &H,
    _node: &NodeContext,
    _paths: &Paths,
) -> KubernetesFacts {
    KubernetesFacts::default()
}
