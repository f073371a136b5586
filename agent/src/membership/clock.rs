//! Time as the membership sees it, and how far the peers' clocks are from this node's.
//!
//! Nothing here reads a clock: both times come in with every call.

use std::collections::HashMap;
use std::time::Duration;

use super::identity::NodeId;

/// One moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic, since any fixed start.
    pub mono: Duration,
    /// Wall clock, milliseconds since 1970.
    pub wall_ms: i64,
}

/// Samples kept of a peer: the one with the shortest round trip is the least disturbed (RFC 5905, clock filter).
const SAMPLES: usize = 8;
/// Peers of which samples are kept: the median of so many is as good as that of thousands.
const PEERS: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Sample {
    round_trip: Duration,
    offset_ms: i64,
}

#[derive(Debug, Default)]
struct Peer {
    samples: [Option<Sample>; SAMPLES],
    next: usize,
    sampled: Duration,
    /// Of a datagram that was refused as stale: one way only, but far beyond any path's delay.
    refused_offset_ms: Option<i64>,
}

/// Offsets and round trips of the peers, from probes that were answered.
#[derive(Debug, Default)]
pub struct PeerClocks(HashMap<NodeId, Peer>);

impl PeerClocks {
    /// An answered probe: sent and received by our clocks, and when the peer sent its answer by its own wall clock.
    pub fn answered(&mut self, peer: NodeId, sent: Now, received: Now, answered_ms: i64) {
        let middle = i64::midpoint(sent.wall_ms, received.wall_ms);
        let known = self.entry(peer);
        known.refused_offset_ms = None;
        known.sampled = received.mono;
        known.samples[known.next] = Some(Sample {
            round_trip: received.mono.saturating_sub(sent.mono),
            offset_ms: answered_ms.saturating_sub(middle),
        });
        known.next = (known.next + 1) % SAMPLES;
    }

    /// A peer's datagram was authentic but outside the time bound.
    pub fn refused(&mut self, peer: NodeId, offset_ms: i64) {
        self.entry(peer).refused_offset_ms = Some(offset_ms);
    }

    /// The peer's place; the one sampled longest ago makes room for a new one.
    fn entry(&mut self, peer: NodeId) -> &mut Peer {
        if !self.0.contains_key(&peer) && self.0.len() >= PEERS {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(node, known)| (known.sampled, **node));
            if let Some(oldest) = oldest.map(|(node, _)| *node) {
                self.0.remove(&oldest);
            }
        }
        self.0.entry(peer).or_default()
    }

    /// Forgets peers that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.0.retain(|peer, _| keep(*peer));
    }

    /// The shortest recent round trip to the peer.
    pub fn round_trip(&self, peer: NodeId) -> Option<Duration> {
        self.0.get(&peer)?.best().map(|sample| sample.round_trip)
    }

    /// Peers that something is known of, those refused as stale included.
    pub fn peers(&self) -> impl Iterator<Item = NodeId> {
        self.0.keys().copied()
    }

    /// How many milliseconds the peer's clock is ahead of ours.
    pub fn offset_ms(&self, peer: NodeId) -> Option<i64> {
        let known = self.0.get(&peer)?;
        known
            .refused_offset_ms
            .or_else(|| known.best().map(|sample| sample.offset_ms))
    }

    /// This node's clock against the median of its peers' in milliseconds, positive when it is ahead. `None` without peers.
    pub fn own_offset_ms(&self) -> Option<i64> {
        let mut offsets: Vec<i64> = self
            .0
            .keys()
            .filter_map(|peer| self.offset_ms(*peer))
            .collect();
        offsets.sort_unstable();
        let (low, high) = (
            offsets.len().checked_sub(1).map(|last| last / 2)?,
            offsets.len() / 2,
        );
        Some(-i64::midpoint(offsets[low], offsets[high]))
    }
}

impl Peer {
    fn best(&self) -> Option<Sample> {
        self.samples
            .iter()
            .flatten()
            .min_by_key(|sample| sample.round_trip)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64, wall_ms: i64) -> Now {
        Now {
            mono: Duration::from_millis(ms),
            wall_ms,
        }
    }

    #[test]
    fn the_shortest_round_trip_decides_a_peers_offset() {
        let (mut clocks, peer) = (PeerClocks::default(), NodeId([1; 8]));
        clocks.answered(peer, at(0, 1000), at(4, 1004), 1502);
        clocks.answered(peer, at(10, 1010), at(210, 1210), 1700);
        assert_eq!(clocks.offset_ms(peer), Some(500));
        assert_eq!(clocks.round_trip(peer), Some(Duration::from_millis(4)));
    }

    #[test]
    fn one_wrong_peer_does_not_move_the_median() {
        let mut clocks = PeerClocks::default();
        assert_eq!(clocks.own_offset_ms(), None);
        for (id, offset) in [(1, 0), (2, 10), (3, -10)] {
            clocks.answered(NodeId([id; 8]), at(0, 1000), at(0, 1000), 1000 + offset);
        }
        clocks.refused(NodeId([4; 8]), 300_000);
        assert_eq!(clocks.own_offset_ms(), Some(-5));
        assert_eq!(clocks.offset_ms(NodeId([4; 8])), Some(300_000));
    }
}
