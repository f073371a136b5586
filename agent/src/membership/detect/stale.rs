//! The guard against foca's stale suspicion timer.
//!
//! foca (1.0.0 and 2.0.0) tells a member that it is down when the timer of a suspicion fires that the member refuted long before:
//! `handle_timer` takes `Some(summary)` of `Members::apply_existing_if` for success, although the summary says that nothing was
//! applied. The healthy member then renews its identity. So such a timer is dropped before foca sees it.

use foca::{Member, State, Timer};

use crate::membership::identity::MemberId;

/// Whether the timer would end a suspicion that no longer stands: the member refuted it, went down, or is another one now.
pub fn overtaken<'a>(
    timer: &Timer<MemberId>,
    mut members: impl Iterator<Item = &'a Member<MemberId>>,
) -> bool {
    let Timer::ChangeSuspectToDown {
        member_id,
        incarnation,
        ..
    } = timer
    else {
        return false;
    };
    !members.any(|member| {
        member.id() == member_id
            && member.incarnation() == *incarnation
            && member.state() == State::Suspect
    })
}

#[cfg(test)]
mod tests {
    use foca::{AccumulatingRuntime, Foca, Header, Message, OwnedNotification};
    use hactl_proto::name::{NodeName, ZoneName};
    use hactl_proto::role::NodeRole;
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::membership::codec::SwimCodec;
    use crate::membership::detect::Profile;

    type Plain = Foca<MemberId, SwimCodec, SmallRng, foca::NoCustomBroadcast>;

    fn id(name: &str) -> MemberId {
        let (node, zone) = (NodeName::new(name).unwrap(), ZoneName::new("a").unwrap());
        let address = "10.0.0.1:7470".parse().unwrap();
        MemberId::seed(&node, &zone, NodeRole::Worker, address)
    }

    fn sends(runtime: &mut AccumulatingRuntime<MemberId>) -> Vec<Message<MemberId>> {
        std::iter::from_fn(|| runtime.to_notify())
            .filter_map(|note| match note {
                OwnedNotification::DataSent(Header { message, .. }) => Some(message),
                _ => None,
            })
            .collect()
    }

    /// A prober whose only peer failed a probe, was suspected, and refuted; with the suspicion's timer.
    fn refuted() -> (Plain, AccumulatingRuntime<MemberId>, Timer<MemberId>) {
        let rng = SmallRng::seed_from_u64(1);
        let mut foca: Plain = Foca::new(id("prober"), Profile::lan().config(2), rng, SwimCodec);
        let mut runtime = AccumulatingRuntime::new();
        let peer = id("peer");
        foca.apply_many(std::iter::once(Member::alive(peer)), true, &mut runtime)
            .unwrap();
        let mut suspicion = None;
        for _ in 0..12 {
            let mut due: Vec<_> = std::iter::from_fn(|| runtime.to_schedule()).collect();
            due.sort_by_key(|(after, _)| *after);
            for (_, timer) in due {
                match timer {
                    Timer::ChangeSuspectToDown { .. } => suspicion = Some(timer),
                    Timer::ProbeRandomMember(_) | Timer::SendIndirectProbe { .. } => {
                        foca.handle_timer(timer, &mut runtime).unwrap();
                    }
                    _ => {}
                }
            }
            if suspicion.is_some() {
                break;
            }
        }
        let refutation = Member::new(peer, 1, State::Alive);
        foca.apply_many(std::iter::once(refutation), true, &mut runtime)
            .unwrap();
        sends(&mut runtime);
        (foca, runtime, suspicion.unwrap())
    }

    #[test]
    fn without_the_guard_foca_tells_a_healthy_member_that_it_is_down() {
        let (mut foca, mut runtime, timer) = refuted();
        foca.handle_timer(timer, &mut runtime).unwrap();
        let told = sends(&mut runtime).contains(&Message::TurnUndead);
        assert!(told, "foca is mended: drop the guard");
        assert!(
            foca.iter_members()
                .any(|member| member.state() == State::Alive)
        );
    }

    #[test]
    fn the_guard_drops_the_timer_of_a_refuted_suspicion_only() {
        let (mut foca, mut runtime, timer) = refuted();
        assert!(overtaken(&timer, foca.iter_members()));
        let again = Member::new(id("peer"), 2, State::Suspect);
        foca.apply_many(std::iter::once(again), true, &mut runtime)
            .unwrap();
        assert!(overtaken(&timer, foca.iter_members()), "an older suspicion");
        let standing = Timer::ChangeSuspectToDown {
            member_id: id("peer"),
            incarnation: 2,
            token: 0,
        };
        assert!(!overtaken(&standing, foca.iter_members()));
    }
}
