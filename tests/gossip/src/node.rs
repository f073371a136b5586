//! What the world drives: the agent's own core, or foca as it comes.

use std::net::SocketAddr;
use std::time::Duration;

use hactl_agent::membership::clock::Now;
use hactl_agent::membership::core::Core;
use hactl_agent::membership::identity::NodeId;
use hactl_agent::membership::table::Change;

/// One member without socket and clock.
pub trait Node {
    /// Takes a datagram.
    fn receive(&mut self, datagram: &[u8], now: Now);
    /// Lets due timers fire.
    fn advance(&mut self, now: Now);
    /// When it wants that next.
    fn next_deadline(&self) -> Option<Duration>;
    /// The next datagram to send.
    fn poll_datagram(&mut self) -> Option<(SocketAddr, Vec<u8>)>;
    /// The next change that it saw.
    fn poll_change(&mut self) -> Option<(NodeId, Change)>;
    /// The agent's core, where the node is one: for exchanges, digests and zones.
    fn core(&mut self) -> Option<&mut Core> {
        None
    }
}

impl Node for Core {
    fn receive(&mut self, datagram: &[u8], now: Now) {
        // Counted by the core; a refusal is none of the world's business.
        let _ = Self::receive(self, datagram, now);
    }

    fn advance(&mut self, now: Now) {
        Self::advance(self, now);
    }

    fn next_deadline(&self) -> Option<Duration> {
        Self::next_deadline(self)
    }

    fn poll_datagram(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        Self::poll_datagram(self)
    }

    fn poll_change(&mut self) -> Option<(NodeId, Change)> {
        self.poll_event().map(|event| (event.number, event.change))
    }

    fn core(&mut self) -> Option<&mut Core> {
        Some(self)
    }
}
