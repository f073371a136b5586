//! The plan's table: each stage fresh, begun and through, and every reason against.

use std::collections::BTreeSet;

use hactl_proto::Timestamp;
use hactl_proto::certificate::CertificateInventory;
use hactl_proto::instruction::{Fence, Instruction, Order};
use hactl_proto::rollout::RolloutOrder;

use super::super::plan;
use super::*;
use crate::certificate::renewal::PROGRESS_VERSION;
use crate::example;

const FILE: &str = "/etc/kubernetes/pki/etcd/ca.crt";
const PODS: [&str; 2] = ["etcd", "kube-apiserver"];

fn ca(letter: &str) -> Fingerprint {
    Fingerprint::new(&letter.repeat(64)).unwrap()
}

fn cas(letters: &[&str]) -> BTreeSet<Fingerprint> {
    letters.iter().map(|letter| ca(letter)).collect()
}

fn order(stage: Stage) -> RotationOrder {
    RotationOrder {
        authority: Authority::Etcd,
        stage,
        to: ca("b"),
    }
}

/// Both pairs lie there; the file and all processes hold these, everything presented is of that one.
fn seen(believes: &[&str], presents: &str) -> TrustSeen {
    let all = PODS.into_iter().chain([FILE]);
    TrustSeen {
        node: example::context("cp1").node,
        at: Timestamp::UNIX_EPOCH,
        authority: Authority::Etcd,
        signer: Some(ca(presents)),
        holds: cas(&["a", "b"]),
        believes: all.map(|one| (one.to_owned(), cas(believes))).collect(),
        pending: BTreeSet::new(),
        presents: [("etcd-server".to_owned(), ca(presents))].into(),
        authorities: [].into(),
        pods: None,
        complaint: None,
    }
}

fn facts(seen: TrustSeen) -> Facts {
    let mut facts = super::super::upgrade::tests::before(&example::context("cp1"));
    facts.rollout.renewal = Known::Is(None);
    facts.rollout.trust = Known::Is(seen);
    facts.rollout.certificates = Known::Is(CertificateInventory {
        node: example::context("cp1").node,
        at: Timestamp::UNIX_EPOCH,
        certificates: Vec::new(),
        served: Vec::new(),
        findings: Vec::new(),
    });
    if let Known::Is(Some(lease)) = &mut facts.rollout.lease {
        lease.number = 4;
    }
    facts
}

/// The steps' names, or the checks of the reasons against.
fn planned(stage: Stage, facts: &Facts) -> Vec<String> {
    let instruction = Instruction {
        id: OperationId::new("rotation-1").unwrap(),
        generation: 1,
        fence: Some(Fence(4)),
        order: Order::Rollout(RolloutOrder::RotateAuthority(order(stage))),
    };
    match plan(&instruction, &example::context("cp1"), facts) {
        Ok(plan) => plan
            .steps
            .iter()
            .map(|step| step.name().to_owned())
            .collect(),
        Err(refusal) => refusal
            .findings
            .into_iter()
            .map(|finding| finding.check)
            .collect(),
    }
}

#[test]
fn trust_writes_the_file_and_restarts_all_that_read_it() {
    let steps = planned(Stage::Trust, &facts(seen(&["a"], "a")));
    let restarts: Vec<&str> = steps.iter().map(String::as_str).collect();
    assert_eq!(restarts[0], "trust-successor");
    let tail = ["restart-etcd", "restart-api-server", "await-control-plane"];
    assert_eq!(restarts[restarts.len() - 3..], tail);
    assert!(planned(Stage::Trust, &facts(seen(&["a", "b"], "a"))).is_empty());
}

#[test]
fn what_was_marked_begins_anew_though_no_lease_is_left() {
    let mut begun = seen(&["a", "b"], "a");
    begun.pending.insert("kube-apiserver".to_owned());
    let mut facts = facts(begun);
    facts.rollout.lease = Known::Unknown("the API does not answer".to_owned());
    let wanted = ["restart-api-server", "await-control-plane"];
    assert_eq!(planned(Stage::Trust, &facts), wanted);
}

#[test]
fn reissue_switches_the_signer_before_it_keeps_and_renews() {
    let mut facts = facts(seen(&["a", "b"], "a"));
    assert_eq!(
        planned(Stage::Reissue, &facts),
        ["certificate-external"],
        "nothing there that kubeadm renews"
    );
    facts.rollout.renewal = Known::Is(Some(RenewalProgress {
        version: PROGRESS_VERSION,
        renewal: renewal(&order(Stage::Reissue)).unwrap(),
        before: [].into(),
        renewed: false,
        restarted: ["etcd".to_owned()].into(),
        finished: false,
    }));
    assert_eq!(
        planned(Stage::Reissue, &facts),
        [
            "sign-with-successor",
            "kubeadm-certs-renew",
            "restart-api-server",
            "restart-controller-manager",
            "restart-scheduler",
            "verify-served",
            "await-control-plane",
            "record-renewed",
        ]
    );
    facts.rollout.trust = Known::Is(seen(&["a", "b"], "b"));
    assert!(planned(Stage::Reissue, &facts).is_empty());
}

#[test]
fn reissue_is_refused_where_somebody_does_not_believe_the_successor() {
    let checks = planned(Stage::Reissue, &facts(seen(&["a"], "a")));
    assert_eq!(
        checks
            .iter()
            .filter(|one| *one == "rotation-believed")
            .count(),
        3
    );
}

#[test]
fn distrust_is_refused_while_anything_of_the_old_one_is_presented() {
    assert_eq!(
        planned(Stage::Distrust, &facts(seen(&["a", "b"], "a"))),
        ["rotation-presented"]
    );
    let steps = planned(Stage::Distrust, &facts(seen(&["a", "b"], "b")));
    assert_eq!(steps[0], "trust-successor-alone");
    assert_eq!(steps[steps.len() - 1], "forget-other-authorities");
    let mut through = seen(&["b"], "b");
    through.holds = cas(&["b"]);
    assert!(planned(Stage::Distrust, &facts(through)).is_empty());
}

#[test]
fn every_reason_against_is_told_at_once() {
    let mut bad = seen(&["a"], "a");
    bad.holds = cas(&["a"]);
    bad.complaint = Some("etcd/peer.crt: its block 1 is cut off or damaged".to_owned());
    let mut facts = facts(bad);
    facts.rollout.lease = Known::Is(None);
    facts.kubernetes.running = Known::Is(Some("hactl-x-kubeadm-y".to_owned()));
    let checks = planned(Stage::Trust, &facts);
    for check in [
        "lease-in-force",
        "rotation-known",
        "rotation-pair",
        "kubeadm-running",
    ] {
        assert!(checks.iter().any(|one| one == check), "{check}: {checks:?}");
    }
    facts.rollout.trust = Known::Unknown("read: denied".to_owned());
    assert_eq!(planned(Stage::Trust, &facts), ["rotation-known"]);
}

/// The CA of Kubernetes itself on that node: the file, kubeconfigs and processes hold these, all is signed by that one.
fn clusters(node: &str, believes: &[&str], presents: &str) -> TrustSeen {
    let place = place(Authority::Kubernetes, &example::context(node)).unwrap();
    let leaves = place.leaves.iter();
    let processes = place.readers.iter().map(|one| one.name());
    let confs = leaves
        .clone()
        .filter(|leaf| leaf.kubeconfig())
        .map(|leaf| leaf.name);
    let control_plane = node.starts_with('c');
    TrustSeen {
        node: example::context(node).node,
        authority: Authority::Kubernetes,
        holds: if control_plane {
            cas(&["a", "b"])
        } else {
            BTreeSet::new()
        },
        believes: processes
            .chain(confs)
            .chain([place.bundle])
            .map(|one| (one.to_owned(), cas(believes)))
            .collect(),
        presents: leaves
            .map(|leaf| (leaf.name.to_owned(), ca(presents)))
            .collect(),
        ..seen(believes, presents)
    }
}

fn of_cluster(node: &str, stage: Stage, facts: &Facts) -> Vec<String> {
    let instruction = Instruction {
        id: OperationId::new("rotation-1").unwrap(),
        generation: 1,
        fence: Some(Fence(4)),
        order: Order::Rollout(RolloutOrder::RotateAuthority(RotationOrder {
            authority: Authority::Kubernetes,
            ..order(stage)
        })),
    };
    match plan(&instruction, &example::context(node), facts) {
        Ok(plan) => plan
            .steps
            .iter()
            .map(|step| step.name().to_owned())
            .collect(),
        Err(refusal) => refusal
            .findings
            .into_iter()
            .map(|finding| finding.check)
            .collect(),
    }
}

#[test]
fn a_control_plane_believes_the_clusters_successor_pods_first_and_its_load_balancer_last() {
    assert_eq!(
        of_cluster("cp1", Stage::Trust, &facts(clusters("cp1", &["a"], "a"))),
        [
            "trust-successor",
            "publish-cluster-info",
            "restart-api-server",
            "restart-controller-manager",
            "restart-scheduler",
            "await-control-plane",
            "restart-kubelet",
            "reload-haproxy",
            "republish-client-ca",
        ]
    );
    // A renewal in between gave one kubeconfig the first CA alone.
    let mut shrunk = clusters("cp1", &["a", "b"], "a");
    shrunk
        .believes
        .insert("scheduler.conf".to_owned(), cas(&["a"]));
    assert_eq!(
        of_cluster("cp1", Stage::Trust, &facts(shrunk))[0],
        "trust-successor"
    );
}

#[test]
fn a_worker_has_its_kubelet_alone() {
    let mut worker = facts(clusters("w1", &["a"], "a"));
    worker.rollout.lease = Known::Unknown("a worker reads none".to_owned());
    worker.rollout.kubelet_pair = Known::Is(false);
    assert_eq!(
        of_cluster("w1", Stage::Trust, &worker),
        ["trust-successor", "restart-kubelet"]
    );
    worker.rollout.trust = Known::Is(clusters("w1", &["a", "b"], "a"));
    assert_eq!(
        of_cluster("w1", Stage::Reissue, &worker),
        ["rotation-kubelet"]
    );
    worker.rollout.kubelet_pair = Known::Is(true);
    assert_eq!(
        of_cluster("w1", Stage::Reissue, &worker),
        ["install-kubelet-certificate", "sign-with-successor"]
    );
    worker.rollout.trust = Known::Is(clusters("w1", &["a", "b"], "b"));
    assert!(of_cluster("w1", Stage::Reissue, &worker).is_empty());
    assert_eq!(
        of_cluster("w1", Stage::Distrust, &worker),
        [
            "trust-successor-alone",
            "restart-kubelet",
            "forget-other-authorities"
        ]
    );
}

#[test]
fn pods_are_through_where_none_is_older_than_what_it_was_given() {
    use hactl_proto::rotation::PodsSeen;
    let mut one = clusters("cp1", &["a", "b"], "a");
    let steps = |one: &TrustSeen| of_cluster("cp1", Stage::Pods, &facts(one.clone()));
    one.pods = Some(PodsSeen {
        given: cas(&["a", "b"]),
        older: ["deployment/shop/web".to_owned()].into(),
        ..PodsSeen::default()
    });
    assert_eq!(steps(&one), ["restart-pods"]);
    one.pods = Some(PodsSeen {
        given: cas(&["a"]),
        ..PodsSeen::default()
    });
    assert_eq!(steps(&one), ["restart-pods"]);
    one.pods = Some(PodsSeen {
        given: cas(&["a", "b"]),
        ..PodsSeen::default()
    });
    assert!(steps(&one).is_empty());
}

#[test]
fn etcds_leader_lets_go_before_it_begins_anew() {
    let mut leading = facts(seen(&["a"], "a"));
    let steps = planned(Stage::Trust, &leading);
    let at = |name: &str| steps.iter().position(|step| step == name);
    assert_eq!(at("move-etcd-leader").map(|at| at + 1), at("restart-etcd"));
    leading.rollout.leader = Known::Is(Some(crate::etcd::MemberId(2)));
    let steps = planned(Stage::Trust, &leading);
    assert!(!steps.iter().any(|step| step == "move-etcd-leader"));
}

#[test]
fn what_a_control_plane_believes_alone_is_published_too() {
    let believed = clusters("cp1", &["a", "b"], "b");
    let steps = of_cluster("cp1", Stage::Distrust, &facts(believed));
    assert_eq!(
        steps[..2],
        ["trust-successor-alone", "publish-cluster-info"]
    );
}

#[test]
fn a_reissue_that_lacks_the_kubelets_pair_alone_renews_nothing_else() {
    let mut one = clusters("cp1", &["a", "b"], "b");
    one.presents.insert("kubelet-client".to_owned(), ca("a"));
    let mut facts = facts(one.clone());
    facts.rollout.kubelet_pair = Known::Is(true);
    facts.rollout.certificates = super::super::renew::tests::renewable();
    let install = ["install-kubelet-certificate", "sign-with-successor"];
    assert_eq!(of_cluster("cp1", Stage::Reissue, &facts), install);
    one.presents.insert("apiserver".to_owned(), ca("a"));
    facts.rollout.trust = Known::Is(one);
    let steps = of_cluster("cp1", Stage::Reissue, &facts);
    assert_eq!(steps[..2], install);
    assert_eq!(steps[2..4], ["keep-certificates", "kubeadm-certs-renew"]);
}

#[test]
fn a_quorum_to_lose_an_upgrade_that_was_begun_and_a_worker_stand_against_it() {
    use crate::etcd::MemberId;
    use crate::rollout::progress;
    let mut facts = facts(seen(&["a"], "a"));
    if let Known::Is(Some(view)) = &mut facts.kubernetes.etcd {
        view.health.remove(&MemberId(3));
    }
    facts.rollout.progress = Known::Is(Some(progress::Progress {
        version: progress::PROGRESS_VERSION,
        target: hactl_proto::version::KubernetesVersion::new(1, 36, 3),
        part: hactl_proto::rollout::UpgradePart::Whole,
        from: hactl_proto::status::InstalledVersions::default(),
        kubeadm_done: true,
        finished: false,
    }));
    assert_eq!(
        planned(Stage::Trust, &facts),
        ["etcd-quorum", "upgrade-unfinished"]
    );
    if let Known::Is(Some(progress)) = &mut facts.rollout.progress {
        progress.finished = true;
    }
    assert_eq!(planned(Stage::Trust, &facts), ["etcd-quorum"]);
    // With an etcd elsewhere there is none of this node's to count.
    let mut node = example::context("cp1");
    node.spec.etcd = hactl_proto::spec::EtcdTopology::External {
        endpoints: Vec::new(),
        ca_file: String::new(),
        cert_file: String::new(),
        key_file: String::new(),
    };
    let order = RotationOrder {
        authority: Authority::FrontProxy,
        ..order(Stage::Trust)
    };
    let of = |node: &NodeContext| {
        let Known::Is(seen) = &facts.rollout.trust else {
            panic!("it is known");
        };
        let instruction = Instruction {
            id: OperationId::new("rotation-1").unwrap(),
            generation: 1,
            fence: Some(Fence(4)),
            order: Order::Rollout(RolloutOrder::RotateAuthority(order.clone())),
        };
        let findings = against(&instruction, &order, node, &facts, seen);
        let checks = findings.into_iter().map(|finding| finding.check);
        checks.collect::<Vec<_>>()
    };
    assert!(of(&node).is_empty());
    assert_eq!(of(&example::context("cp1")), ["etcd-quorum"]);
    assert_eq!(of(&example::context("w1")), ["role"]);
}
