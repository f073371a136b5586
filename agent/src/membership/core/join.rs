//! Finding the others: announcements to seeds while alone, and to declared control planes that are missing.

use std::time::Duration;

use hactl_proto::member::MemberState;
use hactl_proto::role::NodeRole;

use super::{Core, Seed, seed_id};
use crate::membership::clock::Now;
use crate::membership::identity::NodeId;
use crate::membership::timers::Due;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT_ALONE: Duration = Duration::from_secs(8);
const WAIT_IN_COMPANY: Duration = Duration::from_secs(15);
/// Members of the last run that are announced to, beside the declared control planes.
const REMEMBERED: usize = 8;

impl Core {
    /// Alone: to all seeds, with a growing pause. In company: to those declared control planes that nobody has told us of, which
    /// joins the halves of a cluster that started apart.
    pub(super) fn announce(&mut self, now: Now) {
        let alone = self.swim.num_members() == 0;
        let own = self.swim.identity().node;
        let declared = self.settings.declared.iter();
        let missing = declared
            .filter(|seed| seed.role == NodeRole::ControlPlane)
            .chain(self.settings.remembered.iter().take(REMEMBERED))
            .filter(|seed| NodeId::of(&seed.node) != own && (alone || self.misses(seed)));
        let targets: Vec<_> = missing.map(seed_id).collect();
        for target in targets {
            // An announcement holds two identities: it always fits.
            let _ = self.swim.announce(target, &mut self.effects);
        }
        self.announce_wait = if alone {
            (self.announce_wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT_ALONE)
        } else {
            WAIT_IN_COMPANY
        };
        self.timers
            .set(now.mono + self.announce_wait, Due::Announce);
    }

    fn misses(&self, seed: &Seed) -> bool {
        let row = self.table.row(NodeId::of(&seed.node));
        row.is_none_or(|row| row.state == MemberState::Down && row.id.address() != seed.address)
    }
}
