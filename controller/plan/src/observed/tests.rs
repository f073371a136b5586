//! What answers mean together.

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::health::ComponentHealth;
use hactl_proto::member::{MemberState, ZoneCondition};
use hactl_proto::report::Outcome;
use hactl_proto::standing::{ClusterIdentity, Standing};
use hactl_proto::status::NodeStatus;

use super::samples::{ago, first_boot as booting, grant, healthy, identity, silent, troubled};
use super::*;

fn status(observed: &mut Observed, at: usize) -> &mut NodeStatus {
    match &mut observed.nodes[at].status {
        Answer::Said(status) => status,
        Answer::Silent(silence) => panic!("{silence:?}"),
    }
}

fn told(observed: &Observed) -> String {
    let line = |concern: &Concern| {
        let node = concern.node.as_ref().map_or("cluster", NodeName::as_str);
        let Concern { finding, .. } = concern;
        format!(
            "{node} {:?} {}: {}",
            finding.severity, finding.check, finding.observed
        )
    };
    concerns(observed)
        .iter()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_healthy_cluster_has_no_concern() {
    assert_eq!(told(&healthy()), "");
    assert!(healthy().complete() && healthy().undeclared().is_empty());
}

#[test]
fn who_does_not_answer_counts_as_unhealthy() {
    insta::assert_snapshot!(told(&troubled()), @"
    cluster Refusal etcd-quorum: 1 of 3 etcd members are known to be healthy
    cluster Warning control-planes: cp2, cp3 did not say that they belong to the cluster
    cp2 Refusal agent-answers: connect: no route to host (tried for 5.0 s at 10.0.0.12:7470)
    cp2 Refusal membership: 2 of 3 others see it down, cp1 since 2026-11-22T17:19:18Z
    w1 Refusal swap-off: 2048 MiB of swap on /dev/sda2
    w1 Warning clock: 0.7 s behind the median of 3 peers
    ");
    assert!(!troubled().complete());
    let mut two_away = troubled();
    two_away.nodes[0].status = silent("connection refused");
    assert_eq!(readiness(&two_away, &two_away.nodes[0]), Readiness::Unknown);
    insta::assert_snapshot!(told(&two_away), @"
    cluster Warning first-boot: who was heard has neither granted nor joined; not heard: cp1, cp2
    cp1 Refusal agent-answers: connection refused (tried for 5.0 s at 10.0.0.11:7470)
    cp2 Refusal agent-answers: connect: no route to host (tried for 5.0 s at 10.0.0.12:7470)
    cp2 Refusal membership: 2 of 3 others see it down, cp1 since 2026-11-22T17:19:18Z
    w1 Refusal swap-off: 2048 MiB of swap on /dev/sda2
    w1 Warning clock: 0.7 s behind the median of 3 peers
    ");
}

#[test]
fn a_component_that_could_not_be_asked_is_not_healthy() {
    let mut observed = healthy();
    status(&mut observed, 0).health.etcd = ComponentHealth::Unknown;
    status(&mut observed, 3).health.kubelet = ComponentHealth::Absent;
    assert_eq!(
        readiness(&observed, &observed.nodes[0]),
        Readiness::No(vec!["etcd"])
    );
    assert_eq!(
        readiness(&observed, &observed.nodes[3]),
        Readiness::No(vec!["kubelet"])
    );
    assert_eq!(readiness(&observed, &observed.nodes[1]), Readiness::Yes);
}

#[test]
fn a_node_whose_components_answer_and_whose_node_is_not_ready_is_not_ready() {
    let mut observed = healthy();
    status(&mut observed, 1).findings.push(Finding {
        check: "node-ready".to_owned(),
        severity: Severity::Refusal,
        observed: "NotReady: PLEG is not healthy".to_owned(),
        wanted: "the Node cp2 Ready".to_owned(),
        remedy: "see kubectl describe node cp2".to_owned(),
        mendable: false,
    });
    assert_eq!(
        readiness(&observed, &observed.nodes[1]),
        Readiness::No(vec!["node"])
    );
    // Said once.
    let about = concerns(&observed);
    assert_eq!(about.len(), 1);
    assert_eq!(about[0].finding.check, "node-ready");
}

#[test]
fn the_first_boot_names_whom_it_waits_for() {
    insta::assert_snapshot!(told(&booting()), @"
    cluster Warning first-boot: waits for cp3
    cp1 Warning components: kubelet, api-server, etcd not known to be healthy
    cp2 Warning components: kubelet, api-server, etcd not known to be healthy
    cp3 Refusal agent-answers: deadline of 5 s passed (tried for 5.0 s at 10.0.0.13:7470)
    w1 Warning components: kubelet not known to be healthy
    ");
    let FirstBoot::UnderWay {
        candidate,
        granted,
        missing,
        initialising,
        ..
    } = first_boot(&booting())
    else {
        panic!("{:?}", first_boot(&booting()));
    };
    assert_eq!(
        (candidate.as_str(), granted.len(), initialising),
        ("cp1", 2, false)
    );
    assert_eq!(
        missing.iter().map(NodeName::as_str).collect::<Vec<_>>(),
        ["cp3"]
    );
}

#[test]
fn the_highest_epoch_of_grants_counts() {
    let mut observed = booting();
    let mut newer = grant(&observed.spec);
    newer.epoch = 1;
    newer.candidate = observed.spec.control_planes[1].name.clone();
    status(&mut observed, 1).standing = Some(Standing::Initialising(newer));
    let FirstBoot::UnderWay {
        candidate,
        epoch,
        granted,
        initialising,
        ..
    } = first_boot(&observed)
    else {
        panic!("{:?}", first_boot(&observed));
    };
    assert_eq!(
        (candidate.as_str(), epoch, granted.len(), initialising),
        ("cp2", 1, 1, true)
    );
}

#[test]
fn control_planes_of_two_clusters_are_an_alarm() {
    let mut observed = healthy();
    let other = ClusterIdentity {
        ca_fingerprint: "sha256:00".to_owned(),
        etcd_cluster_id: None,
        beside: Vec::new(),
    };
    // A CA that is replaced: who is ahead believes the known one still.
    let ahead = ClusterIdentity {
        beside: vec![identity().ca_fingerprint],
        etcd_cluster_id: identity().etcd_cluster_id,
        ..other.clone()
    };
    status(&mut observed, 2).standing = Some(Standing::Member(ahead));
    assert!(matches!(first_boot(&observed), FirstBoot::Cluster { .. }));
    status(&mut observed, 2).standing = Some(Standing::Member(other));
    assert!(
        matches!(first_boot(&observed), FirstBoot::Divided { clusters } if clusters.len() == 2)
    );
    let concerns = concerns(&observed);
    assert_eq!(
        (
            concerns[0].finding.check.as_str(),
            concerns[0].finding.severity
        ),
        ("one-cluster", Severity::Refusal)
    );
}

#[test]
fn bundles_of_another_cluster_or_spec_are_told() {
    let mut observed = healthy();
    status(&mut observed, 0).cluster = ClusterId::from_bytes([9; 16]);
    status(&mut observed, 1).generation = 2;
    let mut other = observed.spec.clone();
    other.kubernetes.version = "v1.35.0".parse().unwrap();
    status(&mut observed, 2).spec = other.bootstrap_hash();
    status(&mut observed, 3).versions.kubelet = Some(other.kubernetes.version);
    insta::assert_snapshot!(told(&observed), @"
    cp1 Refusal cluster-id: it holds a bundle of cluster 09090909090909090909090909090909
    cp2 Warning same-spec: its bundle is of generation 2
    cp3 Refusal same-spec: it holds spec 02654dc6100e (generation 3)
    w1 Warning kubelet-version: v1.35.0
    ");
}

#[test]
fn a_certificate_that_ends_soon_is_told_and_one_that_ended_refuses() {
    let mut observed = healthy();
    status(&mut observed, 0).health.certificate_expiry = Some(ago(-86_400 * 31));
    status(&mut observed, 1).health.certificate_expiry = Some(ago(-86_400 * 29));
    status(&mut observed, 2).health.certificate_expiry = Some(ago(7_200));
    let severities: Vec<_> = concerns(&observed)
        .iter()
        .map(|concern| concern.finding.severity)
        .collect();
    assert_eq!(severities, [Severity::Warning, Severity::Refusal]);
}

#[test]
fn the_worst_view_wins_and_of_equals_the_longest_held() {
    let mut observed = troubled();
    if let Answer::Said(views) = &mut observed.nodes[0].members {
        views[1].since = ago(50);
    }
    let opinions = opinions(&observed, &observed.nodes[1].name);
    let states: Vec<_> = opinions.iter().map(|opinion| opinion.state).collect();
    assert_eq!(
        states,
        [MemberState::Down, MemberState::Down, MemberState::Suspect]
    );
    assert_eq!(worst(&opinions).unwrap().observer.as_str(), "cp1");
    assert_eq!(worst(&[]), None);
}

#[test]
fn workers_that_enrolled_are_found_in_views() {
    let mut observed = healthy();
    observed.nodes.remove(3);
    let found = observed.undeclared();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].0.as_str(), found[0].3.to_string().as_str()),
        ("w1", "10.0.0.21:7470")
    );
}

#[test]
fn a_cluster_without_an_api_server_and_what_lies_or_failed_on_a_node_is_told() {
    let mut observed = healthy();
    for at in 0..3 {
        status(&mut observed, at).health.api_server = ComponentHealth::Unhealthy;
    }
    assert!(
        told(&observed)
            .starts_with("cluster Refusal api-server: no API server is known to be healthy")
    );
    let mut observed = healthy();
    status(&mut observed, 1).standing = Some(Standing::Foreign {
        evidence: vec!["/var/lib/etcd/member".to_owned()],
    });
    assert!(told(&observed).contains(
        "cp2 Refusal foreign-data: data of an unknown cluster lies on it: /var/lib/etcd/member"
    ));
    let mut observed = healthy();
    let mut failed = troubled();
    let mut operation = status(&mut failed, 2).operation.clone().unwrap();
    operation.outcome = Some(Outcome::Failed {
        step: "kubeadm-join".to_owned(),
        error: "it exited with 1".to_owned(),
        done: Vec::new(),
        remedy: "see its output".to_owned(),
    });
    status(&mut observed, 2).operation = Some(operation);
    assert_eq!(
        told(&observed),
        "cp3 Refusal last-operation: join-control-plane failed at kubeadm-join: it exited with 1"
    );
}

#[test]
fn a_zone_is_told_of_by_those_who_do_not_reach_it() {
    let mut observed = healthy();
    assert_eq!(zone_opinions(&observed), []);
    for at in [0, 3] {
        if let Answer::Said(views) = &mut observed.nodes[at].members {
            views[2].zone_condition = ZoneCondition::Silent;
        }
    }
    let opinions = zone_opinions(&observed);
    assert_eq!(opinions.len(), 1);
    assert_eq!(
        (opinions[0].zone.as_str(), opinions[0].condition),
        ("c", ZoneCondition::Silent)
    );
    let observers: Vec<_> = opinions[0].observers.iter().map(NodeName::as_str).collect();
    assert_eq!(observers, ["cp1", "w1"]);
}
