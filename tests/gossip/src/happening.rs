//! What can happen in the world, in order.

use std::cmp::Ordering;
use std::time::Duration;

use hactl_agent::membership::identity::MemberId;

/// One happening at one node.
#[derive(Debug)]
pub enum Happening {
    /// A datagram arrives.
    Deliver(Box<[u8]>),
    /// A timer of the node is due.
    Wake,
    /// A starved or blocked node goes on.
    Resume,
    /// The node's next round of exchange.
    Exchange,
    /// Another's question arrives over a stream.
    Ask {
        /// Who asks.
        from: u32,
        /// The message.
        message: Box<[u8]>,
    },
    /// The answer to the node's own question arrives.
    Answer {
        /// Who answered.
        from: u32,
        /// The message.
        message: Box<[u8]>,
    },
    /// Another asks over a stream whether the node lives.
    Probe {
        /// Who asks.
        from: u32,
        /// As whom it knows the node.
        target: MemberId,
    },
    /// The answer to that.
    Alive(MemberId),
    /// What the node lacked arrives.
    Rest(Box<[u8]>),
}

/// A happening with its time.
#[derive(Debug)]
pub struct Entry {
    /// When.
    pub at: Duration,
    /// Keeps equal times in the order of planning.
    pub number: u64,
    /// At which node.
    pub node: u32,
    /// What.
    pub happening: Happening,
}

impl Ord for Entry {
    /// The earliest is the greatest: the heap gives that out first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}
