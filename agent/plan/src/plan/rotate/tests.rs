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
