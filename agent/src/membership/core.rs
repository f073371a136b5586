//! The membership without socket, clock or randomness: datagrams, deadlines and times come in, datagrams and events go out.
//!
//! The caller hands in every datagram that has arrived before it lets timers fire ([`Core::advance`]): after a stall the answers
//! that wait in the socket must count before the probes that they answer are called failed. After each call it drains
//! [`Core::poll_datagram`] and [`Core::poll_event`] and sleeps until [`Core::next_deadline`].

mod effects;
mod join;
mod probes;
mod publish;
mod sync;
mod view;

pub use view::Status;

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
use super::codec::{self, SwimCodec};
use super::counters::Counters;
use super::detect::{Profile, stale};
use super::identity::{MemberId, NodeId, ZoneTag};
use super::record::{Records, SharedRecords};
use super::seal::{Epoch, KeyRing, KeyRingError, Opener, Rejection, Sealer};
use super::table::{MemberEvent, Table};
use super::timers::{Due, Timers};
use effects::Effects;
use probes::Probes;

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
    counters: Counters,
    outbox: VecDeque<(SocketAddr, Vec<u8>)>,
    events: VecDeque<MemberEvent>,
    digest: HealthDigest,
    publishing: publish::Publishing,
    announce_wait: Duration,
    refresh_set: bool,
    /// foca's gossip timer while there is nothing to gossip: it need not wake the node ten times a second for that.
    parked_gossip: Option<Timer<MemberId>>,
    sized_for: usize,
    synced: bool,
    outranked_told: u64,
    left: bool,
    started_ms: i64,
}

/// Members up to which every datagram is followed by a look at the table; beyond, one look in 50 ms serves many.
const SMALL: usize = 64;

impl Core {
    /// A member that knows nobody yet; its first announcements are due at once.
    pub fn new(settings: Settings, ring: KeyRing, now: Now) -> Result<Self, KeyRingError> {
        let own = MemberId {
            boot: settings.epoch.boot,
            ..seed_id(&settings.node)
        };
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
            counters: Counters::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            digest: HealthDigest::default(),
            publishing: publish::Publishing::default(),
            announce_wait: Duration::ZERO,
            refresh_set: false,
            parked_gossip: None,
            sized_for: 0,
            synced: false,
            outranked_told: 0,
            left: false,
            started_ms: now.wall_ms,
        };
        core.hang_name_plate();
        core.timers.set(now.mono, Due::Announce);
        Ok(core)
    }

    /// Takes one datagram from the network.
    pub fn receive(&mut self, datagram: &[u8], now: Now) -> Result<(), Rejection> {
        self.counters.received(datagram.len());
        let taken = self.take(datagram, now);
        if let Err(rejection) = &taken {
            self.counters.reject(rejection);
        }
        taken
    }

    fn take(&mut self, datagram: &[u8], now: Now) -> Result<(), Rejection> {
        let opened = match self.opener.open(datagram, now) {
            Err(stale @ Rejection::Stale { sender, offset_ms }) => {
                // Authentic, so its offset may be told; the number of senders is bounded by who holds the key.
                if self.knows_name(sender) {
                    self.clocks.refused(sender, offset_ms);
                }
                return Err(stale);
            }
            other => other?,
        };
        let survey = codec::survey(&opened.payload).map_err(|_| Rejection::Malformed)?;
        let mut unknown = survey
            .members
            .iter()
            .map(|member| member.id().node)
            .chain([survey.header.src.node])
            .filter(|node| *node != self.swim.identity().node && self.table.row(*node).is_none())
            .collect::<Vec<_>>();
        unknown.sort_unstable();
        unknown.dedup();
        if self.swim.iter_membership_state().len() + unknown.len() > self.settings.member_limit {
            return Err(Rejection::Crowded);
        }
        self.notice_outranked(&survey.members);
        let done = self.swim.handle_data(&opened.payload, &mut self.effects);
        self.settle(now, Some(opened.sent_ms));
        done.map_err(|_| Rejection::Malformed)
    }

    /// Others tell of a newer boot of our name: another agent has it, or our own boot epoch went back.
    fn notice_outranked(&mut self, members: &[Member<MemberId>]) {
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
                Due::Swim(timer) => self.fire(timer, now),
                Due::LastCall(suspect) => self.last_call(suspect, now),
                Due::Announce => self.announce(now),
                Due::Publish => self.publish_held(now),
                Due::Refresh => {
                    self.refresh_set = false;
                    self.refresh(now);
                }
            }
            self.settle(now, None);
        }
    }

    fn fire(&mut self, timer: Timer<MemberId>, now: Now) {
        if stale::overtaken(&timer, self.swim.iter_members()) {
            self.counters.overtaken += 1;
            return;
        }
        if matches!(timer, Timer::PeriodicGossip(_)) && !self.has_news() {
            self.parked_gossip = Some(timer);
            return;
        }
        // The errors that foca has here say that the timer came late or twice, which it has repaired already.
        if self.swim.handle_timer(timer, &mut self.effects).is_err() {
            self.counters.timer_errors += 1;
        }
        self.settle(now, None);
    }

    fn has_news(&self) -> bool {
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

    /// The next change of a member.
    pub fn poll_event(&mut self) -> Option<MemberEvent> {
        self.events.pop_front()
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
        self.settle(now, None);
        self.left = true;
    }

    /// Does what foca wants done: seals, sets timers, notes, looks at the table.
    fn settle(&mut self, now: Now, sent_ms: Option<i64>) {
        self.heed_notes(now, sent_ms);
        for (after, timer) in std::mem::take(&mut self.effects.timers) {
            if let Timer::ChangeSuspectToDown { member_id, .. } = &timer {
                self.plan_last_calls(*member_id, after, now);
            }
            self.timers.set(now.mono + after, Due::Swim(timer));
        }
        for (to, payload) in std::mem::take(&mut self.effects.sends) {
            // foca keeps an earlier boot of ours as a down member, and would announce to it.
            if to.node != self.swim.identity().node {
                self.send(to.address, &payload, now);
            }
        }
        if self.has_news()
            && let Some(timer) = self.parked_gossip.take()
        {
            self.timers.set(now.mono, Due::Swim(timer));
        }
        if self.swim.iter_membership_state().len() <= SMALL {
            self.refresh(now);
        } else if !self.refresh_set {
            self.refresh_set = true;
            self.timers
                .set(now.mono + Duration::from_millis(50), Due::Refresh);
        }
    }

    fn send(&mut self, to: SocketAddr, payload: &[u8], now: Now) {
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

    /// Reports what changed, and fits foca to the number of members.
    fn refresh(&mut self, now: Now) {
        let own = self.swim.identity().node;
        let others = self.swim.iter_membership_state();
        let others = others.filter(|member| member.id().node != own);
        let (changes, forgotten) = self.table.refresh(others, now);
        for (node, change) in changes {
            let event = MemberEvent {
                node: self.name_of(node),
                change,
                at: view::timestamp(now.wall_ms),
            };
            self.counters.changed(change);
            self.events.push_back(event);
        }
        if forgotten {
            self.forget();
        }
        let members = self.swim.num_members() + 1;
        if members != self.sized_for {
            // foca refuses only changes of the periods, which do not depend on the number.
            let _ = self.swim.set_config(self.settings.profile.config(members));
            self.sized_for = members;
        }
    }

    fn forget(&mut self) {
        let kept: std::collections::HashSet<NodeId> = self
            .swim
            .iter_membership_state()
            .map(|member| member.id().node)
            .chain([self.swim.identity().node])
            .collect();
        self.table.retain(|node| kept.contains(&node));
        self.records
            .with(|records| records.retain(|node| kept.contains(&node)));
        self.clocks.retain(|node| kept.contains(&node));
    }

    fn name_of(&self, node: NodeId) -> NodeName {
        self.records
            .with(|records| records.plate(node).map(|plate| plate.node.clone()))
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
    fn knows_name(&self, node: NodeId) -> bool {
        let mut declared = self.settings.declared.iter();
        declared.any(|seed| NodeId::of(&seed.node) == node)
            || self.records.with(|records| records.plate(node).is_some())
    }

    fn zone_of(&self, id: &MemberId) -> ZoneName {
        self.records
            .with(|records| records.plate(id.node).map(|plate| plate.zone.clone()))
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
