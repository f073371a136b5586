//! Probes on their way, and those made for others.
//!
//! A probe is a ping; without an answer in time a second ping and four others asked to ping; then a third ping, four more
//! others and a stream; and only then, when nothing came by any way, a suspicion. Lost datagrams are common and a suspicion
//! costs all members a message.

use foca::ProbeNumber;

use super::super::clock::Now;
use super::super::identity::{MemberId, NodeId};

/// Others asked to ping a silent member, each time.
pub const HELPERS: usize = 4;
/// Steps after the first ping before the member is suspected.
pub const STEPS: u8 = 3;

/// One probe without an answer yet.
#[derive(Debug, Clone)]
pub struct Flight {
    /// Whom.
    pub target: MemberId,
    /// Its number, in the pings.
    pub number: ProbeNumber,
    /// When the first ping went out.
    pub sent: Now,
    /// Steps taken since.
    pub step: u8,
    /// Who was asked to ping it.
    pub asked: Vec<NodeId>,
    /// Who was asked and heard nothing.
    pub silent: Vec<NodeId>,
}

impl Flight {
    /// The first ping.
    pub const fn new(target: MemberId, number: ProbeNumber, sent: Now) -> Self {
        Self {
            target,
            number,
            sent,
            step: 0,
            asked: Vec::new(),
            silent: Vec::new(),
        }
    }

    /// A helper heard nothing.
    pub fn unheard_by(&mut self, helper: NodeId) {
        if self.asked.contains(&helper) && !self.silent.contains(&helper) {
            self.silent.push(helper);
        }
    }
}

/// A ping made for somebody else, who is told when it stays without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// Who asked.
    pub origin: MemberId,
    /// Who is pinged.
    pub target: MemberId,
    /// The asker's number.
    pub number: ProbeNumber,
}
