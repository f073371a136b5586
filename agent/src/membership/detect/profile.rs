//! The numbers of the detector.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use foca::{Config, PeriodicParams};

use crate::membership::seal::MAX_PAYLOAD;

/// How fast a lost member is found, and how much that costs.
///
/// Of the others, somebody probes a given member within one `probe_period` with probability ⅔ at five nodes, within three with
/// 99 %; then one period until the probe has failed, then `suspicion`. A probe and its answer are some 115 bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// One member is probed this often.
    pub probe_period: Duration,
    /// Wait for the direct answer before others are asked to probe.
    pub probe_rtt: Duration,
    /// A suspect's time to refute, for up to ten members; it grows with log10 beyond.
    pub suspicion: Duration,
    /// Pending updates are sent this often, to three members.
    pub gossip_period: Duration,
    /// A timer that fires later than this shows that this node stalled: it accuses nobody for what it missed.
    pub stall: Duration,
}

impl Profile {
    /// One site: down in every view within 3 s of power off at five nodes.
    pub const fn lan() -> Self {
        Self {
            probe_period: Duration::from_millis(350),
            probe_rtt: Duration::from_millis(140),
            suspicion: Duration::from_millis(1200),
            gossip_period: Duration::from_millis(100),
            stall: Duration::from_millis(250),
        }
    }

    /// A suspect's time to refute among so many members.
    pub fn suspicion_for(&self, members: usize) -> Duration {
        self.suspicion.mul_f64(log10(members).max(1.0))
    }

    /// How often one update is sent along: enough for all to hear it with gossip's usual certainty.
    pub fn transmissions_for(&self, members: usize) -> NonZeroU8 {
        let wanted = (4.0 * log10(members + 1)).ceil().clamp(6.0, 32.0);
        // In range by the clamp; `as` saturates anyway.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        NonZeroU8::new(wanted as u8).unwrap_or(NonZeroU8::MIN)
    }

    /// foca's configuration for so many members. Only suspicion and transmissions differ by their number, which is what foca
    /// takes at run time.
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
            probe_rtt: self.probe_rtt,
            num_indirect_probes: some(3),
            max_transmissions: self.transmissions_for(members),
            suspect_to_down_after: self.suspicion_for(members),
            remove_down_after: Some(Duration::from_hours(24)),
            max_packet_size: some(MAX_PAYLOAD),
            notify_down_members: true,
            periodic_announce: every(Duration::from_secs(30), 1),
            periodic_announce_to_down_members: every(Duration::from_secs(5), 2),
            periodic_gossip: every(self.gossip_period, 3),
        }
    }
}

fn log10(members: usize) -> f64 {
    f64::from(u32::try_from(members).unwrap_or(u32::MAX)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_and_transmissions_grow_with_the_cluster() {
        let lan = Profile::lan();
        assert_eq!(lan.suspicion_for(5), lan.suspicion);
        assert_eq!(lan.suspicion_for(1000), lan.suspicion * 3);
        assert_eq!(lan.transmissions_for(0).get(), 6);
        assert_eq!(lan.transmissions_for(999).get(), 12);
    }
}
