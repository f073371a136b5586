//! Facts of one node and an order become steps or reasons: the table.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::Timestamp;
use hactl_proto::instruction::{Fence, Instruction, OperationId, Order};
use hactl_proto::rollout::survey::{Staged, StagedEtcd};
use hactl_proto::rollout::{RolloutOrder, Upgrade, UpgradePart};
use hactl_proto::rotation::Authority;
use hactl_proto::status::InstalledVersions;
use hactl_proto::version::KubernetesVersion;

use crate::etcd::{EtcdMember, EtcdView, MemberHealth, MemberId, MemberList, peer_url};
use crate::example::context;
use crate::facts::endpoint::EndpointFacts;
use crate::facts::kubernetes::KubernetesFacts;
use crate::facts::machine::MachineFacts;
use crate::facts::rollout::RolloutFacts;
use crate::facts::{Facts, Known};
use crate::join::lease::Lease;
use crate::kubeadm::output::NodeObject;
use crate::plan::NodeContext;
use crate::plan::plan;
use crate::plan::restore::restore;
use crate::rollout::FENCE_ANNOTATION;
use crate::rollout::progress::{PROGRESS_VERSION, Progress};

const OLD: KubernetesVersion = KubernetesVersion::new(1, 36, 2);
const NEW: KubernetesVersion = KubernetesVersion::new(1, 36, 3);

fn order(part: UpgradePart, first: bool) -> Instruction {
    Instruction {
        id: OperationId::new("r1-f7-3-upgrade").unwrap(),
        generation: 1,
        fence: Some(Fence(7)),
        order: Order::Rollout(RolloutOrder::Upgrade(Upgrade {
            target: NEW,
            first,
            part,
            keep_etcd: part != UpgradePart::Etcd,
        })),
    }
}

fn member(node: &NodeContext, id: u64) -> EtcdMember {
    EtcdMember {
        id: MemberId(id),
        name: node.node.to_string(),
        peer_urls: vec![peer_url(node.address)],
        client_urls: vec![format!("https://{}:2379", node.address)],
        learner: false,
    }
}

/// A node of a healthy cluster at the old version, all that the new one wants brought to it, cordoned under the lease.
pub(in crate::plan) fn before(node: &NodeContext) -> Facts {
    let members: Vec<EtcdMember> = (1_u64..)
        .zip(["cp1", "cp2", "cp3"])
        .map(|(id, name)| member(&context(name), id))
        .collect();
    let own = members.iter().find(|one| one.is_at(node.address)).cloned();
    let health = members.iter().map(|one| (one.id, MemberHealth::Healthy));
    let mut machine = MachineFacts::default();
    for fact in [
        &mut machine.packages.kubeadm,
        &mut machine.packages.kubelet,
        &mut machine.packages.kubectl,
    ] {
        *fact = Known::Is(Some(OLD));
    }
    Facts {
        at: Timestamp::UNIX_EPOCH,
        machine,
        endpoint: EndpointFacts::default(),
        kubernetes: KubernetesFacts {
            running: Known::Is(None),
            etcd: Known::Is(Some(EtcdView {
                health: health.collect(),
                list: MemberList {
                    cluster: MemberId(9),
                    answered: MemberId(1),
                    members,
                },
                alarms: Known::Is(Vec::new()),
            })),
            member: own,
            ..KubernetesFacts::default()
        },
        rollout: RolloutFacts {
            staged: Known::Is(Some(Staged {
                target: NEW,
                etcd: StagedEtcd::Tag("3.6.11-0".to_owned()),
            })),
            manifests: pods(&OLD),
            running: running(&OLD),
            progress: Known::Is(None),
            cluster_version: Known::Is(Some(OLD)),
            leader: Known::Is(Some(MemberId(1))),
            lease: Known::Is(Some(Lease {
                holder: "rollout/ann".to_owned(),
                acquired: None,
                renewed: Some(Timestamp::UNIX_EPOCH),
                duration: 20,
                number: 7,
                resource_version: "1".to_owned(),
            })),
            node: Known::Is(Some(NodeObject {
                ready: true,
                kubelet: Some(OLD),
                annotations: BTreeMap::from([(FENCE_ANNOTATION.to_owned(), "7".to_owned())]),
                ..NodeObject::default()
            })),
            kubelet_changes: Known::Is(Vec::new()),
            rotating: Known::Is(BTreeSet::new()),
            ..RolloutFacts::default()
        },
    }
}

fn pods(version: &KubernetesVersion) -> Known<BTreeMap<String, String>> {
    let mut pods: BTreeMap<String, String> = super::VERSIONED
        .iter()
        .map(|pod| ((*pod).to_owned(), version.to_string()))
        .collect();
    pods.insert("etcd".to_owned(), "3.6.8-0".to_owned());
    Known::Is(pods)
}

fn running(version: &KubernetesVersion) -> Known<BTreeMap<String, BTreeSet<String>>> {
    let tags = BTreeSet::from([version.to_string()]);
    let pods = super::VERSIONED.iter();
    Known::Is(pods.map(|pod| ((*pod).to_owned(), tags.clone())).collect())
}

fn begun(facts: &mut Facts, kubeadm_done: bool, finished: bool) {
    facts.rollout.progress = Known::Is(Some(Progress {
        version: PROGRESS_VERSION,
        target: NEW,
        part: UpgradePart::Whole,
        from: InstalledVersions::default(),
        kubeadm_done,
        finished,
    }));
}

/// The steps' names, or the checks of the reasons against.
fn planned(node: &str, instruction: &Instruction, facts: &Facts) -> String {
    match plan(instruction, &context(node), facts) {
        Ok(plan) => plan
            .steps
            .iter()
            .map(crate::step::Step::name)
            .collect::<Vec<_>>()
            .join(" "),
        Err(refusal) => {
            let checks = refusal.findings.iter().map(|finding| {
                assert!(!finding.remedy.is_empty());
                finding.check.clone()
            });
            format!("refused: {}", checks.collect::<Vec<_>>().join(" "))
        }
    }
}

#[test]
fn each_kind_of_node_has_its_steps() {
    let whole = order(UpgradePart::Whole, true);
    assert_eq!(
        planned("cp1", &whole, &before(&context("cp1"))),
        "keep-aside install-kubeadm kubeadm-upgrade install-kubelet restart-kubelet await-control-plane \
         record-kubeadm await-upgraded-node await-static-pods record-upgraded"
    );
    // Only where etcd is stopped does its leader hand over.
    let etcd = order(UpgradePart::Etcd, true);
    assert_eq!(
        planned("cp1", &etcd, &before(&context("cp1"))),
        "keep-aside move-etcd-leader install-kubeadm kubeadm-upgrade await-control-plane record-kubeadm await-static-pods record-upgraded"
    );
    let other = order(UpgradePart::ControlPlane, false);
    assert_eq!(
        planned("cp2", &other, &before(&context("cp2"))),
        "keep-aside install-kubeadm kubeadm-upgrade await-control-plane record-kubeadm await-static-pods record-upgraded"
    );
    let kubelet = order(UpgradePart::Kubelet, false);
    assert_eq!(
        planned("cp2", &kubelet, &before(&context("cp2"))),
        "keep-aside install-kubelet restart-kubelet await-upgraded-node await-control-plane await-static-pods \
         record-upgraded"
    );
    // It starts the static pods anew, etcd's too.
    assert_eq!(
        planned("cp1", &kubelet, &before(&context("cp1"))),
        "keep-aside move-etcd-leader install-kubelet restart-kubelet await-upgraded-node await-control-plane \
         await-static-pods record-upgraded"
    );
    let worker = order(UpgradePart::Whole, false);
    assert_eq!(
        planned("w1", &worker, &before(&context("w1"))),
        "keep-aside install-kubeadm kubeadm-upgrade install-kubelet restart-kubelet record-kubeadm await-upgraded-node \
         record-upgraded"
    );
}

#[test]
fn what_was_begun_goes_on_where_it_was_and_what_is_done_is_left() {
    let node = context("cp2");
    let whole = order(UpgradePart::Whole, false);
    let mut facts = before(&node);
    begun(&mut facts, false, false);
    facts.machine.packages.kubeadm = Known::Is(Some(NEW));
    // Once begun, nothing that may be away because of it refuses: the way out is forward.
    facts.rollout.lease = Known::Unknown("the API server is away".to_owned());
    facts.kubernetes.etcd = Known::Unknown("connection refused".to_owned());
    facts.kubernetes.running = Known::Is(Some("hactl-r1-f7-3-upgrade-kubeadm-upgrade".to_owned()));
    assert_eq!(
        planned("cp2", &whole, &facts),
        "kubeadm-upgrade install-kubelet restart-kubelet await-control-plane record-kubeadm \
         await-upgraded-node await-static-pods record-upgraded"
    );
    facts.kubernetes.running = Known::Is(Some("hactl-other-kubeadm-join".to_owned()));
    assert_eq!(planned("cp2", &whole, &facts), "refused: kubeadm-running");
    facts.kubernetes.running = Known::Is(None);
    begun(&mut facts, true, false);
    assert_eq!(
        planned("cp2", &whole, &facts),
        "install-kubelet restart-kubelet await-upgraded-node await-static-pods record-upgraded"
    );
    facts.machine.packages.kubelet = Known::Is(Some(NEW));
    facts.machine.packages.kubectl = Known::Is(Some(NEW));
    facts.rollout.manifests = pods(&NEW);
    begun(&mut facts, true, true);
    assert_eq!(planned("cp2", &whole, &facts), "");
}

#[test]
fn every_reason_against_beginning_is_told_at_once() {
    let node = context("cp2");
    let mut facts = before(&node);
    facts.rollout.staged = Known::Is(None);
    facts.rollout.kubelet_changes = Known::Is(vec!["+ maxPods: 250".to_owned()]);
    facts.rollout.progress = Known::Unknown("torn".to_owned());
    facts.rollout.rotating = Known::Is([Authority::Etcd].into());
    facts.machine.packages.kubelet = Known::Is(Some(KubernetesVersion::new(1, 37, 0)));
    if let Known::Is(Some(lease)) = &mut facts.rollout.lease {
        lease.number = 8;
    }
    if let Known::Is(Some(view)) = &mut facts.kubernetes.etcd {
        view.health.remove(&MemberId(3));
    }
    assert_eq!(
        planned("cp2", &order(UpgradePart::Whole, false), &facts),
        "refused: version-path lease-in-force etcd-quorum staged kubelet-config-kept authority-rotating upgrade-progress"
    );
    let mut worker = before(&context("w1"));
    if let Known::Is(Some(found)) = &mut worker.rollout.node {
        found
            .annotations
            .insert(FENCE_ANNOTATION.to_owned(), "6".to_owned());
    }
    assert_eq!(
        planned("w1", &order(UpgradePart::Whole, false), &worker),
        "refused: lease-in-force"
    );
    assert_eq!(
        planned(
            "w1",
            &order(UpgradePart::Whole, false),
            &Facts {
                at: Timestamp::UNIX_EPOCH,
                machine: MachineFacts::default(),
                kubernetes: KubernetesFacts::default(),
                endpoint: EndpointFacts::default(),
                rollout: RolloutFacts::default(),
            }
        ),
        "refused: kubernetes-version lease-in-force kubeadm-running staged kubelet-config-kept authority-rotating upgrade-progress"
    );
}

#[test]
fn only_what_was_begun_is_put_back_and_a_control_plane_that_was_seen_well_stays() {
    let node = context("cp2");
    let whole = order(UpgradePart::Whole, false);
    let names = |facts: &Facts| {
        let steps = restore(&whole, &node, facts);
        steps
            .iter()
            .map(crate::step::Step::name)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut facts = before(&node);
    assert_eq!(names(&facts), "");
    begun(&mut facts, false, false);
    assert_eq!(
        names(&facts),
        "restore-files restore-packages restart-kubelet await-restored forget-upgrade"
    );
    begun(&mut facts, true, false);
    assert_eq!(
        names(&facts),
        "restore-packages restart-kubelet await-restored forget-upgrade"
    );
    begun(&mut facts, true, true);
    assert_eq!(names(&facts), "");
}

#[test]
fn manifests_alone_do_not_make_an_upgrade_done_until_it_was_seen() {
    let node = context("cp2");
    let part = order(UpgradePart::ControlPlane, false);
    let mut facts = before(&node);
    facts.machine.packages.kubeadm = Known::Is(Some(NEW));
    facts.rollout.manifests = pods(&NEW);
    // What runs is of before still.
    assert!(planned("cp2", &part, &facts).contains("await-static-pods"));
    facts.rollout.running = running(&NEW);
    assert_eq!(planned("cp2", &part, &facts), "");
}
