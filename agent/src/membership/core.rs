//! The membership without socket, clock or randomness: datagrams, deadlines and times come in, datagrams and events go out.
//!
//! The caller hands in every datagram that has arrived before it lets timers fire ([`Core::advance`]): after a stall the answers
//! that wait in the socket must count before the probes that they answer are called failed. After each call it drains
//! [`Core::poll_datagram`] and [`Core::poll_event`] and sleeps until [`Core::next_deadline`].

mod effects;
mod join;
mod probes;
mod publish;
mod receive;
mod suspicions;
mod sync;
mod view;
mod watch;

pub use probes::StreamProbe;
pub use view::Status;
pub use watch::ZoneEvent;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use foca::{Foca, Member, Timer};
use hactl_proto::health::HealthDigest;
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

use super::clock::{Now, PeerClocks};
use super::codec::SwimCodec;
use super::counters::Counters;
use super::detect::Profile;
use super::identity::{MemberId, NodeId, ZoneTag};
use super::record::{Records, SharedRecords};
use super::seal::{Epoch, KeyRing, KeyRingError, Opener, Sealer};
use super::table::{MemberEvent, Table};
use super::timers::{Due, Timers};
use effects::Effects;
use probes::Probes;
use watch::Watching;

/// A node that the spec names, or that was a member before the last stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// Its name.
    pub node: NodeName,
    /// Its zone.
    pub zone: ZoneName,
    /// Its role: only control planes among the declared nodes are announced to.
    pub role: NodeRole,
    /// Where its agent receives.
    pub address: SocketAddr,
}

/// Stands in front of the number of a node whose name plate has not come yet.
const UNNAMED: &str = "unnamed-";

impl Seed {
    /// Whether the name is the node's own, not one made of its number.
    pub fn is_named(&self) -> bool {
        !self.node.as_str().starts_with(UNNAMED)
    }
}

/// What the core has to know of its own node and cluster.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This node; its address is what others send to.
    pub node: Seed,
    /// The boot epoch and its random bits.
    pub epoch: Epoch,
    /// Seed of the probe order; any number.
    pub seed: u64,
    /// The declared nodes.
    pub declared: Vec<Seed>,
    /// The members known before the last stop: announced to beside the declared control planes.
    pub remembered: Vec<Seed>,
    /// The cluster's zones.
    pub zones: Vec<ZoneName>,
    /// No more members than this, down ones included.
    pub member_limit: usize,
    /// The detector's numbers.
    pub profile: Profile,
}

/// One node's membership.
pub struct Core {
    settings: Settings,
    swim: Foca<MemberId, SwimCodec, SmallRng, SharedRecords>,
    effects: Effects,
    timers: Timers,
    sealer: Sealer,
    opener: Opener,
    records: SharedRecords,
    table: Table,
    clocks: PeerClocks,
    probes: Probes,
    watching: Watching,
    counters: Counters,
    outbox: VecDeque<(SocketAddr, Vec<u8>)>,
    events: VecDeque<MemberEvent>,
    zone_events: VecDeque<ZoneEvent>,
    streams: VecDeque<StreamProbe>,
    repairs: VecDeque<Seed>,
    /// Draws helpers.
    rng: SmallRng,
    /// Whose state foca may have changed since the table was last brought up to it.
    touched: Vec<NodeId>,
    digest: HealthDigest,
    publishing: publish::Publishing,
    announce_wait: Duration,
    /// foca's gossip timer while there is nothing to gossip: it need not wake the node ten times a second for that.
    parked_gossip: Option<Timer<MemberId>>,
    sized_for: usize,
    synced: bool,
    outranked_told: u64,
    left: bool,
    started_ms: i64,
}

/// Above so many members an announcement to a random one tells too small a part of them: the state exchange does. No room is
/// kept for more events either.
const SMALL: usize = 64;

impl Core {
    /// A member that knows nobody yet; its first announcements are due at once.
    pub fn new(settings: Settings, ring: KeyRing, now: Now) -> Result<Self, KeyRingError> {
        let own = MemberId {
            boot: settings.epoch.boot,
            ..seed_id(&settings.node)
        };
        let settings_seed = settings.seed;
        let records = SharedRecords::new(Records::new(own.node, settings.member_limit));
        let mut core = Self {
            sealer: Sealer::new(&ring, own.node, settings.epoch)?,
            opener: Opener::new(ring, own.node, settings.member_limit),
            swim: Foca::with_custom_broadcast(
                own,
                settings.profile.config(0),
                SmallRng::seed_from_u64(settings.seed),
                SwimCodec,
                records.clone(),
            ),
            settings,
            effects: Effects::default(),
            timers: Timers::default(),
            records,
            table: Table::default(),
            clocks: PeerClocks::default(),
            probes: Probes::default(),
            watching: Watching::default(),
            counters: Counters::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            zone_events: VecDeque::new(),
            streams: VecDeque::new(),
            repairs: VecDeque::new(),
            rng: SmallRng::seed_from_u64(settings_seed.wrapping_add(1)),
            touched: Vec::new(),
            digest: HealthDigest::default(),
            publishing: publish::Publishing::default(),
            announce_wait: Duration::ZERO,
            parked_gossip: None,
            sized_for: 0,
            synced: false,
            outranked_told: 0,
            left: false,
            started_ms: now.wall_ms,
        };
        core.hang_name_plate();
        core.probes.heard = now.mono;
        core.timers.set(now.mono, Due::Announce);
        core.timers.set(now.mono, Due::Probe);
        core.compare_later(now);
        Ok(core)
    }

    /// Others tell of a newer boot of our name: another agent has it, or our own boot epoch went back.
    pub(super) fn notice_outranked(&mut self, members: &[Member<MemberId>]) {
        let own = self.swim.identity();
        let newer =
            |member: &Member<MemberId>| member.id().node == own.node && member.id().boot > own.boot;
        self.counters.outranked += u64::from(members.iter().any(newer));
    }

    /// Whether others told of a newer boot of our name since the last call.
    pub const fn take_outranked(&mut self) -> bool {
        let count = self.counters.outranked;
        std::mem::replace(&mut self.outranked_told, count) != count
    }

    /// Lets every timer fire that is due. Call it after all waiting datagrams were given to [`Core::receive`].
    pub fn advance(&mut self, now: Now) {
        self.notice_stall(now);
        while let Some(due) = self.timers.take_due(now.mono) {
            match due {
                Due::Swim(timer) => self.fire(timer),
                Due::Probe => self.probe(now),
                Due::Flight(number) => self.fly_on(number, now),
                Due::Relay(relay) => self.tell_unheard(relay, now),
                Due::Suspicion(node) => self.pursue(node, now),
                Due::Announce => self.announce(now),
                Due::Publish => self.publish_held(now),
                Due::Zones => self.judge_zones(now),
                Due::Compare => self.compare_states(now),
            }
            self.settle(now);
        }
    }

    fn fire(&mut self, timer: Timer<MemberId>) {
        match timer {
            // The probes are this core's own, see `detect`.
            Timer::ProbeRandomMember(_)
            | Timer::SendIndirectProbe { .. }
            | Timer::ChangeSuspectToDown { .. } => return,
            Timer::RemoveDown(ref id) => self.touched.push(id.node),
            _ => {}
        }
        if matches!(timer, Timer::PeriodicGossip(_)) && !self.has_news() {
            self.parked_gossip = Some(timer);
            return;
        }
        // The errors that foca has here say that the timer came late or twice, which it has repaired already.
        if self.swim.handle_timer(timer, &mut self.effects).is_err() {
            self.counters.timer_errors += 1;
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.swim.updates_backlog() + self.swim.custom_broadcast_backlog() > 0
    }

    /// When [`Core::advance`] is wanted next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// The next datagram to send.
    pub fn poll_datagram(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.outbox.pop_front()
    }

    /// The next member to be asked over a stream; its answer goes to [`Core::stream_answered`].
    pub fn poll_stream(&mut self) -> Option<StreamProbe> {
        self.streams.pop_front()
    }

    /// The next member whose states differ from this node's: an exchange with it is wanted.
    pub fn poll_repair(&mut self) -> Option<Seed> {
        self.repairs.pop_front()
    }

    /// The next change of a zone, or of this node's own contact.
    pub fn poll_zone_event(&mut self) -> Option<ZoneEvent> {
        self.zone_events.pop_front()
    }

    /// The next change of a member.
    pub fn poll_event(&mut self) -> Option<MemberEvent> {
        let event = self.events.pop_front();
        if event.is_none() {
            // A joiner of a large cluster has thousands at once, and never again.
            self.events.shrink_to(SMALL);
        }
        event
    }

    /// Takes another key ring, whose first key seals from now on.
    pub fn rotate(&mut self, ring: KeyRing) -> Result<(), KeyRingError> {
        self.sealer.rotate(&ring)?;
        self.opener.rotate(ring);
        Ok(())
    }

    /// Tells the members that this node leaves; it takes part no longer.
    pub fn leave(&mut self, now: Now) {
        // A failure to encode leaves the node to be found down by its silence.
        let _ = self.swim.leave_cluster(&mut self.effects);
        for _ in 0..2 {
            let _ = self.swim.gossip(&mut self.effects);
        }
        self.settle(now);
        self.left = true;
    }

    /// Does what foca wants done: seals, sets timers, heeds notes, brings the table up to it.
    pub(super) fn settle(&mut self, now: Now) {
        self.heed_notes();
        for (after, timer) in std::mem::take(&mut self.effects.timers) {
            let crowd = self.table.len() > SMALL;
            if !(crowd && matches!(timer, Timer::PeriodicAnnounce(_))) {
                self.timers.set(now.mono + after, Due::Swim(timer));
            }
        }
        for (to, payload) in std::mem::take(&mut self.effects.sends) {
            // foca keeps an earlier boot of ours as a down member, and would announce to it.
            if to.node != self.swim.identity().node {
                self.send(to.address(), &payload, now);
            }
        }
        if self.has_news()
            && let Some(timer) = self.parked_gossip.take()
        {
            self.timers.set(now.mono, Due::Swim(timer));
        }
        if !self.touched.is_empty() {
            self.bring_up(now);
        }
    }

    pub(super) fn send(&mut self, to: SocketAddr, payload: &[u8], now: Now) {
        if self.left {
            return;
        }
        match self.sealer.seal(payload, now) {
            Ok(datagram) => {
                self.counters.sent(datagram.len());
                self.outbox.push_back((to, datagram));
            }
            Err(_) => self.counters.unsealed += 1,
        }
    }

    pub(super) fn name_of(&self, node: NodeId) -> NodeName {
        self.records
            .with(|records| records.plate(node).map(|plate| plate.node))
            .or_else(|| {
                let seeds = self.settings.declared.iter();
                seeds
                    .chain(&self.settings.remembered)
                    .find(|seed| NodeId::of(&seed.node) == node)
                    .map(|seed| seed.node.clone())
            })
            // Hexadecimal digits make a name, so the second choice is never taken.
            .or_else(|| NodeName::new(format!("{UNNAMED}{node}")).ok())
            .unwrap_or_else(|| self.settings.node.node.clone())
    }

    /// Whether the node is declared or has told its name: bounds what is kept of nodes that are no members.
    pub(super) fn knows_name(&self, node: NodeId) -> bool {
        let mut declared = self.settings.declared.iter();
        declared.any(|seed| NodeId::of(&seed.node) == node)
            || self.records.with(|records| records.plate(node).is_some())
    }

    pub(super) fn zone_of(&self, id: &MemberId) -> ZoneName {
        self.records
            .with(|records| records.plate(id.node).map(|plate| plate.zone))
            .filter(|zone| ZoneTag::of(zone) == id.zone)
            .or_else(|| {
                let mut zones = self.settings.zones.iter();
                zones.find(|zone| ZoneTag::of(zone) == id.zone).cloned()
            })
            .or_else(|| ZoneName::new(format!("{UNNAMED}{:04x}", id.zone.0)).ok())
            .unwrap_or_else(|| self.settings.node.zone.clone())
    }
}

/// The identity of a seed: boot 0 loses to any real one.
fn seed_id(seed: &Seed) -> MemberId {
    MemberId::seed(&seed.node, &seed.zone, seed.role, seed.address)
}
