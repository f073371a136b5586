//! The plan's table: fresh, begun, through, and every reason against.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::Timestamp;
use hactl_proto::certificate::{CertificateInventory, CertificateSeen, KeySeen, Renewal};
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::instruction::{Fence, Instruction, OperationId, Order};
use hactl_proto::rollout::RolloutOrder;

use super::super::{NodeContext, plan};
use crate::certificate::renewal::{PROGRESS_VERSION, RenewalProgress};
use crate::example;
use crate::facts::{Facts, Known};

fn name() -> OperationId {
    OperationId::new("renewal-1").unwrap()
}

fn instruction(without_api: bool) -> Instruction {
    Instruction {
        id: name(),
        generation: 1,
        fence: (!without_api).then_some(Fence(4)),
        order: Order::Rollout(RolloutOrder::RenewCertificates {
            renewal: name(),
            without_api,
        }),
    }
}

fn inventory(renewal: Renewal, findings: &[&str]) -> CertificateInventory {
    let at = Timestamp::UNIX_EPOCH;
    CertificateInventory {
        node: example::context("cp1").node,
        at,
        certificates: vec![CertificateSeen {
            name: "apiserver".to_owned(),
            file: String::new(),
            authority: false,
            subject: String::new(),
            issuer: String::new(),
            sans: Vec::new(),
            not_before: at,
            not_after: at,
            serial: "1".to_owned(),
            sha256: String::new(),
            signed_by: None,
            key: KeySeen::Belongs,
            renewal,
        }],
        served: Vec::new(),
        findings: findings
            .iter()
            .map(|check| Finding {
                check: (*check).to_owned(),
                severity: Severity::Refusal,
                observed: "/etc/kubernetes/pki/apiserver.crt".to_owned(),
                wanted: String::new(),
                remedy: String::new(),
                mendable: false,
            })
            .collect(),
    }
}

fn facts(node: &NodeContext) -> Facts {
    let mut facts = super::super::upgrade::tests::before(node);
    facts.rollout.renewal = Known::Is(None);
    facts.rollout.certificates = Known::Is(inventory(Renewal::Kubeadm, &[]));
    if let Known::Is(Some(lease)) = &mut facts.rollout.lease {
        lease.number = 4;
    }
    facts
}

/// An inventory with something that kubeadm renews, and nothing against it.
pub(in crate::plan) fn renewable() -> Known<CertificateInventory> {
    Known::Is(inventory(Renewal::Kubeadm, &[]))
}

/// The steps' names, or the checks of the reasons against.
fn planned(node: &str, without_api: bool, facts: &Facts) -> Vec<String> {
    match plan(&instruction(without_api), &example::context(node), facts) {
        Ok(plan) => plan
            .steps
            .iter()
            .map(|step| step.name().to_owned())
            .collect(),
        Err(refusal) => refusal
            .findings
            .into_iter()
            .map(|finding| format!("no: {}", finding.check))
            .collect(),
    }
}

fn begun(renewed: bool, restarted: &[&str], finished: bool) -> Known<Option<RenewalProgress>> {
    Known::Is(Some(RenewalProgress {
        version: PROGRESS_VERSION,
        renewal: name(),
        before: BTreeMap::new(),
        renewed,
        restarted: restarted
            .iter()
            .map(|pod| (*pod).to_owned())
            .collect::<BTreeSet<_>>(),
        finished,
    }))
}

const REST: [&str; 3] = ["verify-served", "await-control-plane", "record-renewed"];

#[test]
fn each_static_pod_is_begun_anew_alone_and_a_leader_of_etcd_lets_go_first() {
    let node = example::context("cp1");
    let mut all = vec![
        "keep-certificates",
        "kubeadm-certs-renew",
        "move-etcd-leader",
        "restart-etcd",
        "restart-api-server",
        "restart-controller-manager",
        "restart-scheduler",
    ];
    all.extend(REST);
    assert_eq!(planned("cp1", false, &facts(&node)), all);
    let follower = example::context("cp2");
    all.retain(|step| *step != "move-etcd-leader");
    assert_eq!(planned("cp2", false, &facts(&follower)), all);
}

#[test]
fn what_was_begun_goes_on_whatever_the_lease_says_and_what_has_ended_is_nothing() {
    let node = example::context("cp2");
    let mut facts = facts(&node);
    facts.rollout.lease = Known::Is(None);
    facts.rollout.renewal = begun(true, &["etcd"], false);
    let mut rest = vec![
        "restart-api-server",
        "restart-controller-manager",
        "restart-scheduler",
    ];
    rest.extend(REST);
    assert_eq!(planned("cp2", false, &facts), rest);
    facts.rollout.renewal = begun(true, &[], true);
    assert!(planned("cp2", false, &facts).is_empty());
    facts.rollout.renewal = Known::Unknown("torn".to_owned());
    assert_eq!(planned("cp2", false, &facts), ["no: renewal-record"]);
}

#[test]
fn every_reason_against_is_told_at_once() {
    let node = example::context("cp2");
    let mut facts = facts(&node);
    facts.rollout.lease = Known::Is(None);
    facts.rollout.certificates = Known::Is(inventory(
        Renewal::External,
        &[
            "certificate-readable",
            "certificate-present",
            "certificate-valid",
            "certificate-served",
        ],
    ));
    facts.kubernetes.etcd = Known::Unknown("connection refused".to_owned());
    facts.kubernetes.running = Known::Is(Some("hactl-x-kubeadm-upgrade".to_owned()));
    facts.rollout.progress = Known::Unknown("torn".to_owned());
    assert_eq!(
        planned("cp2", false, &facts),
        [
            "no: lease-in-force",
            "no: etcd-quorum",
            "no: certificate-readable",
            "no: certificate-present",
            "no: certificate-external",
            "no: upgrade-unfinished",
            "no: kubeadm-running",
        ]
    );
    assert!(
        planned("w1", false, &facts)
            .iter()
            .any(|one| one.contains("role"))
    );
}

#[test]
fn without_an_api_there_is_no_lease_to_ask_and_no_quorum_to_keep() {
    let node = example::context("cp1");
    let mut facts = facts(&node);
    facts.rollout.lease = Known::Unknown("connection refused".to_owned());
    facts.kubernetes.etcd = Known::Unknown("certificate has expired".to_owned());
    let steps = planned("cp1", true, &facts);
    assert_eq!(steps.first().map(String::as_str), Some("keep-certificates"));
    assert!(
        !steps
            .iter()
            .any(|step| step == "move-etcd-leader" || step == "await-control-plane")
    );
    facts.kubernetes.etcd = super::super::upgrade::tests::before(&node).kubernetes.etcd;
    assert_eq!(planned("cp1", true, &facts), ["no: api-server-serves"]);
    facts.kubernetes.api_server.ready = Known::Is(true);
    facts.kubernetes.api_server.live = Known::Is(true);
    assert_eq!(planned("cp1", true, &facts), ["no: api-server-serves"]);
}

#[test]
fn an_upgrade_that_was_begun_stands_against_it_and_one_that_is_through_does_not() {
    let node = example::context("cp2");
    let mut facts = facts(&node);
    for (finished, reasons) in [(false, vec!["no: upgrade-unfinished"]), (true, Vec::new())] {
        facts.rollout.progress = Known::Is(Some(crate::rollout::progress::Progress {
            version: crate::rollout::progress::PROGRESS_VERSION,
            target: hactl_proto::version::KubernetesVersion::new(1, 36, 3),
            part: hactl_proto::rollout::UpgradePart::Whole,
            from: hactl_proto::status::InstalledVersions::default(),
            kubeadm_done: true,
            finished,
        }));
        let against = planned("cp2", false, &facts);
        let against = against.iter().filter(|one| one.starts_with("no: "));
        assert_eq!(against.collect::<Vec<_>>(), reasons);
    }
}

#[test]
fn it_is_told_whether_somebody_elsewhere_renews_or_nobody() {
    let told = |renewal| {
        let findings = super::unfit(&inventory(renewal, &[]));
        findings
            .into_iter()
            .map(|one| one.observed)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(Renewal::External),
        ["the CAs' keys are not on this node: they are external"]
    );
    assert_eq!(
        told(Renewal::Kubelet),
        ["kubeadm renews nothing on this node"]
    );
    assert!(told(Renewal::Kubeadm).is_empty());
}
