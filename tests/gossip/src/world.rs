//! Many members in one process, on one thread, in virtual time. Equal seeds give equal runs.

use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hactl_agent::membership::clock::Now;
use hactl_agent::membership::core::Core;
use hactl_agent::membership::identity::NodeId;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::alone::{Input, Tape};
use crate::happening::{Entry, Happening};
use crate::network::Network;
use crate::node::Node;
use crate::watch::Watch;

/// IP and UDP.
pub const HEADERS: u64 = 28;
/// What a mutual TLS handshake costs each side, with TCP's headers: two certificates of an elliptic curve in the chain.
pub const HANDSHAKE: u64 = 3000;
/// The wall clock at the start.
const EPOCH_MS: i64 = 1_790_000_000_000;

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Healthy.
    Running,
    /// Nothing of it runs, its socket fills.
    Starved,
    /// Its timers fire, but nothing goes in or out until it is over.
    Blocked,
    /// Gone.
    Dead,
}

/// One node's place.
pub struct Slot<N> {
    /// The member; it stays when it dies, so that nothing is counted twice.
    pub node: N,
    /// Its zone.
    pub zone: usize,
    /// How it is.
    pub condition: Condition,
    /// Bytes sent in datagrams, headers included.
    pub sent: u64,
    /// Bytes sent over streams.
    pub streamed: u64,
    /// Whether its last exchange was begun before any had succeeded.
    pub unsynced: bool,
    inbox: Vec<Box<[u8]>>,
    outbox: Vec<(SocketAddr, Box<[u8]>)>,
    wake_at: Duration,
}

/// The cluster and its network.
pub struct World<N> {
    /// Virtual time since the start.
    pub now: Duration,
    /// The nodes.
    pub slots: Vec<Slot<N>>,
    /// The network.
    pub network: Network,
    /// What is measured.
    pub watch: Watch,
    /// Drawn from for everything but the network.
    pub rng: SmallRng,
    /// Which node a number means.
    pub index: HashMap<NodeId, u32>,
    /// What the first node takes in, until the tape is taken.
    pub tape: Option<Tape>,
    queue: BinaryHeap<Entry>,
    number: u64,
}

/// Where the node of that number receives.
pub fn address(index: usize) -> SocketAddr {
    let [.., high, low] = u32::try_from(index).unwrap_or(0).to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 7470))
}

/// The number of the node that receives there.
pub fn index_of(address: SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [_, _, high, low] = ip.octets();
            Some(usize::from(u16::from_be_bytes([high, low])))
        }
        IpAddr::V6(_) => None,
    }
}

impl<N: Node> World<N> {
    /// An empty one.
    pub fn new(loss: f64, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let network = Network::new(loss, SmallRng::seed_from_u64(rng.random()));
        Self {
            now: Duration::from_secs(1),
            slots: Vec::new(),
            network,
            watch: Watch::default(),
            rng,
            index: HashMap::new(),
            tape: None,
            queue: BinaryHeap::new(),
            number: 0,
        }
    }

    /// The clocks of every node: they agree.
    pub fn time(&self) -> Now {
        let ms = i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX);
        Now {
            mono: self.now,
            wall_ms: EPOCH_MS + ms,
        }
    }

    /// How long ago that was.
    pub const fn since(&self, start: Duration) -> Duration {
        self.now.saturating_sub(start)
    }

    /// Puts a node into its place.
    pub fn add(&mut self, number: NodeId, node: N, zone: usize) {
        let index = self.slots.len();
        self.index
            .insert(number, u32::try_from(index).unwrap_or(u32::MAX));
        self.slots.push(Slot {
            node,
            zone,
            condition: Condition::Running,
            sent: 0,
            streamed: 0,
            unsynced: false,
            inbox: Vec::new(),
            outbox: Vec::new(),
            wake_at: Duration::MAX,
        });
    }

    /// Sets the nodes going, one after the other within `spread`.
    pub fn go(&mut self, spread: Duration) {
        for index in 0..self.slots.len() {
            self.go_one(index, spread, Duration::from_mins(10));
        }
    }

    /// Sets one going; its first exchange comes within `exchange`.
    pub fn go_one(&mut self, index: usize, spread: Duration, exchange: Duration) {
        let late = self.within(spread);
        self.wake(index, self.now + late);
        let first = self.within(exchange);
        self.push(self.now + first, index, Happening::Exchange);
    }

    /// Any time up to that.
    pub fn within(&mut self, time: Duration) -> Duration {
        let micros = u64::try_from(time.as_micros()).unwrap_or(1).max(1);
        Duration::from_micros(self.rng.random_range(0..micros))
    }

    /// Runs for so long.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Runs until the condition holds, looked at every 50 ms, at most until `end`; whether it did.
    pub fn run_until(&mut self, end: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let mut look = self.now;
        while self.queue.peek().is_some_and(|entry| entry.at <= end) {
            if self.now >= look {
                if done(self) {
                    return true;
                }
                look = self.now + Duration::from_millis(50);
            }
            let Some(entry) = self.queue.pop() else { break };
            self.now = self.now.max(entry.at);
            self.happen(entry.node as usize, entry.happening);
        }
        self.now = end;
        done(self)
    }

    fn happen(&mut self, index: usize, happening: Happening) {
        match happening {
            Happening::Deliver(datagram) => {
                let slot = &mut self.slots[index];
                match slot.condition {
                    Condition::Running => {
                        let now = self.time();
                        self.slots[index].node.receive(&datagram, now);
                        self.record(index, Input::Datagram(datagram));
                        self.work(index);
                    }
                    Condition::Starved | Condition::Blocked => slot.inbox.push(datagram),
                    Condition::Dead => {}
                }
            }
            Happening::Wake => {
                if self.slots[index].wake_at == self.now {
                    self.slots[index].wake_at = Duration::MAX;
                    self.record(index, Input::Timer);
                    self.work(index);
                }
            }
            Happening::Resume => self.resume(index),
            other => self.stream(index, other),
        }
    }

    /// Keeps what the first node takes in.
    pub fn record(&mut self, index: usize, input: Input) {
        let now = self.time();
        if let Some(tape) = self.tape.as_mut().filter(|_| index == 0) {
            tape.inputs.push((now, input));
        }
    }

    /// What the shell does: what waits in the socket first, then the timers, then what is to be sent.
    pub fn work(&mut self, index: usize) {
        let now = self.time();
        let slot = &mut self.slots[index];
        match slot.condition {
            Condition::Running => {
                for datagram in std::mem::take(&mut slot.inbox) {
                    slot.node.receive(&datagram, now);
                }
                slot.node.advance(now);
            }
            Condition::Blocked => slot.node.advance(now),
            Condition::Starved | Condition::Dead => return,
        }
        self.drain(index);
    }

    /// Takes what the node wants sent and what it noticed.
    pub fn drain(&mut self, index: usize) {
        while let Some((number, change)) = self.slots[index].node.poll_change() {
            if let Some(subject) = self.index.get(&number) {
                let healthy = self.slots[*subject as usize].condition == Condition::Running;
                self.watch.noticed(self.now, *subject, change, healthy);
            }
        }
        let observer = u32::try_from(index).unwrap_or(u32::MAX);
        while let Some(event) = self.slots[index]
            .node
            .core()
            .and_then(Core::poll_zone_event)
        {
            self.watch.zones.push((self.now, observer, event));
        }
        while let Some((to, datagram)) = self.slots[index].node.poll_datagram() {
            self.send(index, to, datagram.into_boxed_slice());
        }
        self.drain_streams(index);
        self.drain_repairs(index);
        if let Some(at) = self.slots[index].node.next_deadline() {
            self.wake(index, at.max(self.now));
        }
    }

    fn send(&mut self, from: usize, to: SocketAddr, datagram: Box<[u8]>) {
        let slot = &mut self.slots[from];
        if slot.condition == Condition::Blocked {
            slot.outbox.push((to, datagram));
            return;
        }
        slot.sent += datagram.len() as u64 + HEADERS;
        let Some(to) = index_of(to).filter(|to| *to < self.slots.len()) else {
            return;
        };
        let (near, far) = (self.slots[from].zone, self.slots[to].zone);
        if let Some(delay) = self.network.carry(near, far) {
            self.push(self.now + delay, to, Happening::Deliver(datagram));
        }
    }

    /// Whether a datagram or a call finds someone there.
    pub fn answers(&self, index: usize) -> bool {
        self.slots[index].condition == Condition::Running
    }

    /// Power off: nothing is said.
    pub fn kill(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.condition = Condition::Dead;
        slot.inbox = Vec::new();
        slot.outbox = Vec::new();
        self.watch
            .died(u32::try_from(index).unwrap_or(u32::MAX), self.now);
    }

    /// Takes the node's cpu, or its network, for so long.
    pub fn disturb(&mut self, index: usize, condition: Condition, time: Duration) {
        if self.slots[index].condition == Condition::Running {
            self.slots[index].condition = condition;
            self.push(self.now + time, index, Happening::Resume);
        }
    }

    fn resume(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if slot.condition == Condition::Dead {
            return;
        }
        slot.condition = Condition::Running;
        for (to, datagram) in std::mem::take(&mut slot.outbox) {
            self.send(index, to, datagram);
        }
        self.work(index);
    }

    fn wake(&mut self, index: usize, at: Duration) {
        if at < self.slots[index].wake_at {
            self.slots[index].wake_at = at;
            self.push(at, index, Happening::Wake);
        }
    }

    /// Plans something.
    pub fn push(&mut self, at: Duration, index: usize, happening: Happening) {
        self.number += 1;
        self.queue.push(Entry {
            at,
            number: self.number,
            node: u32::try_from(index).unwrap_or(u32::MAX),
            happening,
        });
    }
}
