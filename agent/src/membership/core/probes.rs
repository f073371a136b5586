//! This node's probes: whom it asks whether it lives, whom it asks for others, and what comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use foca::{Header, Member, Message, ProbeNumber, State};
use hactl_proto::member::MemberState;
use rand::RngExt as _;

use super::Core;
use super::effects::Note;
use crate::membership::clock::Now;
use crate::membership::codec::{self, Aside, Survey};
use crate::membership::detect::awareness::Awareness;
use crate::membership::detect::flight::{Flight, HELPERS, Relay, STEPS};
use crate::membership::detect::paths::{Paths, Way};
use crate::membership::detect::schedule::{Schedule, moment};
use crate::membership::detect::suspicion::Suspicion;
use crate::membership::identity::{MemberId, NodeId};
use crate::membership::timers::Due;

/// A member to be asked over a stream whether it lives, because it is silent by datagrams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamProbe {
    /// Whom.
    pub peer: super::Seed,
    /// To be given back with its answer.
    pub target: MemberId,
}

/// Probes on their way, suspicions, and how far this node trusts itself.
#[derive(Debug, Default)]
pub(super) struct Probes {
    schedule: Schedule,
    round: Option<u64>,
    number: ProbeNumber,
    flights: Vec<Flight>,
    relays: Vec<Relay>,
    pub(super) suspicions: BTreeMap<NodeId, Suspicion>,
    pub(super) awareness: Awareness,
    pub(super) paths: Paths,
    /// When anything of anybody was last heard.
    pub(super) heard: Duration,
}

impl Core {
    pub(super) fn heed_notes(&mut self) {
        for note in std::mem::take(&mut self.effects.notes) {
            match note {
                Note::Refuted => self.probes.awareness.worse(),
                Note::Rejoined => {
                    self.counters.rejoined += 1;
                    self.hang_name_plate();
                }
                Note::Defunct => self.counters.defunct += 1,
            }
        }
    }

    pub(super) fn probe_period(&self) -> Duration {
        let members = self.table.len() + 1;
        self.settings.profile.probe_period_for(members)
    }

    /// One round: probes whose turn it is, and plans the next at the moment that belongs to the next one.
    pub(super) fn probe(&mut self, now: Now) {
        self.watch_contact(now);
        let own = *self.swim.identity();
        let period = u64::try_from(self.probe_period().as_millis())
            .unwrap_or(1)
            .max(1);
        let wall = u64::try_from(now.wall_ms).unwrap_or(0);
        let round = self.probes.round.unwrap_or(wall / period);
        let schedule = &mut self.probes.schedule;
        if let Some(row) = schedule.target(&own, round, &self.table) {
            let target = row.id;
            // A node that doubts itself probes more rarely, as it waits longer.
            if round.is_multiple_of(u64::from(self.probes.awareness.factor())) {
                self.start_flight(target, now);
            }
        }
        // A step of the clock, or a period that fits another size, begins the count anew.
        let at_start = |round: u64| round * period;
        let near = (at_start(round)..at_start(round + 2)).contains(&wall);
        let next = if near { round + 1 } else { wall / period + 1 };
        self.probes.round = Some(next);
        let schedule = &mut self.probes.schedule;
        let whose = schedule
            .target(&own, next, &self.table)
            .map_or(own.node, |row| row.id.node);
        let at = at_start(next) + moment(whose, period);
        let wait = at.saturating_sub(wall).clamp(1, 2 * period);
        self.timers
            .set(now.mono + Duration::from_millis(wait), Due::Probe);
    }

    fn start_flight(&mut self, target: MemberId, now: Now) {
        let busy = self.probes.suspicions.contains_key(&target.node)
            || self
                .probes
                .flights
                .iter()
                .any(|flight| flight.target == target);
        if busy {
            return;
        }
        let number = self.next_number();
        self.counters.probes += 1;
        self.probes.flights.push(Flight::new(target, number, now));
        self.ping(target, number, now);
        self.wait_on(number, now);
    }

    fn next_number(&mut self) -> ProbeNumber {
        self.probes.number = self.probes.number.wrapping_add(1);
        self.probes.number
    }

    fn wait_on(&mut self, number: ProbeNumber, now: Now) {
        let wait = self.settings.profile.reply_wait * self.probes.awareness.factor();
        self.timers.set(now.mono + wait, Due::Flight(number));
    }

    /// Pings, and tells a suspect that it is one (Lifeguard's buddy system): its answer refutes.
    pub(super) fn ping(&mut self, target: MemberId, number: ProbeNumber, now: Now) {
        let row = self.table.row(target.node);
        let suspect = row.filter(|row| row.id == target && row.state == MemberState::Suspect);
        let told: Vec<Member<MemberId>> = suspect.map(|row| row.member()).into_iter().collect();
        let payload = self.payload(target, Message::Ping(number), &told);
        self.send(target.address(), &payload, now);
    }

    pub(super) fn payload(
        &self,
        dst: MemberId,
        message: Message<MemberId>,
        members: &[Member<MemberId>],
    ) -> Vec<u8> {
        codec::payload(&self.header(dst, message), members, &[])
    }

    pub(super) fn header(&self, dst: MemberId, message: Message<MemberId>) -> Header<MemberId> {
        Header {
            src: *self.swim.identity(),
            src_incarnation: self.effects.incarnation,
            dst,
            message,
        }
    }

    /// A probe without an answer in time: more is done to get one, and at last the member is suspected.
    pub(super) fn fly_on(&mut self, number: ProbeNumber, now: Now) {
        let flights = &mut self.probes.flights;
        let Some(at) = flights.iter().position(|flight| flight.number == number) else {
            return;
        };
        flights[at].step += 1;
        if flights[at].step >= STEPS {
            let flight = flights.swap_remove(at);
            self.judge(flight, now);
            return;
        }
        let (target, step, already) = {
            let flight = &flights[at];
            (flight.target, flight.step, flight.asked.clone())
        };
        self.ping(target, number, now);
        let asked = self.ask_others(target, number, &already, now);
        if let Some(flight) = self.probes.flights.get_mut(at) {
            flight.asked.extend(asked);
        }
        if step + 1 == STEPS {
            self.ask_by_stream(target);
        }
        self.wait_on(number, now);
    }

    pub(super) fn ask_by_stream(&mut self, target: MemberId) {
        let peer = self.seed(&target);
        if peer.is_named() {
            self.streams.push_back(StreamProbe { peer, target });
        }
    }

    /// Asks some others to ping it: one of its zone, one of ours, and of any zone, none of `already` if there are enough.
    pub(super) fn ask_others(
        &mut self,
        target: MemberId,
        number: ProbeNumber,
        already: &[NodeId],
        now: Now,
    ) -> Vec<NodeId> {
        let own_zone = self.swim.identity().zone;
        let mut chosen: Vec<MemberId> = Vec::new();
        // So many draws find enough where there are enough; where there are few, all are drawn.
        for draw in 0..40 {
            if chosen.len() == HELPERS || self.table.is_empty() {
                break;
            }
            let place = self.rng.random_range(0..self.table.len());
            let Some(row) = self.table.at(place) else {
                continue;
            };
            let fits = match (chosen.len(), draw) {
                (0, 0..8) => row.id.zone == own_zone,
                (1, 0..16) => row.id.zone == target.zone,
                _ => true,
            };
            let fresh = draw >= 30 || !already.contains(&row.id.node);
            let other = row.id.node != target.node && !chosen.contains(&row.id);
            if fits && fresh && other && row.state == MemberState::Alive {
                chosen.push(row.id);
            }
        }
        for helper in &chosen {
            let message = Message::PingReq {
                target,
                probe_number: number,
            };
            let payload = self.payload(*helper, message, &[]);
            self.send(helper.address(), &payload, now);
        }
        chosen.iter().map(|helper| helper.node).collect()
    }

    /// All ways were tried: the member is suspected, unless it was heard otherwise, or this node has reason to doubt itself.
    fn judge(&mut self, flight: Flight, now: Now) {
        let target = flight.target;
        if self.heard_since(target.node, flight.sent.mono) {
            self.answered_by(target, Way::Detour, now);
            return;
        }
        self.counters.probes_failed += 1;
        if self.deaf_since(flight.sent.mono) {
            self.probes.awareness.worse();
            self.counters.doubts += 1;
            return;
        }
        self.probes.paths.failed(target.zone);
        self.look_at_zones(now);
        // Nobody confirms it: either they cannot be heard, which is our fault, or they are cut off with the target. Who hears its
        // own zone is not to blame.
        let own = self.swim.identity().zone;
        let near = self.probes.paths.heard_since(own, flight.sent.mono);
        if flight.silent.is_empty() && !flight.asked.is_empty() && !near {
            self.probes.awareness.worse();
        }
        self.suspect(target, flight.number, flight.silent, now);
    }

    pub(super) fn heard_since(&self, node: NodeId, since: Duration) -> bool {
        self.opener.heard(node).is_some_and(|heard| heard > since)
    }

    /// Whether nothing at all was heard since then, although there is more than one other who could have spoken.
    pub(super) fn deaf_since(&self, since: Duration) -> bool {
        self.swim.num_members() > 1 && self.probes.heard <= since
    }

    /// Whether nothing was heard for so long that it is this node that is cut off.
    pub(super) fn is_alone(&self, now: Now) -> bool {
        let long = self.probe_period() * 6;
        !self.table.is_empty() && self.deaf_since(now.mono.saturating_sub(long))
    }

    /// What probes bring: answers, and others' questions for members that this node is to ping.
    pub(super) fn heed_probes(&mut self, survey: &Survey<'_>, now: Now, sent_ms: i64) {
        let src = survey.header.src;
        self.probes.heard = now.mono;
        if self.probes.paths.heard(src.zone, now.mono) {
            self.look_at_zones(now);
        }
        match survey.aside {
            Some(Aside::Unheard { target, number }) => {
                self.unheard(src.node, target.node, number);
            }
            Some(Aside::States(theirs)) => self.compared(src, theirs),
            Some(Aside::Later) | None => {}
        }
        match survey.header.message {
            Message::Ack(number) => {
                let flights = &self.probes.flights;
                let flight = flights
                    .iter()
                    .find(|flight| flight.target == src && flight.number == number);
                // A second ping has the same number: only the answer to the first tells a round trip.
                if let Some(sent) = flight
                    .filter(|flight| flight.step == 0)
                    .map(|flight| flight.sent)
                {
                    self.clocks.answered(src.node, sent, now, sent_ms);
                }
                if flight.is_some() {
                    self.probes.awareness.better();
                    self.answered_by(src, Way::Direct, now);
                }
            }
            Message::ForwardedAck { origin, .. } => self.answered_by(origin, Way::Detour, now),
            Message::PingReq {
                target,
                probe_number,
            } => self.relay(src, target, probe_number, now),
            Message::IndirectAck {
                target,
                probe_number,
            } => self.probes.relays.retain(|relay| {
                relay.target.node != src.node
                    || relay.origin != target
                    || relay.number != probe_number
            }),
            _ => {}
        }
    }

    /// A member gave a sign of life: its probe is done, and a suspicion waits anew for its refutation.
    pub(super) fn answered_by(&mut self, target: MemberId, way: Way, now: Now) {
        let before = self.probes.flights.len();
        self.probes.flights.retain(|flight| flight.target != target);
        let suspicion = self.probes.suspicions.get_mut(&target.node);
        if before == self.probes.flights.len() && suspicion.is_none() {
            return;
        }
        if let Some(suspicion) = suspicion.filter(|suspicion| suspicion.target == target) {
            suspicion.restart(now.mono);
        }
        self.probes
            .paths
            .answered(target.node, target.zone, way, now.mono);
    }

    fn unheard(&mut self, helper: NodeId, target: NodeId, number: ProbeNumber) {
        let flights = self.probes.flights.iter_mut();
        for flight in
            flights.filter(|flight| flight.number == number && flight.target.node == target)
        {
            flight.unheard_by(helper);
        }
        if let Some(suspicion) = self.probes.suspicions.get_mut(&target)
            && suspicion.number == number
            && suspicion.asked.contains(&helper)
        {
            suspicion.confirm(helper);
        }
    }

    fn relay(&mut self, origin: MemberId, target: MemberId, number: ProbeNumber, now: Now) {
        // Who asks for it heard nothing of it: that confirms a suspicion of our own.
        if let Some(suspicion) = self.probes.suspicions.get_mut(&target.node) {
            suspicion.confirm(origin.node);
        }
        let relay = Relay {
            origin,
            target,
            number,
        };
        if !self.probes.relays.contains(&relay) {
            self.probes.relays.push(relay);
            let at = now.mono + self.settings.profile.nack_wait;
            self.timers.set(at, Due::Relay(relay));
        }
    }

    /// Tells the asker that nothing was heard; not from a node that has reason to doubt itself.
    pub(super) fn tell_unheard(&mut self, relay: Relay, now: Now) {
        let before = self.probes.relays.len();
        self.probes.relays.retain(|waiting| *waiting != relay);
        if before == self.probes.relays.len() || !self.probes.awareness.is_sound() {
            return;
        }
        let header = self.header(relay.origin, Message::Gossip);
        let told = codec::unheard(&header, &relay.target, relay.number);
        self.send(relay.origin.address(), &told, now);
    }

    /// A stream answered for a member.
    pub fn stream_answered(&mut self, target: MemberId, now: Now) {
        self.answered_by(target, Way::Stream, now);
        self.settle(now);
    }

    /// A timer that fires late shows that this node stalled. What it did not hear meanwhile is its own fault: probes under way
    /// are void, and every suspect gets its whole time again.
    pub(super) fn notice_stall(&mut self, now: Now) {
        let due = self.timers.next();
        let late = due.map_or(Duration::ZERO, |at| now.mono.saturating_sub(at));
        if late < self.settings.profile.stall {
            return;
        }
        self.counters.stalls += 1;
        self.probes.awareness.worse();
        self.probes.flights.clear();
        self.probes.relays.clear();
        for suspicion in self.probes.suspicions.values_mut() {
            suspicion.restart(now.mono);
        }
    }

    /// Tells foca a state of a member that this node found out itself.
    pub(super) fn declare(&mut self, target: MemberId, incarnation: u16, state: State, now: Now) {
        let update = std::iter::once(Member::new(target, incarnation, state));
        // Encoding a member of ours cannot fail, which is foca's only error here.
        let _ = self.swim.apply_many(update, true, &mut self.effects);
        self.touched.push(target.node);
        self.settle(now);
    }
}
