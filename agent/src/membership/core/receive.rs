//! Datagrams that come in, and the table brought up to what foca learns from them.

use foca::{Member, Message, State};

use super::{Core, view};
use crate::membership::clock::Now;
use crate::membership::codec::{self, Survey};
use crate::membership::identity::{MemberId, NodeId};
use crate::membership::seal::Rejection;
use crate::membership::table::{Change, MemberEvent};

/// Up to so many members each is looked for in foca alone; of more, all are looked at in one go.
const FEW: usize = 32;

impl Core {
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
        if self.is_crowded(&survey) {
            return Err(Rejection::Crowded);
        }
        self.notice_outranked(&survey.members);
        self.heed_probes(&survey, now, opened.sent_ms);
        let done = self.hand_on(&survey, now);
        self.settle(now);
        done
    }

    fn is_crowded(&self, survey: &Survey<'_>) -> bool {
        let own = self.swim.identity().node;
        let members = survey.members.iter().map(|member| member.id().node);
        let mut unknown: Vec<NodeId> = members
            .chain([survey.header.src.node])
            .filter(|node| *node != own && self.table.row(*node).is_none())
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        let known = self.swim.iter_membership_state().len();
        !unknown.is_empty() && known + unknown.len() > self.settings.member_limit
    }

    /// Gives foca what it does not know yet. It looks for each member among all, so what is known is left out, and a ping
    /// without news is answered here.
    fn hand_on(&mut self, survey: &Survey<'_>, now: Now) -> Result<(), Rejection> {
        let (own, header) = (*self.swim.identity(), &survey.header);
        let src = Member::new(header.src, header.src_incarnation, State::Alive);
        let news: Vec<Member<MemberId>> = survey
            .members
            .iter()
            .filter(|member| self.is_news(&own, member))
            .cloned()
            .collect();
        let records = &self.records;
        let fresh = records.with(|records| survey.broadcasts().any(|item| records.is_news(item)));
        let known = self.table.row(header.src.node);
        let known = known.is_some_and(|row| row.id == header.src && row.is_active())
            && !self.table.is_news(&src);
        if known && news.is_empty() && !fresh && header.dst == own {
            match header.message {
                Message::Ping(number) if !self.has_news() => {
                    let answer = self.payload(header.src, Message::Ack(number), &[]);
                    self.send(header.src.address(), &answer, now);
                    return Ok(());
                }
                Message::Ack(_) | Message::Gossip | Message::ForwardedAck { .. } => return Ok(()),
                _ => {}
            }
        }
        if survey.aside.is_some() {
            return Ok(());
        }
        let items = if fresh { survey.items } else { &[] };
        let payload = codec::payload(header, &news, items);
        self.touched.push(header.src.node);
        self.touched
            .extend(news.iter().map(|member| member.id().node));
        let done = self.swim.handle_data(&payload, &mut self.effects);
        done.map_err(|_| Rejection::Malformed)
    }

    pub(super) fn is_news(&self, own: &MemberId, member: &Member<MemberId>) -> bool {
        if member.id().node == own.node {
            return member.id() != own || member.state() != State::Alive;
        }
        self.table.is_news(member)
    }

    /// Brings the table up to what foca knows, reports what changed, and fits foca to the number of members.
    pub(super) fn bring_up(&mut self, now: Now) {
        let own = self.swim.identity().node;
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched.retain(|node| *node != own);
        let (mut changes, mut forgotten) = (Vec::new(), false);
        if touched.len() > FEW {
            let others = self.swim.iter_membership_state();
            let others = others.filter(|member| member.id().node != own);
            (changes, forgotten) = self.table.refresh(others, now);
        } else {
            for node in &touched {
                let mut members = self.swim.iter_membership_state();
                match members.find(|member| member.id().node == *node) {
                    Some(member) => {
                        let change = self.table.set(member, now);
                        changes.extend(change.map(|change| (*node, change)));
                    }
                    None => forgotten |= self.table.row(*node).is_some(),
                }
            }
        }
        touched.clear();
        self.touched = touched;
        for (node, change) in changes {
            self.report(node, change, now);
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

    fn report(&mut self, node: NodeId, change: Change, now: Now) {
        let event = MemberEvent {
            node: self.name_of(node),
            number: node,
            change,
            at: view::timestamp(now.wall_ms),
        };
        self.counters.changed(change);
        self.events.push_back(event);
        if matches!(change, Change::Down | Change::Renamed) {
            self.probes.paths.forget(node);
        }
        self.look_at_zones(now);
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
        self.probes.paths.retain(|node| kept.contains(&node));
    }
}
