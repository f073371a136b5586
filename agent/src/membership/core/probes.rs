//! Probes as this node sees them: round trips, suspects told in time, and what a stall of our own must not cause.

use std::time::Duration;

use foca::{Header, Member, Message, ProbeNumber, State};

use super::Core;
use super::effects::Note;
use crate::membership::clock::Now;
use crate::membership::codec;
use crate::membership::identity::MemberId;
use crate::membership::timers::Due;

/// The direct probe that waits for its answer: foca has one at a time.
#[derive(Debug, Default)]
pub(super) struct Probes {
    waiting: Option<(MemberId, ProbeNumber, Now)>,
}

impl Core {
    pub(super) fn heed_notes(&mut self, now: Now, sent_ms: Option<i64>) {
        for note in std::mem::take(&mut self.effects.notes) {
            match note {
                Note::Pinged(member, number) => {
                    self.counters.probes += 1;
                    self.probes.waiting = Some((member, number, now));
                }
                Note::Acked(member, number) => self.answered(member, number, now, sent_ms),
                Note::ProbeFailed(_) => self.counters.probes_failed += 1,
                Note::Rejoined => {
                    self.counters.rejoined += 1;
                    self.hang_name_plate();
                }
                Note::Defunct => self.counters.defunct += 1,
            }
        }
    }

    fn answered(&mut self, from: MemberId, number: ProbeNumber, now: Now, sent_ms: Option<i64>) {
        let Some((member, asked, at)) = self.probes.waiting else {
            return;
        };
        if member != from || asked != number {
            return;
        }
        self.probes.waiting = None;
        if let Some(sent_ms) = sent_ms {
            self.clocks.answered(from.node, at, now, sent_ms);
        }
    }

    /// A suspect is told at once and twice more before its time is over, so that a lost datagram or a busy moment does not cost
    /// it its membership (Lifeguard's buddy system, by datagrams of our own).
    pub(super) fn plan_last_calls(&mut self, suspect: MemberId, time: Duration, now: Now) {
        for part in 0..3 {
            let at = now.mono + time * part / 3;
            self.timers.set(at, Due::LastCall(suspect));
        }
    }

    /// Tells the suspect that it is one, and asks for an answer: its `Feed` carries the raised incarnation.
    pub(super) fn last_call(&mut self, suspect: MemberId, now: Now) {
        let standing = self
            .swim
            .iter_members()
            .find(|member| member.id() == &suspect && member.state() == State::Suspect)
            .cloned();
        let Some(member) = standing else { return };
        let told = self.payload(suspect, Message::Gossip, &[member]);
        self.send(suspect.address, &told, now);
        let asked = self.payload(suspect, Message::Announce, &[]);
        self.send(suspect.address, &asked, now);
    }

    fn payload(
        &self,
        dst: MemberId,
        message: Message<MemberId>,
        members: &[Member<MemberId>],
    ) -> Vec<u8> {
        let header = Header {
            src: *self.swim.identity(),
            src_incarnation: self.effects.incarnation,
            dst,
            message,
        };
        codec::payload(&header, members)
    }

    /// A timer that fires late shows that this node stalled. What it did not hear meanwhile is its own fault: the probe that
    /// waits is taken as answered, and every suspect gets its whole time again.
    pub(super) fn notice_stall(&mut self, now: Now) {
        let late = self
            .timers
            .next()
            .map_or(Duration::ZERO, |at| now.mono.saturating_sub(at));
        if late < self.settings.profile.stall {
            return;
        }
        self.counters.stalls += 1;
        let members = self.swim.num_members() + 1;
        let time = self.settings.profile.suspicion_for(members);
        self.timers.extend_suspicions(now.mono + time);
        let Some((member, number, _)) = self.probes.waiting.take() else {
            return;
        };
        let incarnation = self
            .swim
            .iter_members()
            .find(|known| known.id() == &member)
            .map(Member::incarnation);
        if let Some(src_incarnation) = incarnation {
            let header = Header {
                src: member,
                src_incarnation,
                dst: *self.swim.identity(),
                message: Message::Ack(number),
            };
            // Refused at worst, and then the probe counts as failed, which the longer suspicion makes up for.
            let answer = codec::payload(&header, &[]);
            let _ = self.swim.handle_data(&answer, &mut self.effects);
            self.settle(now, None);
        }
    }
}
