mod agents;
mod carried_out;
mod etcd;
mod leftovers;
mod policy;
mod turns;
mod whole;

use std::fmt::Write as _;

use hactl_proto::name::NodeName;
use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::{Budget, DeprecatedApi, NodeSurvey, Unfinished};
use hactl_proto::rotation::Authority;

use super::samples::{request, seen, version};
use super::*;
use crate::observed::Silence;
use crate::observed::samples::ago;

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn shown(plan: &RolloutPlan) -> String {
    let mut text = String::new();
    for hop in &plan.hops {
        writeln!(text, "{} -> {}", hop.from, hop.to).unwrap();
        for phase in &hop.phases {
            let batches: Vec<String> = phase
                .batches
                .iter()
                .map(|batch| {
                    batch
                        .iter()
                        .map(NodeName::as_str)
                        .collect::<Vec<_>>()
                        .join("+")
                })
                .collect();
            writeln!(text, "  {}: {}", phase.kind.name(), batches.join(", ")).unwrap();
        }
    }
    text
}

fn reasons(seen: &Seen, request: &Request) -> String {
    let blockers = plan(seen, request, 1).unwrap_err();
    let line = |blocker: &Blocker| {
        let node = blocker.node.as_ref().map_or("-", NodeName::as_str);
        format!(
            "{node} {}: {}\n",
            blocker.finding.check, blocker.finding.observed
        )
    };
    assert!(
        blockers
            .iter()
            .all(|blocker| blocker.finding.remedy.len() > 10)
    );
    blockers.iter().map(line).collect()
}

fn survey<'a>(seen: &'a mut Seen, node: &str) -> &'a mut NodeSurvey {
    let found = seen
        .nodes
        .iter_mut()
        .find(|one| one.name.as_str() == node)
        .unwrap();
    match &mut found.survey {
        Answer::Said(survey) => survey,
        Answer::Silent(_) => panic!("{node} is silent"),
    }
}

fn cluster(seen: &mut Seen) -> &mut ClusterSurvey {
    seen.cluster.as_mut().unwrap()
}

#[test]
fn a_patch_goes_over_each_node_once() {
    let mut wanted = request(version(36, 3));
    wanted.policy.max_unavailable = 2;
    insta::assert_snapshot!(shown(&plan(&seen(7), &wanted, 1).unwrap()), @r"
    v1.36.2 -> v1.36.3
      stage: cp1+cp2+cp3+w1+w2+w3+w4+w5+w6+w7
      snapshot etcd: cp3, cp2
      control planes: cp1
      soak: cp1
      control planes: cp2, cp3
      etcd: cp1
      soak: cp1
      etcd: cp2, cp3
      workers: w1+w4, w7, w2+w5, w3+w6
    ");
}

#[test]
fn two_minors_are_two_hops_and_kubelets_follow_every_api_server() {
    insta::assert_snapshot!(shown(&plan(&seen(1), &request(version(38, 0)), 1).unwrap()), @r"
    v1.36.2 -> v1.37.1
      stage: cp1+cp2+cp3+w1
      snapshot etcd: cp3, cp2
      control planes: cp1
      soak: cp1
      control planes: cp2, cp3
      kubelets of control planes: cp1
      soak: cp1
      kubelets of control planes: cp2, cp3
      etcd: cp1
      soak: cp1
      etcd: cp2, cp3
      workers: w1
    v1.37.1 -> v1.38.0
      stage: cp1+cp2+cp3+w1
      snapshot etcd: cp3, cp2
      control planes: cp1
      soak: cp1
      control planes: cp2, cp3
      kubelets of control planes: cp1
      soak: cp1
      kubelets of control planes: cp2, cp3
      etcd: cp1
      soak: cp1
      etcd: cp2, cp3
      workers: w1
    ");
}

#[test]
fn only_chosen_workers_are_touched_and_control_planes_always() {
    let mut wanted = request(version(36, 3));
    wanted.zones = [hactl_proto::name::ZoneName::new("b").unwrap()].into();
    let text = shown(&plan(&seen(6), &wanted, 1).unwrap());
    assert!(
        text.contains("workers: w2, w5\n") && text.contains("control planes: cp1"),
        "{text}"
    );
    wanted.zones.clear();
    wanted.nodes = [name("w6")].into();
    assert!(shown(&plan(&seen(6), &wanted, 1).unwrap()).contains("workers: w6\n"));
}

#[test]
fn canaries_go_first_and_a_single_node_has_nobody_to_go_before() {
    let mut wanted = request(version(36, 3));
    wanted.policy.max_unavailable = 2;
    wanted.policy.canary.control_plane = Some(name("cp2"));
    wanted.policy.canary.workers = ["w5", "w1", "w2"].map(name).to_vec();
    insta::assert_snapshot!(shown(&plan(&seen(5), &wanted, 1).unwrap()), @r"
    v1.36.2 -> v1.36.3
      stage: cp1+cp2+cp3+w1+w2+w3+w4+w5
      snapshot etcd: cp3, cp1
      control planes: cp2
      soak: cp2
      control planes: cp1, cp3
      etcd: cp2
      soak: cp2
      etcd: cp1, cp3
      workers: w1, w2+w5
      soak: w1+w2+w5
      workers: w4, w3
    ");
    wanted.nodes = [name("w2")].into();
    let text = shown(&plan(&seen(5), &wanted, 1).unwrap());
    assert!(text.ends_with("  workers: w2\n"), "{text}");
    wanted.policy.canary.workers.push(name("w9"));
    wanted.policy.canary.control_plane = Some(name("w1"));
    insta::assert_snapshot!(reasons(&seen(5), &wanted), @r"
    w1 canary-known: no control plane of that name is known
    w9 canary-known: no worker of that name is known
    ");
}

#[test]
fn every_reason_against_is_told_at_once() {
    let mut seen = seen(3);
    survey(&mut seen, "cp2").offered = Ok(vec![version(36, 2)]);
    survey(&mut seen, "cp3").certificate_expiry = Some(ago(-3600));
    survey(&mut seen, "w1").free_bytes = Some(1 << 30);
    survey(&mut seen, "w2").kubelet_changes = Ok(vec!["+ maxPods: 250".to_owned()]);
    survey(&mut seen, "cp1").rotating = Ok([Authority::Etcd, Authority::FrontProxy].into());
    survey(&mut seen, "cp2").rotating = Err("this agent does not say".to_owned());
    survey(&mut seen, "w1").unfinished = Some(Unfinished {
        target: version(36, 1),
        part: UpgradePart::Whole,
    });
    let silence = Silence {
        since: ago(5),
        tried_ms: 5000,
        reason: "connection refused".to_owned(),
    };
    seen.nodes[5].survey = Answer::Silent(silence);
    seen.nodes[3].capable = false;
    let cluster = cluster(&mut seen);
    cluster.nodes[1].ready = false;
    cluster.nodes[4].kubelet = Some(version(32, 0));
    cluster.nodes.remove(5);
    cluster.etcd[1].complaint = Some("it knows no leader".to_owned());
    cluster.alarms.push("NOSPACE on acp1".to_owned());
    cluster.budgets.push(Budget {
        name: "shop/web".to_owned(),
        owner: "ReplicaSet/web-5d".to_owned(),
        pods: vec![("web-1".to_owned(), "w2".to_owned())],
    });
    cluster.deprecated.push(DeprecatedApi {
        api: "flowcontrol.apiserver.k8s.io/v1beta3 flowschemas".to_owned(),
        removed: "1.32".to_owned(),
    });
    insta::assert_snapshot!(reasons(&seen, &request(version(36, 3))), @r"
    - disruption-budget: PodDisruptionBudget shop/web of ReplicaSet/web-5d allows no disruption: web-1 on w2
    - etcd-alarms: NOSPACE on acp1
    - etcd-members: member cp2 (acp2): it knows no leader
    - removed-api: flowcontrol.apiserver.k8s.io/v1beta3 flowschemas is still asked for; v1.32 does not serve it
    cp1 authority-rotating: two CAs of etcd lie here
    cp1 authority-rotating: two CAs of front-proxy lie here
    cp2 authority-rotating: whether a CA is being rotated is unknown: this agent does not say
    cp2 node-ready: it is not Ready
    cp2 packages-offered: v1.36.3 can't be had here; offered: v1.36.2
    cp3 certificates-last: a certificate ends at 2026-11-22T18:20:00Z
    w1 agent-version: its agent does not know upgrades
    w1 disk-space: 1024 MiB are free
    w1 upgrade-unfinished: an upgrade to v1.36.1 was begun here and not finished
    w2 kubelet-config-kept: /var/lib/kubelet/config.yaml differs: + maxPods: 250
    w2 kubelet-skew: its kubelet is v1.32.0, the lowest API server v1.36.2
    w3 agent-answers: its agent does not answer: connection refused
    w3 node-registered: the API has no Node of that name
    ");
}

#[test]
fn targets_that_cannot_be_are_refused() {
    let seen = seen(1);
    insta::assert_snapshot!(reasons(&seen, &request(version(36, 1))), @"- target-newer: the API servers run v1.36.2");
    insta::assert_snapshot!(reasons(&seen, &request(version(36, 9))), @r"
    cp1 packages-offered: v1.36.9 can't be had here; offered: v1.36.2, v1.36.3, v1.37.1, v1.38.0
    cp2 packages-offered: v1.36.9 can't be had here; offered: v1.36.2, v1.36.3, v1.37.1, v1.38.0
    cp3 packages-offered: v1.36.9 can't be had here; offered: v1.36.2, v1.36.3, v1.37.1, v1.38.0
    w1 packages-offered: v1.36.9 can't be had here; offered: v1.36.2, v1.36.3, v1.37.1, v1.38.0
    ");
    let mut far = seen.clone();
    for node in ["cp1", "cp2", "cp3", "w1"] {
        survey(&mut far, node).offered = Ok(vec![version(36, 2), version(38, 0)]);
    }
    insta::assert_snapshot!(reasons(&far, &request(version(38, 0))), @"- hop-offered: no version of v1.37 is offered on all nodes");
}

#[test]
fn etcd_has_a_gate_before_each_of_its_minors() {
    let mut seen = seen(0);
    for member in &mut cluster(&mut seen).etcd {
        member.version = Some("3.6.10".to_owned());
    }
    let text = reasons(&seen, &request(version(37, 1)));
    assert!(
        text.contains("etcd-version-path: member cp2 runs etcd 3.6.10"),
        "{text}"
    );
    assert!(plan(&seen, &request(version(36, 3)), 1).is_ok());
}

#[test]
fn a_cluster_that_cannot_be_seen_is_not_planned() {
    let mut unseen = seen(1);
    unseen.cluster = Err("cp1: connection refused".to_owned());
    assert!(reasons(&unseen, &request(version(36, 3))).contains("cluster-known"));
    let mut silent = seen(1);
    silent.nodes[1].survey = Answer::Silent(Silence {
        since: ago(5),
        tried_ms: 1,
        reason: "no route".to_owned(),
    });
    let text = reasons(&silent, &request(version(36, 3)));
    assert!(
        text.contains("api-server-versions: no word from cp2 (no route)"),
        "{text}"
    );
}

#[test]
fn workers_that_were_not_asked_for_do_not_keep_a_plan_from_being_through() {
    let mut seen = seen(2);
    let to = version(36, 3);
    for node in ["cp1", "cp2", "cp3"] {
        for tag in survey(&mut seen, node).static_pods.values_mut() {
            *tag = to.to_string();
        }
    }
    cluster(&mut seen).version = Some(to.clone());
    // w2 alone is behind.
    for node in 0..4 {
        cluster(&mut seen).nodes[node].kubelet = Some(to.clone());
    }
    let hops = |node: &str| {
        let mut wanted = request(to.clone());
        wanted.nodes = [name(node)].into();
        plan(&seen, &wanted, 1).unwrap().hops.len()
    };
    assert_eq!((hops("w1"), hops("w2")), (0, 1));
}

#[test]
fn the_second_snapshot_lies_in_another_zone_where_there_is_one() {
    let mut seen = seen(0);
    seen.nodes[1].zone = seen.nodes[2].zone.clone();
    let text = shown(&plan(&seen, &request(version(36, 3)), 1).unwrap());
    assert!(text.contains("snapshot etcd: cp3, cp1\n"), "{text}");
    seen.nodes[0].zone = seen.nodes[2].zone.clone();
    let text = shown(&plan(&seen, &request(version(36, 3)), 1).unwrap());
    assert!(text.contains("snapshot etcd: cp3, cp2\n"), "{text}");
}

#[test]
fn a_kubelets_configuration_that_is_unknown_stands_against_a_node_that_is_not_begun() {
    let told = |change: &dyn Fn(&mut NodeSurvey)| {
        let mut seen = seen(1);
        let survey = survey(&mut seen, "w1");
        survey.kubelet_changes = Err("connection refused".to_owned());
        change(survey);
        match plan(&seen, &request(version(36, 3)), 1) {
            Ok(_) => String::new(),
            Err(blockers) => blockers
                .into_iter()
                .map(|one| one.finding.check + " ")
                .collect(),
        }
    };
    assert_eq!(told(&|_| {}), "kubelet-config-kept ");
    let done = |one: &mut NodeSurvey| one.installed.versions.kubelet = Some(version(36, 3));
    assert_eq!(told(&done), "");
    let begun = |one: &mut NodeSurvey| {
        one.unfinished = Some(Unfinished {
            target: version(36, 3),
            part: UpgradePart::Whole,
        });
    };
    assert_eq!(told(&begun), "");
}
