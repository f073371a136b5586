//! The numbers of the detector.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use foca::{Config, PeriodicParams};

use crate::membership::seal::MAX_PAYLOAD;

/// How fast a lost member is found, and how much that costs.
///
/// Every member is probed once in a `probe_period`; three `reply_wait` later it is suspected, and `suspicion` after that it is
/// down where three others confirm. A probe and its answer are some 110 bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// One member is probed this often, among up to ten members.
    pub probe_period: Duration,
    /// What each tenfold of members adds to that: fewer bytes where more of them look.
    pub probe_growth: Duration,
    /// Wait for an answer before more is done to get one. Longer than any round trip between zones.
    pub reply_wait: Duration,
    /// A helper that heard nothing says so after this: its answer must be there within `reply_wait`.
    pub nack_wait: Duration,
    /// A suspect's time to refute when as many as are wanted confirm that it is silent, for up to ten members.
    pub suspicion: Duration,
    /// What each tenfold of members adds to that.
    pub suspicion_growth: Duration,
    /// A suspect's time to refute when nobody confirms: longer than any stall of the accuser.
    pub suspicion_alone: Duration,
    /// Pending updates are sent this often, to three members.
    pub gossip_period: Duration,
    /// A timer that fires later than this shows that this node stalled: it accuses nobody for what it missed.
    pub stall: Duration,
}

impl Profile {
    /// One region, zones up to 50 ms apart: down in every view within 1.5 s at five nodes.
    pub const fn lan() -> Self {
        Self {
            probe_period: Duration::from_millis(320),
            probe_growth: Duration::from_millis(104),
            reply_wait: Duration::from_millis(130),
            nack_wait: Duration::from_millis(80),
            suspicion: Duration::from_millis(600),
            suspicion_growth: Duration::from_millis(300),
            suspicion_alone: Duration::from_mins(1),
            gossip_period: Duration::from_millis(100),
            stall: Duration::from_millis(250),
        }
    }

    /// How often one member is probed among so many. The same for all members whose counts differ a little, so that their
    /// rounds stay in step.
    pub fn probe_period_for(&self, members: usize) -> Duration {
        let members = members.next_power_of_two();
        let grown = self.probe_growth.mul_f64(decades(members));
        Duration::from_millis(u64::try_from((self.probe_period + grown).as_millis()).unwrap_or(1))
    }

    /// A confirmed suspect's time to refute among so many members.
    pub fn suspicion_for(&self, members: usize) -> Duration {
        self.suspicion + self.suspicion_growth.mul_f64(decades(members))
    }

    /// How often one update is sent along: enough for all to hear it with gossip's usual certainty.
    pub fn transmissions_for(&self, members: usize) -> NonZeroU8 {
        let wanted = (4.0 * log10(members + 1) + 3.0).ceil().clamp(8.0, 32.0);
        // In range by the clamp; `as` saturates anyway.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        NonZeroU8::new(wanted as u8).unwrap_or(NonZeroU8::MIN)
    }

    /// foca's configuration for so many members. Only the transmissions differ by their number, which is what foca takes at run
    /// time. Its probes are never started, so their numbers say nothing.
    pub fn config(&self, members: usize) -> Config {
        let some = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        let every = |frequency, members| {
            Some(PeriodicParams {
                frequency,
                num_members: some(members),
            })
        };
        Config {
            probe_period: self.probe_period,
            probe_rtt: self.reply_wait,
            num_indirect_probes: some(3),
            max_transmissions: self.transmissions_for(members),
            suspect_to_down_after: self.suspicion_alone,
            remove_down_after: Some(Duration::from_hours(24)),
            max_packet_size: some(MAX_PAYLOAD),
            notify_down_members: true,
            periodic_announce: every(Duration::from_secs(30), 1),
            periodic_announce_to_down_members: every(Duration::from_secs(5), 2),
            periodic_gossip: every(self.gossip_period, 3),
        }
    }
}

/// Tenfolds beyond ten.
fn decades(members: usize) -> f64 {
    (log10(members.max(1)) - 1.0).max(0.0)
}

fn log10(members: usize) -> f64 {
    f64::from(u32::try_from(members).unwrap_or(u32::MAX)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_probes_and_transmissions_follow_the_clusters_size() {
        let lan = Profile::lan();
        assert_eq!(lan.suspicion_for(5), lan.suspicion);
        assert_eq!(lan.suspicion_for(1000), Duration::from_millis(1200));
        assert_eq!(lan.probe_period_for(5), lan.probe_period);
        assert_eq!(lan.probe_period_for(4999), lan.probe_period_for(5001));
        assert!(lan.probe_period_for(5000) < Duration::from_millis(630));
        assert_eq!(lan.transmissions_for(0).get(), 8);
        assert_eq!(lan.transmissions_for(999).get(), 15);
    }

    #[test]
    fn helpers_answer_before_the_next_step() {
        let lan = Profile::lan();
        let way_and_back = Duration::from_millis(40);
        assert!(lan.nack_wait + way_and_back <= lan.reply_wait);
    }
}
