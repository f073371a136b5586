//! `spec.controlPlanes` and `spec.workers`.

use super::{changed, said, with};

#[test]
fn an_even_number_of_control_planes() {
    insta::assert_snapshot!(changed("    - {name: cp3, address: 10.0.0.13, zone: c}\n", ""), @"
    cluster.yaml:15:17: warning: spec.zones[2]: zone c has no node
        why:    a zone without nodes adds nothing, and is often a slip in a node's zone
        remedy: remove it, or put a node into it
    cluster.yaml:17:5: error: spec.controlPlanes: 2 control planes are an even number
        why:    etcd needs a majority: 2 members outlive the loss of 0, as 1 do, with one more that can fail
        remedy: declare 1 or 3 control planes
    cluster.yaml:17:7: error: spec.controlPlanes: zone a holds 1 of 2 control planes (cp1): its loss takes the cluster down
        why:    1 of 2 etcd members would be left, and 2 make a majority: no write, no API, no new pod
        remedy: spread the control planes so that no zone holds half of them; or accept it: policies.acceptZoneLoss: [a]
    cluster.yaml:18:7: error: spec.controlPlanes: zone b holds 1 of 2 control planes (cp2): its loss takes the cluster down
        why:    1 of 2 etcd members would be left, and 2 make a majority: no write, no API, no new pod
        remedy: spread the control planes so that no zone holds half of them; or accept it: policies.acceptZoneLoss: [b]
    ");
    let four = "zone: c}\n    - {name: cp4, address: 10.0.0.14, zone: c}";
    insta::assert_snapshot!(changed("zone: c}", four), @"
    cluster.yaml:17:5: error: spec.controlPlanes: 4 control planes are an even number
        why:    etcd needs a majority: 4 members outlive the loss of 1, as 3 do, with one more that can fail
        remedy: declare 3 or 5 control planes
    cluster.yaml:19:7: error: spec.controlPlanes: zone c holds 2 of 4 control planes (cp3, cp4): its loss takes the cluster down
        why:    2 of 4 etcd members would be left, and 3 make a majority: no write, no API, no new pod
        remedy: spread the control planes so that no zone holds half of them; or accept it: policies.acceptZoneLoss: [c]
    ");
}

#[test]
fn no_control_plane() {
    let text = "  controlPlanes: []\n  workers:\n    - {name: w1, address: 10.0.0.21, zone: a}\n";
    let start = super::GOOD.find("  controlPlanes:").unwrap();
    let end = super::GOOD.find("  podNetwork:").unwrap();
    insta::assert_snapshot!(said(with(&super::GOOD[start..end], text)), @"
    cluster.yaml:15:14: warning: spec.zones[1]: zone b has no node
        why:    a zone without nodes adds nothing, and is often a slip in a node's zone
        remedy: remove it, or put a node into it
    cluster.yaml:15:17: warning: spec.zones[2]: zone c has no node
        why:    a zone without nodes adds nothing, and is often a slip in a node's zone
        remedy: remove it, or put a node into it
    cluster.yaml:16:18: error: spec.controlPlanes: is an empty list
        why:    who may ever be a control plane is fixed by the spec: the first boot asks all of them
        remedy: declare one, three or five control planes
    ");
}

#[test]
fn names_and_addresses_given_twice() {
    let text = with(
        "name: w1, address: 10.0.0.21",
        "name: cp1, address: \"::ffff:10.0.0.12\"",
    );
    insta::assert_snapshot!(said(text.replace("    nodes: 10.0.0.0/24\n", "")), @"
    cluster.yaml:20:14: error: spec.workers[0].name: name cp1 is given twice
        why:    the node at line 16 has it already, and a name is what a node is known by
        remedy: rename one of them
    cluster.yaml:20:28: error: spec.workers[0].address: address ::ffff:10.0.0.12 is given twice
        why:    cp2 at line 17 has it already
        remedy: correct one of them
    ");
}

#[test]
fn an_address_in_no_node_network() {
    insta::assert_snapshot!(changed("10.0.0.12", "10.0.1.12"), @"
    cluster.yaml:18:28: error: spec.controlPlanes[1].address: 10.0.1.12 lies in no node network
        why:    spec.networks.nodes names 10.0.0.0/24
        remedy: correct the address, or add its network to spec.networks.nodes
    ");
}

#[test]
fn an_address_in_the_pods_network() {
    let text = with("10.0.0.21", "10.244.7.1").replace("    nodes: 10.0.0.0/24\n", "");
    insta::assert_snapshot!(said(text), @"
    cluster.yaml:20:27: error: spec.workers[0].address: 10.244.7.1 lies in the pod network 10.244.0.0/16
        why:    the cluster would take the node's traffic for its own
        remedy: choose another pod network, or correct the address
    ");
}

#[test]
fn addresses_that_are_no_nodes() {
    insta::assert_snapshot!(changed("10.0.0.11", "0.0.0.0"), @"
    cluster.yaml:17:28: error: spec.controlPlanes[0].address: 0.0.0.0 is no node's address
        why:    no other machine can reach a single node by it
        remedy: give the node's own address
    ");
    insta::assert_snapshot!(changed("10.0.0.11", "127.0.0.1"), @"
    cluster.yaml:17:28: warning: spec.controlPlanes[0].address: 127.0.0.1 is a loopback address
        why:    each machine reaches only itself by it
        remedy: give the node's own address; loopback serves simulations on one machine
    ");
    insta::assert_snapshot!(changed("10.0.0.11", "10.0.0.256"), @r#"
    cluster.yaml:17:28: error: spec.controlPlanes[0].address: "10.0.0.256" cannot be used
        why:    invalid IP address syntax
        remedy: give an address such as 10.0.0.11
    "#);
}
