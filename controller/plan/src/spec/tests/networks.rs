//! `spec.networks`.

use super::{changed, judge, said, with};

#[test]
fn networks_that_are_none() {
    insta::assert_snapshot!(changed("10.244.0.0/16", "10.244.0.0"), @r#"
    cluster.yaml:9:11: error: spec.networks.pods: "10.244.0.0" cannot be used
        why:    "10.244.0.0" is not a network in CIDR notation, such as 10.244.0.0/16
        remedy: give a network in CIDR notation, such as 10.244.0.0/16
    "#);
    insta::assert_snapshot!(changed("10.244.0.0/16", "[]"), @"
    cluster.yaml:9:11: error: spec.networks.pods: is an empty list
        why:    a cluster has at least one
        remedy: name a network, or remove the field
    ");
    insta::assert_snapshot!(changed("10.244.0.0/16", "10.244.3.0/16"), @"
    cluster.yaml:9:11: error: spec.networks.pods: 10.244.3.0/16 has bits set behind its prefix
        why:    it names an address inside a network instead of the network, which is often a slip in the prefix
        remedy: write 10.244.0.0/16, or correct the prefix
    ");
}

#[test]
fn networks_that_overlap() {
    let text = with("10.244.0.0/16", "10.0.0.0/8");
    insta::assert_snapshot!(said(text), @"
    cluster.yaml:10:15: error: spec.networks.services: service network 10.96.0.0/12 overlaps pod network 10.0.0.0/8
        why:    an address in both would mean two things (the other: spec.networks.pods, line 9)
        remedy: choose networks that share no address
    cluster.yaml:11:12: error: spec.networks.nodes: node network 10.0.0.0/24 overlaps pod network 10.0.0.0/8
        why:    an address in both would mean two things (the other: spec.networks.pods, line 9)
        remedy: choose networks that share no address
    cluster.yaml:14:14: error: spec.endpoint.address: 10.0.0.10 lies in the pod network 10.0.0.0/8
        why:    nodes and clients outside would not reach it
        remedy: choose an address of the nodes' network
    ");
}

#[test]
fn a_default_that_overlaps_is_named() {
    let text = with("    services: 10.96.0.0/12\n", "").replace("10.244.0.0/16", "10.100.0.0/16");
    insta::assert_snapshot!(said(text), @"
    cluster.yaml:9:11: error: spec.networks.pods: pod network 10.100.0.0/16 overlaps service network 10.96.0.0/12
        why:    an address in both would mean two things (the other: spec.networks.services (default), line 6)
        remedy: choose networks that share no address
    ");
}

#[test]
fn two_of_a_family_or_families_that_differ() {
    insta::assert_snapshot!(changed("10.244.0.0/16", "[10.244.0.0/16, 10.245.0.0/16]"), @"
    cluster.yaml:9:27: error: spec.networks.pods[1]: 10.245.0.0/16 is a second network of its family
        why:    Kubernetes takes one IPv4 network and one IPv6 network (dual stack)
        remedy: remove one
    ");
    insta::assert_snapshot!(changed("10.244.0.0/16", "[10.244.0.0/16, \"fd00::/56\"]"), @"
    cluster.yaml:10:15: error: spec.networks.services: pods and services differ in their address families
        why:    a service could then not lead to its pods over every family
        remedy: give both the same families
    ");
}

#[test]
fn a_pod_network_with_too_little_room() {
    insta::assert_snapshot!(changed("10.244.0.0/16", "10.244.0.0/23"), @"
    cluster.yaml:9:11: error: spec.networks.pods: 10.244.0.0/23 has room for 2 nodes of 4
        why:    the controller manager gives each node a /24 of it
        remedy: choose a larger network: it cannot be changed later
    ");
}

#[test]
fn left_out_networks_are_kubeadms() {
    let text = with(
        "  networks:\n    pods: 10.244.0.0/16\n    services: 10.96.0.0/12\n    nodes: 10.0.0.0/24\n",
        "",
    );
    let networks = judge(text).unwrap().spec.networks;
    insta::assert_snapshot!(serde_json::to_string(&networks).unwrap(), @r#"{"pods":["10.244.0.0/16"],"services":["10.96.0.0/12"],"nodes":[],"dns_domain":"cluster.local"}"#);
}
