//! foca with its own default configuration for a local network, nothing around it: what the agent's detection is held against.
//!
//! Its datagrams are not sealed, and 33 bytes smaller for that.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use foca::{Config, Foca, Member, NoCustomBroadcast, Notification, Runtime, Timer};
use hactl_agent::membership::clock::Now;
use hactl_agent::membership::codec::SwimCodec;
use hactl_agent::membership::identity::{MemberId, NodeId};
use hactl_agent::membership::table::Change;
use hactl_agent::membership::timers::{Due, Timers};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use crate::node::Node;

/// foca, its timers, and what it wants done.
pub struct Plain {
    foca: Foca<MemberId, SwimCodec, SmallRng, NoCustomBroadcast>,
    timers: Timers,
    effects: Effects,
}

#[derive(Default)]
struct Effects {
    sends: VecDeque<(SocketAddr, Vec<u8>)>,
    timers: Vec<(Timer<MemberId>, Duration)>,
    changes: VecDeque<(NodeId, Change)>,
}

impl Runtime<MemberId> for Effects {
    fn notify(&mut self, notification: Notification<'_, MemberId>) {
        let change = match notification {
            Notification::MemberUp(id) => (id.node, Change::Up),
            Notification::MemberDown(id) => (id.node, Change::Down),
            Notification::ProbeFailed(_, id) => (id.node, Change::Suspect),
            _ => return,
        };
        self.changes.push_back(change);
    }

    fn send_to(&mut self, to: MemberId, data: &[u8]) {
        self.sends.push_back((to.address(), data.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<MemberId>, after: Duration) {
        self.timers.push((timer, after));
    }
}

impl Plain {
    /// A member that knows all of `members` already.
    pub fn settled(own: MemberId, members: &[MemberId], seed: u64, now: Now) -> Self {
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let size = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let rng = SmallRng::seed_from_u64(seed);
        let mut plain = Self {
            foca: Foca::new(own, Config::new_lan(size), rng, SwimCodec),
            timers: Timers::default(),
            effects: Effects::default(),
        };
        let others = members.iter().filter(|id| id.node != own.node);
        let alive = others.map(|id| Member::alive(*id));
        // The codec cannot fail on identities of its own.
        let _ = plain.foca.apply_many(alive, false, &mut plain.effects);
        plain.keep_timers(now);
        // Nodes do not start at one moment: the first probe comes at any time of a period.
        plain.effects.changes.clear();
        plain
    }

    fn keep_timers(&mut self, now: Now) {
        for (timer, after) in self.effects.timers.drain(..) {
            self.timers.set(now.mono + after, Due::Swim(timer));
        }
    }
}

impl Node for Plain {
    fn receive(&mut self, datagram: &[u8], now: Now) {
        let _ = self.foca.handle_data(datagram, &mut self.effects);
        self.keep_timers(now);
    }

    fn advance(&mut self, now: Now) {
        while let Some(due) = self.timers.take_due(now.mono) {
            if let Due::Swim(timer) = due {
                let _ = self.foca.handle_timer(timer, &mut self.effects);
            }
            self.keep_timers(now);
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.timers.next()
    }

    fn poll_datagram(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.effects.sends.pop_front()
    }

    fn poll_change(&mut self) -> Option<(NodeId, Change)> {
        self.effects.changes.pop_front()
    }
}
