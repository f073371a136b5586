//! Inspect: the host becomes facts, all of them at once, and nothing is changed.
//!
//! What can't be read is a fact too (`Known::Unknown`); so inspecting never fails.

/// Every certificate and key.
pub mod certificates;
/// Facts about the managed endpoint.
mod endpoint;
/// Facts about Kubernetes on this node.
pub mod kubernetes;
/// Facts about the machine under it.
pub mod machine;
/// Facts that only a rolling upgrade asks for.
pub mod rollout;

use hactl_node_plan::facts::Facts;
use hactl_node_plan::facts::rollout::RolloutFacts;
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::prerequisite::Requirements;

use crate::host::Host;
use crate::paths::Paths;
use machine::MachineInspector;

/// Reads all facts that plans are computed from. `machine` remembers what is costly from one reading to the next.
pub async fn inspect<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    machine: &MachineInspector,
) -> Facts {
    Facts {
        at: host.now(),
        machine: machine.inspect_afresh(host, &Requirements::of(node)).await,
        kubernetes: kubernetes::inspect(host, node, paths).await,
        endpoint: endpoint::inspect(host, node).await,
        rollout: RolloutFacts::default(),
    }
}
