//! What goes wrong in rolling upgrades of a simulated cluster: agents, plans and the controller's loop are the real ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    reason = "all of this is test code"
)]

mod abandoned;
mod nodes;
#[path = "../support/mod.rs"]
mod support;

use hactl_simulation::World;

/// Whether some load balancer was told to let go of the node.
fn released(world: &World, node: &str) -> bool {
    let state = world.state();
    let mut machines = state.machines.values();
    machines.any(|machine| machine.released.contains(node))
}
