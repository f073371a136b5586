//! A quarter of 128 nodes stalled for ten seconds again and again: whom that costs its good name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::node::Node;
use crate::scenario::disturb;
use crate::world::{Condition, World};

/// Members.
pub const MEMBERS: usize = 128;
/// So many seconds in all.
pub const SECONDS: u64 = 300;

/// One run: alarms about nodes that were healthy all the time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stalls {
    /// `hactl` or `foca`.
    pub of: String,
    /// Part of the datagrams lost.
    pub loss: f64,
    /// What is taken from the stalled.
    pub by: String,
    /// Suspicions.
    pub suspected: u64,
    /// Healthy nodes called down.
    pub down: u64,
}

/// Stalls every fourth node for 10 s with 1 s between, for so many seconds.
pub fn stall<N: Node>(
    world: &mut World<N>,
    of: &str,
    condition: Condition,
    seconds: u64,
) -> Stalls {
    let nodes: Vec<usize> = (0..world.slots.len()).step_by(4).collect();
    world.run(Duration::from_secs(10));
    // Whoever is stalled now and then counts as no healthy node at any time.
    world.watch.spare(&nodes);
    let rhythm = (Duration::from_secs(10), Duration::from_secs(1));
    let alarms = disturb(
        world,
        &nodes,
        condition,
        rhythm,
        Duration::from_secs(seconds),
    )
    .alarms;
    Stalls {
        of: of.to_owned(),
        loss: world.network.loss,
        by: match condition {
            Condition::Blocked => "network (timers run)",
            _ => "cpu",
        }
        .to_owned(),
        suspected: alarms.suspected,
        down: alarms.down,
    }
}
