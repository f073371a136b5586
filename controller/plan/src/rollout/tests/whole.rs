//! Plans carried out to their end, every decision on the way held against the rules.

use std::collections::BTreeSet;

use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::Unfinished;
use hactl_proto::version::KubernetesVersion;
use proptest::prelude::*;

use super::carried_out::{after, carry_out};
use super::{cluster, survey};
use crate::rollout::samples::{request, seen, version};
use crate::rollout::*;

/// The controller dies once these nodes are drained, where that part of an upgrade drains.
fn drain(seen: &mut Seen, works: &[Work]) {
    for work in works {
        if matches!(work.upgrade.part, UpgradePart::Whole | UpgradePart::Kubelet) {
            let mut nodes = cluster(seen).nodes.iter_mut();
            let found = nodes.find(|found| found.name == work.node).unwrap();
            found.cordoned_by_hactl = true;
        }
    }
}

/// Carries a plan to its end, and holds every state on the way against the rules. In the rounds of `deaths` the controller dies
/// in mid turn, and another takes up what it left.
fn to_the_end(
    mut seen: Seen,
    wanted: &Request,
    etcd: &str,
    deaths: &BTreeSet<usize>,
) -> (Seen, usize) {
    let plan = plan(&seen, wanted, 1).unwrap();
    let mut memory = Memory::default();
    let mut took = BTreeSet::new();
    let (mut turns, mut rounds) = (0, 0);
    loop {
        let decision = decide(&plan, &seen, &memory);
        match &decision {
            Decision::Done => return (seen, turns),
            Decision::Wait(reasons) => panic!("waits for {reasons:?}"),
            Decision::Snapshot(node) => {
                let hop = plan.hops.iter().find(|hop| {
                    seen.control_planes()
                        .any(|node| node.api_server().unwrap() < hop.to)
                });
                memory.took_snapshot(hop.unwrap().to.clone(), node.clone());
                took.insert(node.clone());
            }
            Decision::Upgrade(works) => {
                turns += 1;
                let control_planes = works
                    .iter()
                    .filter(|work| work.role == NodeRole::ControlPlane);
                let touched = control_planes.count();
                assert!(touched == 0 || works.len() == 1, "{works:?}");
                assert!(
                    works.len() <= usize::try_from(wanted.policy.max_unavailable).unwrap(),
                    "{works:?}"
                );
                let servers: Vec<KubernetesVersion> = seen
                    .control_planes()
                    .filter_map(SeenNode::api_server)
                    .collect();
                for work in works {
                    let lowest = servers.iter().min().unwrap();
                    let target = &work.upgrade.target;
                    assert!(
                        target.minor <= lowest.minor + 1,
                        "a skipped minor: {work:?} over {lowest}"
                    );
                    let with_kubelet =
                        matches!(work.upgrade.part, UpgradePart::Whole | UpgradePart::Kubelet);
                    assert!(
                        !with_kubelet || target.minor <= lowest.minor,
                        "a kubelet newer than {lowest}: {work:?}"
                    );
                    assert_eq!(took.len(), 2, "no two snapshots before {work:?}");
                }
            }
            Decision::Soak(soak) => memory.passed(soak.clone(), 3),
            Decision::Stage { .. } => {}
        }
        match &decision {
            Decision::Upgrade(works) if deaths.contains(&rounds) => drain(&mut seen, works),
            decision => carry_out(&mut seen, decision, etcd),
        }
        rounds += 1;
        assert!(rounds < 500, "it never ends");
    }
}

#[test]
fn a_plan_that_was_carried_out_leaves_nothing_to_plan() {
    for to in [version(36, 3), version(37, 1), version(38, 0)] {
        let (end, _) = to_the_end(seen(4), &request(to.clone()), "3.7.0-0", &[].into());
        assert!(plan(&end, &request(to), 2).unwrap().hops.is_empty());
    }
}

#[test]
fn a_later_hop_that_was_begun_is_gone_on_with() {
    let mut seen = seen(1);
    let plan = plan(&seen, &request(version(38, 0)), 1).unwrap();
    let mut memory = after(&version(37, 1));
    loop {
        let decision = decide(&plan, &seen, &memory);
        match &decision {
            Decision::Upgrade(works) if works[0].upgrade.target == version(38, 0) => break,
            Decision::Snapshot(node) => memory.took_snapshot(version(38, 0), node.clone()),
            Decision::Soak(soak) => memory.passed(soak.clone(), 1),
            _ => {}
        }
        carry_out(&mut seen, &decision, "3.7.0-0");
    }
    // cp1 is cordoned and down in the middle of the second hop; this controller has seen no snapshot.
    survey(&mut seen, "cp1").unfinished = Some(Unfinished {
        target: version(38, 0),
        part: UpgradePart::ControlPlane,
    });
    let found = &mut cluster(&mut seen).nodes[0];
    (found.ready, found.cordoned_by_hactl) = (false, true);
    cluster(&mut seen).etcd[0].complaint = Some("connection refused".to_owned());
    let decision = decide(&plan, &seen, &after(&version(38, 0)));
    let Decision::Upgrade(works) = &decision else {
        panic!("{decision:?}");
    };
    assert_eq!(
        (works[0].node.as_str(), &works[0].upgrade.target),
        ("cp1", &version(38, 0))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Cut off anywhere and taken up by another controller, a rollout keeps the rules and comes to the same end.
    #[test]
    fn rollouts_keep_the_rules(
        workers in 0_usize..9,
        away in 1_u32..4,
        minor in 36_u16..39,
        patch in 0_u16..2,
        deaths in prop::collection::btree_set(0_usize..40, 0..6),
    ) {
        let to = match minor { 36 => version(36, 3), 37 => version(37, 1), _ => version(38, 0) };
        let mut wanted = request(to.clone());
        wanted.policy.max_unavailable = away;
        let etcd = if patch == 0 { "3.6.11-0" } else { "3.7.0-0" };
        let (end, _) = to_the_end(seen(workers), &wanted, etcd, &deaths);
        for node in &end.cluster.as_ref().unwrap().nodes {
            prop_assert_eq!(node.kubelet.as_ref(), Some(&to));
        }
        prop_assert!(plan(&end, &wanted, 2).unwrap().hops.is_empty());
    }

    /// Whatever is wrong, a refusal has reasons, and a plan has hops that rise one minor at a time.
    #[test]
    fn plans_rise_and_refusals_have_reasons(
        ready in prop::collection::vec(any::<bool>(), 5),
        well in prop::collection::vec(any::<bool>(), 3),
        to in (34_u16..40, 0_u16..5),
    ) {
        let mut seen = seen(2);
        for (node, ready) in cluster(&mut seen).nodes.iter_mut().zip(ready.clone()) { node.ready = ready; }
        for (member, well) in cluster(&mut seen).etcd.iter_mut().zip(well.clone()) {
            member.complaint = (!well).then(|| "away".to_owned());
        }
        match plan(&seen, &request(version(to.0, to.1)), 1) {
            Err(reasons) => prop_assert!(!reasons.is_empty()),
            Ok(plan) => {
                prop_assert!(plan.hops.is_empty() || ready.iter().chain(&well).all(|well| *well));
                for hop in &plan.hops {
                    prop_assert!(hop.to > hop.from && hop.to.minor - hop.from.minor <= 1);
                }
            }
        }
    }
}
