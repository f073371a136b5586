//! A cluster in virtual time on one thread: the real core, a network that delays, loses, repeats and parts, and nodes that stop,
//! stall and start again. Equal seeds give equal runs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use hactl_agent::membership::clock::Now;
use hactl_agent::membership::core::{Core, Seed, Settings};
use hactl_agent::membership::detect::Profile;
use hactl_agent::membership::seal::{Epoch, KeyRing};
use hactl_agent::membership::table::MemberEvent;
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
pub(crate) const NEXT_KEY: &str =
    "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A look whether one is wanted: until the first, and while alone. Those that a comparison asks for come by themselves.
const EXCHANGE_EVERY: Duration = Duration::from_secs(30);

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) fn ring(keys: &[(u8, &str)]) -> KeyRing {
    KeyRing::new(ClusterId::from_bytes([7; 16]), keys.iter().copied()).unwrap()
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Deliver(usize, Vec<u8>),
    Wake(usize),
    Exchange(usize, u32),
}

pub(crate) struct Node {
    pub(crate) seed: Seed,
    pub(crate) core: Option<Core>,
    pub(crate) boot: u32,
    /// Added to the wall clock.
    pub(crate) wall_ms: i64,
    pub(crate) stalled_until: Duration,
    waiting: Vec<Vec<u8>>,
    /// The wake-up that is on its way; any other is an old one.
    wake_at: Duration,
}

pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) nodes: Vec<Node>,
    pub(crate) loss: f64,
    /// Each datagram is delivered again this often, up to two seconds later.
    pub(crate) repeat: f64,
    /// Nodes in different groups don't hear each other.
    pub(crate) groups: HashMap<usize, u8>,
    pub(crate) events: Vec<(Duration, usize, MemberEvent)>,
    pub(crate) sent_bytes: Vec<u64>,
    pub(crate) exchanges: bool,
    /// Exchanges that a comparison asked for.
    pub(crate) repaired: usize,
    pub(crate) member_limit: usize,
    rng: SmallRng,
    queue: BinaryHeap<Reverse<(Duration, u64, Happening)>>,
    number: u64,
    by_address: HashMap<SocketAddr, usize>,
    control_planes: usize,
}

pub(crate) fn name(index: usize) -> NodeName {
    NodeName::new(format!("n{index}")).unwrap()
}

fn seed_of(index: usize, control_planes: usize) -> Seed {
    let [.., high, low] = u32::try_from(index).unwrap().to_be_bytes();
    let role = if index < control_planes {
        NodeRole::ControlPlane
    } else {
        NodeRole::Worker
    };
    Seed {
        node: name(index),
        zone: ZoneName::new(["a", "b", "c"][index % 3]).unwrap(),
        role,
        address: SocketAddr::from(([10, 0, high, low], 7470)),
    }
}

impl World {
    /// `count` nodes, the first three of them declared control planes; none is started.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let control_planes = 3;
        let nodes: Vec<Node> = (0..count)
            .map(|index| Node {
                seed: seed_of(index, control_planes),
                core: None,
                boot: 0,
                wall_ms: 0,
                stalled_until: Duration::ZERO,
                waiting: Vec::new(),
                wake_at: Duration::ZERO,
            })
            .collect();
        let by_address = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (node.seed.address, index))
            .collect();
        Self {
            now: Duration::from_secs(1),
            sent_bytes: vec![0; nodes.len()],
            nodes,
            loss: 0.0,
            repeat: 0.0,
            groups: HashMap::new(),
            events: Vec::new(),
            exchanges: true,
            repaired: 0,
            member_limit: 200,
            rng: SmallRng::seed_from_u64(seed),
            queue: BinaryHeap::new(),
            number: 0,
            by_address,
            control_planes,
        }
    }

    /// All nodes started, and given time to find each other.
    pub(crate) fn settled(count: usize, seed: u64) -> Self {
        let mut world = Self::new(count, seed);
        for index in 0..count {
            world.start(index);
        }
        let end = world.now + seconds(60);
        assert!(world.run_until(end, Self::agreed), "{}", world.picture());
        world.run(Duration::from_secs(5));
        world.events.clear();
        world
    }

    pub(crate) fn time(&self, index: usize) -> Now {
        Now {
            mono: self.now,
            wall_ms: 1_790_000_000_000
                + i64::try_from(self.now.as_millis()).unwrap()
                + self.nodes[index].wall_ms,
        }
    }

    pub(crate) fn start(&mut self, index: usize) {
        self.start_with(index, ring(&[(1, KEY)]));
    }

    pub(crate) fn start_with(&mut self, index: usize, ring: KeyRing) {
        let declared = (0..self.control_planes)
            .map(|at| seed_of(at, self.control_planes))
            .collect();
        let node = &mut self.nodes[index];
        node.boot += 1;
        let settings = Settings {
            node: node.seed.clone(),
            epoch: Epoch {
                boot: node.boot,
                salt: self.rng.random(),
            },
            seed: self.rng.random(),
            declared,
            remembered: Vec::new(),
            zones: ["a", "b", "c"]
                .map(|zone| ZoneName::new(zone).unwrap())
                .to_vec(),
            member_limit: self.member_limit,
            profile: Profile::lan(),
        };
        self.by_address.insert(node.seed.address, index);
        let now = self.time(index);
        let boot = self.nodes[index].boot;
        self.nodes[index].core = Some(Core::new(settings, ring, now).unwrap());
        self.wake(index, self.now);
        self.push(
            self.now + Duration::from_secs(2),
            Happening::Exchange(index, boot),
        );
    }

    /// Power off: nothing is said.
    pub(crate) fn stop(&mut self, index: usize) {
        self.nodes[index].core = None;
        self.nodes[index].waiting.clear();
    }

    /// Nothing runs on the node for this long; its socket fills.
    pub(crate) fn stall(&mut self, index: usize, time: Duration) {
        self.nodes[index].stalled_until = self.now + time;
        self.nodes[index].wake_at = self.now + time;
        self.push(self.now + time, Happening::Wake(index));
    }

    /// Hands a node a datagram as if it came from the network.
    pub(crate) fn inject(&mut self, index: usize, datagram: Vec<u8>) {
        self.push(self.now, Happening::Deliver(index, datagram));
    }

    pub(crate) fn core(&mut self, index: usize) -> &mut Core {
        self.nodes[index].core.as_mut().unwrap()
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Runs until the condition holds, looked at every 20 ms, at most until `end`; whether it did.
    pub(crate) fn run_until(&mut self, end: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let mut look = self.now;
        loop {
            if self.now >= look {
                if done(self) {
                    return true;
                }
                look = self.now + LOOK_EVERY;
            }
            match self.queue.peek() {
                Some(Reverse((at, ..))) if *at <= end => {}
                _ => break,
            }
            let Some(Reverse((at, _, happening))) = self.queue.pop() else {
                break;
            };
            self.now = self.now.max(at);
            self.happen(happening);
        }
        self.now = end;
        done(self)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Deliver(index, datagram) => {
                self.nodes[index].waiting.push(datagram);
                self.work(index);
            }
            Happening::Wake(index) => {
                if self.nodes[index].wake_at == self.now {
                    self.nodes[index].wake_at = Duration::ZERO;
                    self.work(index);
                }
            }
            Happening::Exchange(index, boot) => {
                if self.nodes[index].boot == boot && self.nodes[index].core.is_some() {
                    let core = self.core(index);
                    let wanted = !core.is_synced() || core.alone() || core.living().is_empty();
                    if self.exchanges && wanted {
                        self.exchange(index);
                    }
                    let jitter = Duration::from_millis(self.rng.random_range(0..4000));
                    self.push(
                        self.now + EXCHANGE_EVERY + jitter,
                        Happening::Exchange(index, boot),
                    );
                }
            }
        }
    }

    /// What the shell does: drain the socket, then the timers, then send.
    fn work(&mut self, index: usize) {
        let now = self.time(index);
        let node = &mut self.nodes[index];
        if node.stalled_until > self.now {
            return;
        }
        let Some(core) = node.core.as_mut() else {
            node.waiting.clear();
            return;
        };
        for datagram in std::mem::take(&mut node.waiting) {
            let _ = core.receive(&datagram, now);
        }
        core.advance(now);
        self.drain(index);
    }

    pub(crate) fn drain(&mut self, index: usize) {
        let Some(core) = self.nodes[index].core.as_mut() else {
            return;
        };
        let sends: Vec<_> = std::iter::from_fn(|| core.poll_datagram()).collect();
        let events: Vec<_> = std::iter::from_fn(|| core.poll_event()).collect();
        let repairs: Vec<_> = std::iter::from_fn(|| core.poll_repair()).collect();
        let deadline = core.next_deadline();
        self.events
            .extend(events.into_iter().map(|event| (self.now, index, event)));
        for (to, datagram) in sends {
            self.sent_bytes[index] += datagram.len() as u64 + 28;
            self.carry(index, to, datagram);
        }
        if let Some(at) = deadline {
            self.wake(index, at.max(self.now));
        }
        let wanted = if self.exchanges { repairs } else { Vec::new() };
        for peer in wanted {
            if let Some(peer) = self.by_address.get(&peer.address).copied() {
                self.repaired += 1;
                self.exchange_with(index, peer, false);
            }
        }
    }

    fn wake(&mut self, index: usize, at: Duration) {
        let known = self.nodes[index].wake_at;
        if known <= self.now || at < known {
            self.nodes[index].wake_at = at;
            self.push(at, Happening::Wake(index));
        }
    }

    fn carry(&mut self, from: usize, to: SocketAddr, datagram: Vec<u8>) {
        let Some(to) = self.by_address.get(&to).copied() else {
            return;
        };
        if !self.connected(from, to) || self.rng.random_bool(self.loss) {
            return;
        }
        if self.rng.random_bool(self.repeat) {
            let late = Duration::from_millis(self.rng.random_range(0..2000));
            self.push(self.now + late, Happening::Deliver(to, datagram.clone()));
        }
        let delay = Duration::from_micros(self.rng.random_range(200..800));
        self.push(self.now + delay, Happening::Deliver(to, datagram));
    }

    pub(crate) fn connected(&self, a: usize, b: usize) -> bool {
        self.groups.get(&a) == self.groups.get(&b)
    }

    /// One exchange with a random living peer, or a glance at a declared one's state, as the shell does it over gRPC.
    pub(crate) fn exchange(&mut self, index: usize) {
        let living = self.core(index).living();
        let alone = living.is_empty();
        let peers = if alone {
            self.core(index).oracles()
        } else {
            living
        };
        let peer = &peers[self.rng.random_range(0..peers.len())];
        let Some(peer) = self.by_address.get(&peer.address).copied() else {
            return;
        };
        self.exchange_with(index, peer, alone);
    }

    fn exchange_with(&mut self, index: usize, peer: usize, alone: bool) {
        let reached = |node: &Node| node.stalled_until <= self.now && node.core.is_some();
        let both = reached(&self.nodes[peer]) && reached(&self.nodes[index]);
        if !self.connected(index, peer) || !both {
            return;
        }
        let (ours, theirs) = (self.time(index), self.time(peer));
        let question = self.core(index).compare();
        let answer = self.core(peer).answer(&question, theirs).unwrap();
        if alone {
            self.core(index).glance(&answer).unwrap();
        } else if let Some(rest) = self.core(index).take_answer(&answer, ours).unwrap() {
            self.core(peer).answer(&rest, theirs).unwrap();
        }
        self.drain(index);
        self.drain(peer);
    }

    fn push(&mut self, at: Duration, happening: Happening) {
        self.number += 1;
        self.queue.push(Reverse((at, self.number, happening)));
    }
}
