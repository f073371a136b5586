//! The tables of init, join and clean: what lies on the node and what serves, to steps or reasons.

/// Orders that are not this node's, and a kubeadm that is another order's or another version.
mod refusals;
/// Plans with what the machine under Kubernetes has a say in.
mod whole;

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::instruction::{JoinCredentials, OperationId, Order};
use hactl_proto::secret::Secret;
use hactl_proto::spec::PodNetwork;
use proptest::prelude::*;

use super::super::clean::clean;
use super::super::init::init;
use super::super::join::{join_control_plane, join_worker};
use super::super::{NodeContext, Plan, Refusal};
use super::*;
use crate::etcd::guard::{EtcdMarker, MARKER_VERSION};
use crate::etcd::{EtcdMember, EtcdView, MemberHealth, MemberId, MemberList, peer_url};
use crate::example::{context, spec};
use crate::facts::kubernetes::{ApiServer, ClusterObjects, KubernetesFiles};
use crate::kubeadm::layout::STATIC_PODS;
use crate::kubeadm::output::NodeObject;
use crate::step::Step;
use hactl_proto::Timestamp;

fn credentials() -> JoinCredentials {
    JoinCredentials {
        api_server: "10.99.0.11:6443".to_owned(),
        token: Secret::new("abcdef.0123456789abcdef"),
        ca_cert_hash: "sha256:00".to_owned(),
        certificate_key: Some(Secret::new("00")),
        etcd_member_kept: false,
    }
}

fn instruction(order: Order) -> Instruction {
    Instruction {
        id: OperationId::new("op-1").unwrap(),
        generation: 1,
        fence: None,
        order,
    }
}

/// A machine that kubeadm has never run on.
fn fresh() -> KubernetesFacts {
    KubernetesFacts {
        kubeadm: Known::Is(spec().kubernetes.version),
        running: Known::Is(None),
        files: Known::Is(KubernetesFiles::default()),
        etcd: Known::Is(None),
        marker: Known::Is(None),
        guarded: Known::Is(false),
        ca_fingerprint: Known::Is(None),
        ..KubernetesFacts::default()
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What an init or join that died in the middle leaves: all files, nothing that serves.
fn half_done() -> KubernetesFacts {
    KubernetesFacts {
        files: Known::Is(KubernetesFiles {
            kubeconfigs: names(&["admin.conf", "kubelet.conf"]),
            manifests: names(&STATIC_PODS),
            pki: names(&["ca.crt", "ca.key", "etcd"]),
            etcd_data: true,
            kubelet_config: true,
        }),
        etcd: Known::Unknown("connection refused".to_owned()),
        guarded: Known::Is(true),
        ..fresh()
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

/// API server and etcd serve on this node.
fn serving(node: &NodeContext) -> KubernetesFacts {
    let ours = member(node, 1);
    KubernetesFacts {
        api_server: ApiServer {
            ready: Known::Is(true),
            live: Known::Is(true),
        },
        etcd: Known::Is(Some(EtcdView {
            list: MemberList {
                cluster: MemberId(9),
                answered: MemberId(1),
                members: vec![ours.clone()],
            },
            health: BTreeMap::from([(MemberId(1), MemberHealth::Healthy)]),
            alarms: Known::Is(Vec::new()),
        })),
        member: Some(ours),
        ..half_done()
    }
}

fn node_object(node: &NodeContext, marks: &[&str]) -> NodeObject {
    let mut labels = BTreeMap::from([(ZONE_LABEL.to_owned(), node.zone.to_string())]);
    labels.extend(marks.iter().map(|mark| ((*mark).to_owned(), String::new())));
    NodeObject {
        labels,
        ready: true,
        ..NodeObject::default()
    }
}

fn marker(node: &NodeContext) -> EtcdMarker {
    EtcdMarker {
        version: MARKER_VERSION,
        node: node.node.clone(),
        address: node.address,
        cluster: MemberId(9),
        member: MemberId(1),
        data_dir: "/var/lib/etcd".to_owned(),
        own_mount: false,
        machine_id: "m".to_owned(),
        written: Timestamp::UNIX_EPOCH,
    }
}

/// All that an init or a join of a control plane is to bring about.
fn done(node: &NodeContext) -> KubernetesFacts {
    let mut facts = serving(node);
    facts.node = Known::Is(Some(node_object(
        node,
        &["node-role.kubernetes.io/control-plane"],
    )));
    facts.marker = Known::Is(Some(marker(node)));
    facts.cluster = Known::Is(ClusterObjects {
        etcd_existing: true,
        ..ClusterObjects::default()
    });
    facts
}

fn told(plan: Result<Vec<KubernetesStep>, Refusal>) -> String {
    match plan {
        Ok(steps) => steps
            .iter()
            .map(KubernetesStep::name)
            .collect::<Vec<_>>()
            .join(" "),
        Err(refusal) => refusal
            .findings
            .iter()
            .map(|finding| format!("refused: {}: {}", finding.check, finding.observed))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

fn told_init(facts: &KubernetesFacts) -> String {
    told(init(&instruction(Order::Init), &context("cp1"), facts))
}

fn told_join(facts: &KubernetesFacts) -> String {
    let order = Order::JoinControlPlane(credentials());
    told(join_control_plane(
        &instruction(order),
        &context("cp2"),
        facts,
    ))
}

/// Of a node whose member voted and was well when it was admitted.
fn told_join_kept(facts: &KubernetesFacts) -> String {
    told(join_control_plane(
        &instruction(kept()),
        &context("cp2"),
        facts,
    ))
}

fn kept() -> Order {
    Order::JoinControlPlane(JoinCredentials {
        etcd_member_kept: true,
        ..credentials()
    })
}

fn told_worker(facts: &KubernetesFacts) -> String {
    let order = Order::JoinWorker(credentials());
    told(join_worker(&instruction(order), &context("w1"), facts))
}

fn told_clean(facts: &KubernetesFacts) -> String {
    told(clean(&instruction(Order::Clean), &context("cp2"), facts))
}

#[test]
fn init_on_a_fresh_machine() {
    insta::assert_snapshot!(told_init(&fresh()), @"install-etcd-guard write-kubeadm-config kubeadm-preflight kubeadm-init await-api-server await-etcd-member record-etcd-member remove-init-secrets keep-etcd-existing await-node remove-kubeadm-config");
}

#[test]
fn init_after_one_that_died_cleans_first() {
    insta::assert_snapshot!(told_init(&half_done()), @"kubeadm-reset write-kubeadm-config kubeadm-preflight kubeadm-init await-api-server await-etcd-member record-etcd-member remove-init-secrets keep-etcd-existing await-node remove-kubeadm-config");
}

#[test]
fn init_goes_on_where_api_server_and_etcd_serve() {
    let mut facts = serving(&context("cp1"));
    facts.cluster = Known::Is(ClusterObjects {
        missing: vec!["configmap/cluster-info".to_owned()],
        init_tokens: vec!["bootstrap-token-abcdef".to_owned()],
        ..ClusterObjects::default()
    });
    insta::assert_snapshot!(told_init(&facts), @"write-kubeadm-config finish-kubeadm-init record-etcd-member remove-init-secrets keep-etcd-existing await-node remove-kubeadm-config");
}

#[test]
fn init_whose_kubeadm_still_runs_goes_on_with_it() {
    let mut facts = half_done();
    facts.running = Known::Is(Some("hactl-op-1-kubeadm-init".to_owned()));
    insta::assert_snapshot!(told_init(&facts), @"kubeadm-init await-api-server await-etcd-member record-etcd-member remove-init-secrets keep-etcd-existing await-node remove-kubeadm-config");
    facts.running = Known::Is(Some("hactl-op-0-kubeadm-init".to_owned()));
    insta::assert_snapshot!(told_init(&facts), @"refused: kubeadm-running: kubeadm still runs in the unit hactl-op-0-kubeadm-init");
}

#[test]
fn init_never_where_a_member_was_complete_once() {
    let node = context("cp1");
    let mut facts = half_done();
    facts.marker = Known::Is(Some(marker(&node)));
    insta::assert_snapshot!(told_init(&facts), @"refused: etcd-member-complete: member 1 of etcd cluster 9 was complete here and does not vote now");
    facts.marker = Known::Unknown("truncated".to_owned());
    insta::assert_snapshot!(told_init(&facts), @"refused: etcd-member-complete: the marker of an etcd member is unknown: truncated");
}

#[test]
fn init_is_refused_with_every_reason_at_once() {
    let mut facts = fresh();
    facts.kubeadm = Known::Unknown("start kubeadm".to_owned());
    facts.files = Known::Unknown("input/output error".to_owned());
    let plan = init(&instruction(Order::Init), &context("w1"), &facts);
    insta::assert_snapshot!(told(plan), @r"
    refused: kubeadm-version: the installed kubeadm's version is unknown: start kubeadm
    refused: kubernetes-files: what kubeadm left here could not be read: input/output error
    refused: role: w1 is a worker
    ");
}

#[test]
fn what_a_running_init_has_made_so_far_is_not_taken_for_its_end() {
    let mut facts = done(&context("cp1"));
    facts.running = Known::Is(Some("hactl-op-1-kubeadm-init".to_owned()));
    insta::assert_snapshot!(told_init(&facts), @"kubeadm-init await-api-server await-etcd-member record-etcd-member remove-init-secrets keep-etcd-existing await-node remove-kubeadm-config");
}

#[test]
fn join_on_a_fresh_machine() {
    insta::assert_snapshot!(told_join(&fresh()), @"install-etcd-guard write-kubeadm-config kubeadm-preflight kubeadm-join await-api-server await-etcd-member record-etcd-member await-node remove-kubeadm-config");
    insta::assert_snapshot!(told_worker(&fresh()), @"write-kubeadm-config kubeadm-preflight kubeadm-join await-node remove-kubeadm-config");
}

#[test]
fn join_after_one_that_died_cleans_what_its_member_admitted_to_be_dead() {
    let mut facts = half_done();
    facts.marker = Known::Is(Some(marker(&context("cp2"))));
    insta::assert_snapshot!(told_join(&facts), @"kubeadm-reset write-kubeadm-config kubeadm-preflight kubeadm-join await-api-server await-etcd-member record-etcd-member await-node remove-kubeadm-config");
}

#[test]
fn join_whose_member_votes_goes_on_and_never_cleans() {
    let node = context("cp2");
    let mut facts = serving(&node);
    facts.node = Known::Is(Some(node_object(&node, &[])));
    insta::assert_snapshot!(told_join(&facts), @"write-kubeadm-config finish-kubeadm-join record-etcd-member remove-kubeadm-config");
    facts.api_server = ApiServer::default();
    insta::assert_snapshot!(told_join(&facts), @"write-kubeadm-config finish-kubeadm-join await-api-server await-etcd-member record-etcd-member remove-kubeadm-config");
}

#[test]
fn join_whose_member_was_kept_is_refused_while_etcd_says_nothing() {
    let node = context("cp2");
    let mut facts = serving(&node);
    assert_eq!(told_join_kept(&facts), told_join(&facts));
    // Another member's power went: no quorum, no answer. The vote is not given away for it.
    facts.etcd = Known::Unknown("etcdserver: request timed out".to_owned());
    facts.member = None;
    insta::assert_snapshot!(told_join_kept(&facts), @"refused: etcd-member-counted-on: this node's etcd does not answer: etcdserver: request timed out");
    assert!(told_join(&facts).starts_with("kubeadm-reset"));
}

#[test]
fn a_plan_says_whether_it_resets() {
    let plan = |steps: &[KubernetesStep]| Plan {
        steps: steps.iter().copied().map(Step::Kubernetes).collect(),
    };
    assert!(plan(&[KubernetesStep::AwaitNode, KubernetesStep::Reset]).resets());
    assert!(!plan(&[KubernetesStep::AwaitNode, KubernetesStep::Join]).resets());
}

#[test]
fn a_worker_that_is_registered_is_only_settled() {
    let node = context("w1");
    let mut facts = half_done();
    let mut object = node_object(&node, &[]);
    object.labels.clear();
    facts.node = Known::Is(Some(object));
    insta::assert_snapshot!(told_worker(&facts), @"label-zone remove-kubeadm-config");
    facts.node = Known::Unknown("no route to host".to_owned());
    insta::assert_snapshot!(told_worker(&facts), @"refused: node-registered: this node has a kubelet.conf, and whether it is registered is unknown: no route to host");
    facts.node = Known::Is(None);
    insta::assert_snapshot!(told_worker(&facts), @"kubeadm-reset write-kubeadm-config kubeadm-preflight kubeadm-join await-node remove-kubeadm-config");
}

#[test]
fn clean_wants_the_member_gone_first() {
    insta::assert_snapshot!(told_clean(&fresh()), @"");
    insta::assert_snapshot!(told_clean(&half_done()), @"kubeadm-reset");
    insta::assert_snapshot!(told_clean(&done(&context("cp2"))), @"refused: etcd-member-left: etcd still lists member 1 at this node's address");
    let mut others = serving(&context("cp2"));
    if let Known::Is(Some(view)) = &mut others.etcd {
        view.list.members.push(member(&context("cp1"), 2));
    }
    insta::assert_snapshot!(told_clean(&others), @"refused: etcd-member-left: etcd still lists member 1 at this node's address");
    insta::assert_snapshot!(told_clean(&serving(&context("cp2"))), @"kubeadm-reset");
}

#[test]
fn planning_again_after_success_is_empty() {
    assert_eq!(told_init(&done(&context("cp1"))), "");
    assert_eq!(told_join(&done(&context("cp2"))), "");
    let node = context("w1");
    let mut facts = half_done();
    facts.node = Known::Is(Some(node_object(&node, &[])));
    assert_eq!(told_worker(&facts), "");
}

/// Facts of every shape, from pieces of the ones above.
fn any_facts(name: &'static str) -> impl Strategy<Value = KubernetesFacts> {
    let node = context(name);
    let shapes = prop_oneof![
        Just(fresh()),
        Just(half_done()),
        Just(serving(&node)),
        Just(done(&node))
    ];
    let marks = prop_oneof![
        Just(Known::Is(None)),
        Just(Known::Is(Some(marker(&node)))),
        Just(Known::Unknown("truncated".to_owned()))
    ];
    let runs = prop_oneof![
        3 => Just(None),
        1 => Just(Some("hactl-op-1-kubeadm-init".to_owned())),
        1 => Just(Some("hactl-op-1-kubeadm-join".to_owned()))
    ];
    (shapes, marks, runs, any::<bool>(), any::<bool>()).prop_map(
        |(mut facts, marker, running, member, node)| {
            facts.marker = marker;
            facts.running = Known::Is(running);
            if !member {
                facts.member = None;
                facts.etcd = Known::Unknown("connection refused".to_owned());
            }
            if !node {
                facts.node = Known::Unknown("no answer".to_owned());
            }
            facts
        },
    )
}

proptest! {
    /// kubeadm init and a reset of a member that was complete once never stand in one plan, whatever the facts.
    #[test]
    fn init_never_destroys_what_was_complete(facts in any_facts("cp1")) {
        if let Ok(steps) = init(&instruction(Order::Init), &context("cp1"), &facts) {
            let wipes = steps.contains(&KubernetesStep::Reset) || steps.contains(&KubernetesStep::Init);
            prop_assert!(!wipes || facts.marker == Known::Is(None) || facts.running != Known::Is(None));
        }
    }

    /// A node whose etcd member votes is never reset by a join or a clean.
    #[test]
    fn a_voting_member_is_never_reset(facts in any_facts("cp2")) {
        let votes = facts.member.is_some();
        let order = Order::JoinControlPlane(credentials());
        if let Ok(steps) = join_control_plane(&instruction(order), &context("cp2"), &facts) {
            prop_assert!(!(votes && steps.contains(&KubernetesStep::Reset)));
        }
        if let Ok(steps) = join_control_plane(&instruction(kept()), &context("cp2"), &facts) {
            prop_assert!(!steps.contains(&KubernetesStep::Reset));
        }
        if let Ok(steps) = clean(&instruction(Order::Clean), &context("cp2"), &facts) {
            prop_assert!(!steps.contains(&KubernetesStep::Reset) || !votes || facts.marker == Known::Is(None));
        }
    }
}

#[test]
fn a_name_in_a_unit_is_the_operation_and_the_step() {
    assert_eq!(
        unit(&instruction(Order::Init), KubernetesStep::Init),
        "hactl-op-1-kubeadm-init"
    );
}
