//! Orders that are not this node's, and a kubeadm that is another order's or another version.

use super::*;

#[test]
fn an_order_for_a_node_of_another_role_is_refused() {
    let order = instruction(Order::JoinControlPlane(credentials()));
    let to_a_worker = join_control_plane(&order, &context("w1"), &fresh());
    insta::assert_snapshot!(told(to_a_worker), @"refused: role: w1 is a worker");
    let order = instruction(Order::JoinWorker(credentials()));
    let to_a_control_plane = join_worker(&order, &context("cp2"), &fresh());
    insta::assert_snapshot!(told(to_a_control_plane), @"refused: role: cp2 is a control-plane");
}

#[test]
fn a_join_whose_kubeadm_still_runs_goes_on_with_it_and_anothers_holds_up_all() {
    let mut facts = half_done();
    facts.node = Known::Is(None);
    facts.running = Known::Is(Some("hactl-op-1-kubeadm-join".to_owned()));
    insta::assert_snapshot!(told_join(&facts), @"kubeadm-join await-api-server await-etcd-member record-etcd-member await-node remove-kubeadm-config");
    insta::assert_snapshot!(told_worker(&facts), @"kubeadm-join await-node remove-kubeadm-config");
    facts.running = Known::Is(Some("hactl-op-0-kubeadm-join".to_owned()));
    for told in [told_join(&facts), told_worker(&facts), told_clean(&facts)] {
        assert_eq!(
            told,
            "refused: kubeadm-running: kubeadm still runs in the unit hactl-op-0-kubeadm-join"
        );
    }
}

#[test]
fn a_clean_goes_on_with_its_own_reset() {
    let mut facts = half_done();
    facts.running = Known::Is(Some("hactl-op-1-kubeadm-reset".to_owned()));
    insta::assert_snapshot!(told_clean(&facts), @"kubeadm-reset");
}

#[test]
fn the_pod_network_is_applied_by_an_init_until_the_cluster_has_it() {
    let mut node = context("cp1");
    node.spec.pod_network = Some(PodNetwork {
        manifest: "kind: DaemonSet\n".to_owned(),
    });
    let planned = |facts: &KubernetesFacts| told(init(&instruction(Order::Init), &node, facts));
    let mut facts = done(&node);
    assert_eq!(planned(&facts), "apply-pod-network");
    let hash = pod_network_hash(&node);
    if let Known::Is(cluster) = &mut facts.cluster {
        cluster.pod_network = hash;
    }
    assert_eq!(planned(&facts), "");
}

#[test]
fn another_kubeadm_than_the_specs_is_refused() {
    let mut facts = fresh();
    facts.kubeadm = Known::Is("v1.35.0".parse().unwrap());
    insta::assert_snapshot!(told_init(&facts), @"refused: kubeadm-version: kubeadm v1.35.0 is installed");
}
