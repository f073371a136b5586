//! Plans carried out to their end, every decision on the way held against the rules.

use std::collections::BTreeSet;

use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::{Staged, StagedEtcd, Unfinished};
use hactl_proto::version::KubernetesVersion;
use proptest::prelude::*;

use super::{cluster, name, survey};
use crate::observed::samples::ago;
use crate::rollout::samples::{request, seen, version};
use crate::rollout::*;

/// What a decision does when all goes well.
fn carry_out(seen: &mut Seen, decision: &Decision, etcd: &str) {
    match decision {
        Decision::Stage { target, nodes } => {
            for node in nodes {
                let worker = node.as_str().starts_with('w');
                survey(seen, node.as_str()).staged = Some(Staged {
                    target: target.clone(),
                    etcd: if worker {
                        StagedEtcd::Absent
                    } else {
                        StagedEtcd::Tag(etcd.to_owned())
                    },
                });
            }
        }
        Decision::Upgrade(works) => {
            for work in works {
                let target = &work.upgrade.target;
                let part = work.upgrade.part;
                let one = survey(seen, work.node.as_str());
                if part != UpgradePart::Kubelet {
                    one.installed.versions.kubeadm = Some(target.clone());
                }
                for (pod, tag) in &mut one.static_pods {
                    if pod == "etcd" {
                        if !work.upgrade.keep_etcd {
                            etcd.clone_into(tag);
                        }
                    } else if part != UpgradePart::Kubelet {
                        *tag = target.to_string();
                    }
                }
                if matches!(part, UpgradePart::Whole | UpgradePart::Kubelet) {
                    one.installed.versions.kubelet = Some(target.clone());
                    let nodes = &mut cluster(seen).nodes;
                    let found = nodes
                        .iter_mut()
                        .find(|found| found.name == work.node)
                        .unwrap();
                    found.kubelet = Some(target.clone());
                    found.cordoned_by_hactl = false;
                }
                if work.upgrade.first {
                    cluster(seen).version = Some(target.clone());
                }
            }
        }
        Decision::Snapshot(_) | Decision::Soak(_) | Decision::Done | Decision::Wait(_) => {}
    }
}

/// Carries a plan out up to a decision.
fn until(plan: &RolloutPlan, seen: &mut Seen, etcd: &str, stop: impl Fn(&Decision) -> bool) {
    let mut memory = Memory::default();
    for _ in 0..100 {
        let decision = decide(plan, seen, &memory);
        match &decision {
            _ if stop(&decision) => return,
            Decision::Snapshot(node) => memory.took_snapshot(plan.to.clone(), node.clone()),
            Decision::Soak(soak) => memory.passed(soak.clone(), 1),
            Decision::Wait(reasons) => panic!("waits for {reasons:?}"),
            _ => {}
        }
        carry_out(seen, &decision, etcd);
    }
    panic!("it never comes to it");
}

/// A run that has taken the snapshots of a hop.
fn after(to: &KubernetesVersion) -> Memory {
    let mut memory = Memory::default();
    for node in ["cp3", "cp2"] {
        memory.took_snapshot(to.clone(), name(node));
    }
    memory
}

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
fn a_member_that_is_away_keeps_the_next_control_plane_from_its_turn() {
    let mut seen = seen(2);
    let wanted = request(version(36, 3));
    let plan = plan(&seen, &wanted, 1).unwrap();
    let staged = decide(&plan, &seen, &Memory::default());
    carry_out(&mut seen, &staged, "3.6.11-0");
    assert_eq!(
        decide(&plan, &seen, &Memory::default()),
        Decision::Snapshot(name("cp3"))
    );
    let at = version(36, 3);
    // Two nodes have one: either may be lost.
    let mut half = Memory::default();
    half.took_snapshot(at.clone(), name("cp3"));
    assert_eq!(decide(&plan, &seen, &half), Decision::Snapshot(name("cp2")));
    let Decision::Upgrade(works) = decide(&plan, &seen, &after(&at)) else {
        panic!("no turn");
    };
    assert_eq!(
        (works[0].node.as_str(), works[0].upgrade.first),
        ("cp1", true)
    );
    cluster(&mut seen).etcd[2].complaint = Some("connection refused".to_owned());
    assert_eq!(
        decide(&plan, &seen, &after(&at)),
        Decision::Wait(vec!["etcd member cp3: connection refused".to_owned()])
    );
    // The one under work may be unwell itself.
    cluster(&mut seen).etcd[2].complaint = None;
    cluster(&mut seen).etcd[0].complaint = Some("connection refused".to_owned());
    cluster(&mut seen).nodes[0].ready = false;
    survey(&mut seen, "cp1").unfinished = Some(Unfinished {
        target: at.clone(),
        part: UpgradePart::Whole,
    });
    assert!(matches!(
        decide(&plan, &seen, &after(&at)),
        Decision::Upgrade(_)
    ));
}

#[test]
fn workers_that_are_away_count_against_the_budget() {
    let mut seen = seen(4);
    let mut wanted = request(version(36, 3));
    wanted.policy.max_unavailable = 2;
    let plan = plan(&seen, &wanted, 1).unwrap();
    let at = version(36, 3);
    until(
        &plan,
        &mut seen,
        "3.6.11-0",
        |decision| matches!(decision, Decision::Upgrade(works) if works[0].role == NodeRole::Worker),
    );
    let turn = |seen: &Seen| match decide(&plan, seen, &after(&at)) {
        Decision::Upgrade(works) => works.iter().map(|work| work.node.to_string()).collect(),
        Decision::Wait(reasons) => reasons,
        other => panic!("{other:?}"),
    };
    assert_eq!(turn(&seen), ["w1", "w4"]);
    cluster(&mut seen).nodes[4].ready = false;
    assert_eq!(turn(&seen), ["w1"]);
    cluster(&mut seen).nodes[5].ready = false;
    assert_eq!(
        turn(&seen),
        [
            "w2 is away, and at most 2 may be",
            "w3 is away, and at most 2 may be"
        ]
    );
}

/// A cluster whose control planes are through to v1.36.3 and whose etcd is next.
fn before_etcd() -> (RolloutPlan, Seen) {
    let mut seen = seen(1);
    let plan = plan(&seen, &request(version(36, 3)), 1).unwrap();
    until(
        &plan,
        &mut seen,
        "3.7.0-0",
        |decision| matches!(decision, Decision::Upgrade(works) if works[0].upgrade.part == UpgradePart::Etcd),
    );
    (plan, seen)
}

#[test]
fn an_etcd_that_is_not_known_is_told_or_waited_for_and_never_taken_for_there() {
    let (plan, ready) = before_etcd();
    let at = version(36, 3);
    let staged = |etcd| {
        Some(Staged {
            target: version(36, 3),
            etcd,
        })
    };
    let tag = |tag: &str| staged(StagedEtcd::Tag(tag.to_owned()));
    let other = Some(Staged {
        target: version(36, 9),
        etcd: StagedEtcd::Tag("3.6.11-0".to_owned()),
    });
    let turn = |staged: Option<Staged>, kubeadm: Option<KubernetesVersion>| {
        let mut seen = ready.clone();
        let one = survey(&mut seen, "cp1");
        one.staged = staged;
        one.installed.versions.kubeadm = kubeadm;
        match decide(&plan, &seen, &after(&at)) {
            Decision::Upgrade(works) => {
                format!("{} {:?}", works[0].node, works[0].upgrade.part)
            }
            Decision::Stage { target, nodes } => format!("stage {target} on {}", nodes[0]),
            Decision::Wait(reasons) => reasons.join("; "),
            Decision::Soak(soak) => format!("soak {}", soak.kind.name()),
            other => panic!("{other:?}"),
        }
    };
    let kubeadm = || Some(at.clone());
    // It is looked at, and cp2 is next, where cp1's etcd is there.
    assert_eq!(turn(tag("3.7.0-0"), kubeadm()), "cp1 Etcd");
    assert_eq!(turn(tag("3.6.11-0"), kubeadm()), "soak etcd");
    assert_eq!(turn(staged(StagedEtcd::Absent), kubeadm()), "soak etcd");
    for unknown in [None, staged(StagedEtcd::Unknown), other] {
        assert_eq!(turn(unknown.clone(), kubeadm()), "stage v1.36.3 on cp1");
        assert_eq!(
            turn(unknown.clone(), Some(version(36, 2))),
            "which etcd v1.36.3 brings to cp1 is not known, and its kubeadm, v1.36.2, can't tell"
        );
        assert_eq!(
            turn(unknown, None),
            "which etcd v1.36.3 brings to cp1 is not known, and its kubeadm, unknown, can't tell"
        );
    }
}

#[test]
fn what_was_staged_for_a_plan_that_was_given_up_is_not_taken_for_this_ones() {
    let mut seen = seen(1);
    for node in ["cp1", "cp2", "cp3", "w1"] {
        survey(&mut seen, node).staged = Some(Staged {
            target: version(37, 1),
            etcd: StagedEtcd::Absent,
        });
    }
    let plan = plan(&seen, &request(version(36, 3)), 1).unwrap();
    let decision = decide(&plan, &seen, &Memory::default());
    assert!(
        matches!(&decision, Decision::Stage { target, nodes } if *target == version(36, 3) && nodes.len() == 4),
        "{decision:?}"
    );
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

/// What is decided, in a line.
fn told(plan: &RolloutPlan, seen: &Seen, memory: &Memory) -> String {
    match decide(plan, seen, memory) {
        Decision::Upgrade(works) => {
            let nodes: Vec<&str> = works.iter().map(|work| work.node.as_str()).collect();
            nodes.join("+")
        }
        Decision::Wait(reasons) => reasons.join("; "),
        Decision::Soak(soak) => format!("soak {}", soak.nodes[0]),
        Decision::Snapshot(node) => format!("snapshot {node}"),
        Decision::Stage { .. } => "stage".to_owned(),
        Decision::Done => "done".to_owned(),
    }
}

#[test]
fn outside_of_its_windows_no_node_is_begun_and_one_under_way_is_finished() {
    let mut seen = seen(2);
    let mut wanted = request(version(36, 3));
    // All samples are of Sunday, 17:20 UTC.
    wanted.policy.windows =
        serde_json::from_str(r#"[{"days":["sun"],"from":"22:00","to":"04:00","zone":"UTC"}]"#)
            .unwrap();
    let plan = plan(&seen, &wanted, 1).unwrap();
    let window = "the window sun 22:00 to 04:00 UTC, which opens at 2026-11-22 22:00 UTC";
    let at = after(&version(36, 3));
    // Staging touches nothing that runs.
    let staged = decide(&plan, &seen, &at);
    assert!(matches!(staged, Decision::Stage { .. }), "{staged:?}");
    carry_out(&mut seen, &staged, "3.6.11-0");
    assert_eq!(told(&plan, &seen, &Memory::default()), window);
    assert_eq!(told(&plan, &seen, &at), window);
    survey(&mut seen, "cp1").unfinished = Some(Unfinished {
        target: version(36, 3),
        part: UpgradePart::Whole,
    });
    assert_eq!(told(&plan, &seen, &at), "cp1");
    survey(&mut seen, "cp1").unfinished = None;
    cluster(&mut seen).nodes[0].cordoned_by_hactl = true;
    assert_eq!(told(&plan, &seen, &at), "cp1");
    cluster(&mut seen).nodes[0].cordoned_by_hactl = false;

    let open = ago(-6 * 3600);
    let closed = std::mem::replace(&mut seen.at, open);
    until(
        &plan,
        &mut seen,
        "3.6.11-0",
        |decision| matches!(decision, Decision::Upgrade(works) if works[0].node.as_str() == "w1"),
    );
    assert_eq!(told(&plan, &seen, &at), "w1");
    seen.at = closed;
    assert_eq!(told(&plan, &seen, &at), window);
    survey(&mut seen, "w1").unfinished = Some(Unfinished {
        target: version(36, 3),
        part: UpgradePart::Whole,
    });
    assert_eq!(told(&plan, &seen, &at), "w1");
}

#[test]
fn others_follow_a_canary_after_so_many_looks_in_a_row() {
    let mut seen = seen(3);
    let mut wanted = request(version(36, 3));
    wanted.policy.canary.workers = vec![name("w2")];
    wanted.policy.canary.control_plane = Some(name("cp2"));
    let plan = plan(&seen, &wanted, 1).unwrap();
    until(&plan, &mut seen, "3.6.11-0", |decision| {
        matches!(decision, Decision::Soak(_))
    });
    let mut memory = after(&version(36, 3));
    assert_eq!(told(&plan, &seen, &memory), "soak cp2");
    let Decision::Soak(soak) = decide(&plan, &seen, &memory) else {
        panic!("no soak");
    };
    memory.passed(soak.clone(), 2);
    cluster(&mut seen).nodes[2].ready = false;
    assert_eq!(told(&plan, &seen, &memory), "Node cp3 is not Ready");
    cluster(&mut seen).nodes[2].ready = true;
    memory.interrupted();
    memory.passed(soak.clone(), 2);
    assert_eq!(told(&plan, &seen, &memory), "soak cp2");
    memory.passed(soak, 2);
    assert_eq!(told(&plan, &seen, &memory), "cp1");
    // Another controller, later: cp1 was begun, so the canary had its soak.
    survey(&mut seen, "cp1").unfinished = Some(Unfinished {
        target: version(36, 3),
        part: UpgradePart::Whole,
    });
    assert_eq!(told(&plan, &seen, &after(&version(36, 3))), "cp1");
    survey(&mut seen, "cp1").unfinished = None;
    until(
        &plan,
        &mut seen,
        "3.6.11-0",
        |decision| matches!(decision, Decision::Soak(soak) if soak.kind == PhaseKind::Workers),
    );
    assert_eq!(told(&plan, &seen, &after(&version(36, 3))), "soak w2");
    // Upgraded, and not Ready any more: it is waited for, not drained once more.
    cluster(&mut seen).nodes[4].ready = false;
    assert_eq!(
        told(&plan, &seen, &after(&version(36, 3))),
        "w2 to be Ready at v1.36.3"
    );
}

#[test]
fn a_worker_that_is_silent_in_its_batch_counts_as_away() {
    let mut seen = seen(4);
    let mut wanted = request(version(36, 3));
    wanted.policy.max_unavailable = 2;
    let plan = plan(&seen, &wanted, 1).unwrap();
    until(
        &plan,
        &mut seen,
        "3.6.11-0",
        |decision| matches!(decision, Decision::Upgrade(works) if works[0].role == NodeRole::Worker),
    );
    seen.nodes[3].survey = Answer::Silent(crate::observed::Silence {
        since: ago(5),
        tried_ms: 1,
        reason: "no route".to_owned(),
    });
    let at = after(&version(36, 3));
    assert_eq!(told(&plan, &seen, &at), "w4");
    cluster(&mut seen).nodes[4].ready = false;
    assert_eq!(
        told(&plan, &seen, &at),
        "w2 is away, and at most 2 may be; w1 does not answer"
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
