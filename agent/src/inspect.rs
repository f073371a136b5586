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
/// A node's part in a CA.
pub mod trust;

use hactl_node_plan::facts::Facts;
use hactl_node_plan::facts::endpoint::EndpointFacts;
use hactl_node_plan::facts::rollout::RolloutFacts;
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::prerequisite::Requirements;
use hactl_proto::rollout::RolloutOrder;

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

/// Reads what the plan of a rollout's order is computed from, and leaves the rest unknown: a node's turn has five orders, each
/// looks before and after, and a process for every question would add up to a tenth of the turn.
pub async fn inspect_for_rollout<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    machine: &MachineInspector,
    order: &RolloutOrder,
) -> Facts {
    let wanted = Requirements::of(node);
    // At once: each asks programs that take their time, and whoever waits for the order waits for these.
    let (machine, kubernetes, rollout) = tokio::join!(
        machine.inspect(host, &wanted),
        kubernetes::serving(host, node),
        rollout::inspect(host, node, paths, order),
    );
    Facts {
        at: host.now(),
        machine,
        kubernetes,
        endpoint: EndpointFacts::default(),
        rollout,
    }
}
