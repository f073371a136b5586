//! Reads the facts about the machine under Kubernetes.

use hactl_node_plan::facts::machine::MachineFacts;
use hactl_node_plan::plan::NodeContext;

use crate::host::Host;
use crate::paths::Paths;

/// Reads them.
#[allow(clippy::unused_async, reason = "the facts are not there yet")]
pub(super) async fn inspect<H: Host>(
    _host: &H,
    _node: &NodeContext,
    _paths: &Paths,
) -> MachineFacts {
    MachineFacts::default()
}
