//! The exchange of states over streams, as the shell does it over gRPC.

use std::net::SocketAddr;
use std::time::Duration;

use hactl_agent::membership::core::Core;
use hactl_agent::membership::identity::MemberId;
use rand::RngExt as _;

use crate::alone::Input;
use crate::happening::Happening;
use crate::node::Node;
use crate::world::{HANDSHAKE, World, index_of};

// As in the agent's rounds (`membership::repair`): until it has synced, and unasked.
const EVERY_MS: u64 = 600_000;
const UNTIL_SYNCED_MS: u64 = 1000;

impl<N: Node> World<N> {
    /// What streams bring.
    pub fn stream(&mut self, index: usize, happening: Happening) {
        match happening {
            Happening::Exchange => {
                let core = self.slots[index].node.core();
                let synced = core.is_none_or(|core| core.is_synced());
                let asked = std::mem::replace(&mut self.slots[index].unsynced, !synced);
                // The answer to the one before came meanwhile.
                if !(synced && asked) {
                    self.start_exchange(index);
                }
                let every = if synced { EVERY_MS } else { UNTIL_SYNCED_MS };
                let pause = every * 3 / 4 + self.rng.random_range(0..every / 2);
                let at = self.now + Duration::from_millis(pause);
                self.push(at, index, Happening::Exchange);
            }
            Happening::Ask { from, message } => self.asked(index, from as usize, &message),
            Happening::Answer { from, message } => self.answered(index, from as usize, &message),
            Happening::Probe { from, target } => self.probed(index, from as usize, target),
            Happening::Alive(target) => self.lives(index, target),
            Happening::Rest(message) if self.answers(index) => {
                let now = self.time();
                if let Some(core) = self.slots[index].node.core() {
                    let _ = core.answer(&message, now);
                }
                self.record(index, Input::Question(message));
                self.work(index);
            }
            _ => {}
        }
    }

    /// Asks a random living member for what differs.
    pub fn start_exchange(&mut self, index: usize) {
        if !self.answers(index) {
            return;
        }
        let pick = self.rng.random();
        let Some(core) = self.slots[index].node.core() else {
            return;
        };
        // A random one of those whom it believes alive and whose name it knows, as in the agent.
        if let Some(peer) = core.living_at(pick) {
            self.exchange_with(index, peer.address);
        }
    }

    /// Members with other states, as the node's core asks for them.
    pub fn drain_repairs(&mut self, index: usize) {
        while let Some(peer) = self.slots[index].node.core().and_then(Core::poll_repair) {
            if self.answers(index) {
                self.exchange_with(index, peer.address);
            }
        }
    }

    fn exchange_with(&mut self, index: usize, peer: SocketAddr) {
        let question = self.slots[index].node.core().map(|core| core.compare());
        if let (Some(question), Some(peer)) = (question, index_of(peer)) {
            self.ask(index, peer, question.into_boxed_slice());
        }
    }

    fn ask(&mut self, from: usize, to: usize, message: Box<[u8]>) {
        let (near, far) = (self.slots[from].zone, self.slots[to].zone);
        self.slots[from].streamed += HANDSHAKE + message.len() as u64;
        if let Some(time) = self.network.call(near, far, message.len()) {
            let from = u32::try_from(from).unwrap_or(u32::MAX);
            self.push(self.now + time, to, Happening::Ask { from, message });
        }
    }

    fn asked(&mut self, index: usize, from: usize, message: &[u8]) {
        if !self.answers(index) {
            return;
        }
        let now = self.time();
        let Some(core) = self.slots[index].node.core() else {
            return;
        };
        let Ok(answer) = core.answer(message, now) else {
            return;
        };
        self.record(index, Input::Question(message.into()));
        self.work(index);
        self.slots[index].streamed += HANDSHAKE + answer.len() as u64;
        let (near, far) = (self.slots[index].zone, self.slots[from].zone);
        if let Some(time) = self.network.round_trip(near, far, answer.len(), false) {
            let peer = u32::try_from(index).unwrap_or(u32::MAX);
            let message = answer.into_boxed_slice();
            let answer = Happening::Answer {
                from: peer,
                message,
            };
            self.push(self.now + time / 2, from, answer);
        }
    }

    fn answered(&mut self, index: usize, from: usize, message: &[u8]) {
        if !self.answers(index) {
            return;
        }
        let now = self.time();
        let Some(core) = self.slots[index].node.core() else {
            return;
        };
        let rest = core.take_answer(message, now).ok().flatten();
        self.record(index, Input::Answer(message.into()));
        self.work(index);
        let Some(rest) = rest else { return };
        self.slots[index].streamed += rest.len() as u64;
        let (near, far) = (self.slots[index].zone, self.slots[from].zone);
        if let Some(time) = self.network.round_trip(near, far, rest.len(), false) {
            let rest = Happening::Rest(rest.into_boxed_slice());
            self.push(self.now + time / 2, from, rest);
        }
    }

    /// Members that the node wants asked over a stream, because they are silent by datagrams.
    pub fn drain_streams(&mut self, index: usize) {
        while let Some(probe) = self.slots[index].node.core().and_then(Core::poll_stream) {
            let Some(to) = self.index.get(&probe.target.node).map(|to| *to as usize) else {
                continue;
            };
            self.slots[index].streamed += HANDSHAKE;
            let (near, far) = (self.slots[index].zone, self.slots[to].zone);
            if let Some(time) = self.network.call(near, far, 100) {
                let from = u32::try_from(index).unwrap_or(u32::MAX);
                let target = probe.target;
                self.push(self.now + time, to, Happening::Probe { from, target });
            }
        }
    }

    /// A stream's question arrives at a member that runs.
    fn probed(&mut self, index: usize, from: usize, target: MemberId) {
        if !self.answers(index) {
            return;
        }
        self.slots[index].streamed += HANDSHAKE;
        let (near, far) = (self.slots[index].zone, self.slots[from].zone);
        if let Some(time) = self.network.round_trip(near, far, 100, false) {
            self.push(self.now + time / 2, from, Happening::Alive(target));
        }
    }

    fn lives(&mut self, index: usize, target: MemberId) {
        let now = self.time();
        if self.answers(index)
            && let Some(core) = self.slots[index].node.core()
        {
            core.stream_answered(target, now);
            self.work(index);
        }
    }
}
