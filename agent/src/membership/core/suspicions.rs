//! Suspects of this node's own: called again and again, asked for with others, and down when their time is over.

use std::time::Duration;

use foca::{Message, ProbeNumber, State};
use hactl_proto::member::MemberState;

use super::Core;
use crate::membership::clock::Now;
use crate::membership::detect::suspicion::Suspicion;
use crate::membership::identity::{MemberId, NodeId};
use crate::membership::timers::Due;

/// Every so many calls one goes over a stream.
const STREAM_EVERY: u32 = 4;

impl Core {
    /// All ways of a probe were tried in vain; `silent` are the others who heard nothing either.
    pub(super) fn suspect(
        &mut self,
        target: MemberId,
        number: ProbeNumber,
        silent: Vec<NodeId>,
        now: Now,
    ) {
        let Some(row) = self.table.row(target.node) else {
            return;
        };
        if row.id != target || !row.is_active() {
            return;
        }
        let incarnation = row.incarnation;
        let suspicion = Suspicion::new(target, incarnation, number, silent, now.mono);
        self.probes.suspicions.insert(target.node, suspicion);
        self.declare(target, incarnation, State::Suspect, now);
        self.pursue(target.node, now);
    }

    /// Calls the suspect, gathers confirmations, and ends its time where it is over.
    pub(super) fn pursue(&mut self, node: NodeId, now: Now) {
        let Some(suspicion) = self.probes.suspicions.get(&node) else {
            return;
        };
        let (target, incarnation, number) =
            (suspicion.target, suspicion.incarnation, suspicion.number);
        let (since, next_call) = (suspicion.since, suspicion.next_call);
        let stands = self.table.row(node).is_some_and(|row| {
            row.id == target && row.state == MemberState::Suspect && row.incarnation == incarnation
        });
        if !stands {
            self.counters.overtaken += 1;
            self.probes.suspicions.remove(&node);
            return;
        }
        if self.heard_since(node, since) || self.deaf_since(since) {
            // It was heard, or nobody was: not now.
            self.restart(node, now);
        } else if now.mono >= self.deadline(node) {
            self.end(target, incarnation, now);
            return;
        }
        if now.mono >= next_call {
            self.call(node, target, number, now);
        }
        let next = self
            .probes
            .suspicions
            .get(&node)
            .map(|suspicion| suspicion.next_call);
        let wake = self.deadline(node).min(next.unwrap_or(now.mono));
        // Deafness is looked at no more often than this.
        let wake = wake.max(now.mono + Duration::from_millis(20));
        self.timers.set(wake, Due::Suspicion(node));
    }

    fn restart(&mut self, node: NodeId, now: Now) {
        if let Some(suspicion) = self.probes.suspicions.get_mut(&node) {
            let deaf = suspicion.next_call;
            suspicion.restart(now.mono);
            suspicion.next_call = deaf.max(now.mono);
        }
    }

    fn deadline(&self, node: NodeId) -> Duration {
        let Some(suspicion) = self.probes.suspicions.get(&node) else {
            return Duration::MAX;
        };
        let profile = &self.settings.profile;
        let members = self.swim.num_members() + 1;
        let rows = self.table.rows();
        let could_confirm =
            rows.filter(|row| row.state == MemberState::Alive && row.id.node != node);
        let least = profile.suspicion_for(members) * self.probes.awareness.factor();
        suspicion.deadline(
            could_confirm.count(),
            least,
            profile.suspicion_alone.max(least),
        )
    }

    fn call(&mut self, node: NodeId, target: MemberId, number: ProbeNumber, now: Now) {
        let Some(suspicion) = self.probes.suspicions.get_mut(&node) else {
            return;
        };
        let before = suspicion.called(now.mono);
        let asked = suspicion.asked.clone();
        let confirmed = suspicion.confirmed.len();
        self.ping(target, number, now);
        if confirmed < crate::membership::detect::suspicion::CONFIRMATIONS {
            let helpers = self.ask_others(target, number, &asked, now);
            if let Some(suspicion) = self.probes.suspicions.get_mut(&node) {
                suspicion.asked = helpers;
            }
        }
        if before % STREAM_EVERY == STREAM_EVERY - 1 {
            self.ask_by_stream(target);
        }
    }

    /// It is down; it is told so, in case it hears that.
    fn end(&mut self, target: MemberId, incarnation: u16, now: Now) {
        self.probes.suspicions.remove(&target.node);
        self.declare(target, incarnation, State::Down, now);
        let told = self.payload(target, Message::TurnUndead, &[]);
        self.send(target.address(), &told, now);
    }
}
