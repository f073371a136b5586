//! How long the first boot rests between two rounds: soon while it goes on, less often where a crowd waits or something fails.

use std::time::Duration;

use hactl_proto::role::NodeRole;

use super::{FirstBoot, ROUND, SETTLED_ROUND};
use crate::host::Host;

/// After an operation that failed, at first; doubled up to [`SETTLED_ROUND`].
const AFTER_FAILURE: Duration = Duration::from_secs(4);
/// So long a worker asks about every second and a half for a member to join through; then ever less often.
const WORKER_SOON: Duration = Duration::from_mins(4);
/// The longest that a worker waits between two questions, but for its own spread.
const WORKER_SLOW: Duration = Duration::from_secs(10);

impl<H: Host, P> FirstBoot<H, P> {
    /// How long to rest: a round, longer after each failure.
    pub(super) fn rest(&self) -> Duration {
        match self.failures {
            0 => ROUND,
            failures => {
                SETTLED_ROUND.min(AFTER_FAILURE * 2_u32.saturating_pow(failures.min(8) - 1))
            }
        }
    }

    /// After a member did not admit: soon at first, then as a crowd of workers can afford.
    pub(super) fn rest_unadmitted(&self) -> Duration {
        if self.not_admitted <= 5 {
            ROUND
        } else {
            self.spread(WORKER_SLOW)
        }
    }

    /// While a member is awaited. A worker is one of thousands: it asks less often, the longer it waits.
    pub(super) fn rest_while_waiting(&self) -> Duration {
        let waited = self.host.now().duration_since(self.started).unsigned_abs();
        match self.operations.node().role {
            NodeRole::ControlPlane => ROUND,
            NodeRole::Worker if waited < WORKER_SOON => self.spread(ROUND),
            NodeRole::Worker => self.spread(WORKER_SLOW.min(waited / 20)),
        }
    }

    /// That long, and up to as long again, by the node's name: so that workers that boot together do not ask together.
    fn spread(&self, pause: Duration) -> Duration {
        let node = self.operations.node();
        let name = node.node.as_str().bytes();
        let part = name.fold(0_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        pause + pause * (part % 1000) / 1000
    }
}
