//! `spec.endpoint`.

use hactl_proto::spec::{Endpoint, EndpointMode};

use super::{changed, judge, said, with};

const GIVEN: &str = "    host: api.example.org\n    address: 10.0.0.10\n";

fn endpoint(fields: &str) -> Endpoint {
    judge(with(GIVEN, fields)).unwrap().spec.endpoint
}

#[test]
fn a_port_that_the_control_planes_bind() {
    insta::assert_snapshot!(changed(GIVEN, &format!("{GIVEN}    port: 6443\n")), @"
    cluster.yaml:15:11: error: spec.endpoint.port: port 6443 is taken on every control plane
        why:    the API server binds it there, on all addresses; HAProxy runs beside it and could not
        remedy: choose another port, such as 8443
    ");
    insta::assert_snapshot!(changed(GIVEN, &format!("{GIVEN}    port: 2379\n")), @"
    cluster.yaml:15:11: error: spec.endpoint.port: port 2379 is taken on every control plane
        why:    etcd binds it there, on all addresses; HAProxy runs beside it and could not
        remedy: choose another port, such as 8443
    ");
}

#[test]
fn an_address_that_is_a_nodes() {
    insta::assert_snapshot!(changed("10.0.0.10", "10.0.0.12"), @"
    cluster.yaml:14:14: error: spec.endpoint.address: 10.0.0.12 is the address of cp2
        why:    it must move to another control plane when that node is lost
        remedy: choose an address of the segment that no machine has
    ");
    insta::assert_snapshot!(changed(GIVEN, "    mode: external\n    host: 10.0.0.12\n"), @"
    cluster.yaml:14:11: warning: spec.endpoint.host: 10.0.0.12 is the address of cp2
        why:    the API is lost to all with that one node
        remedy: name a load balancer in front of all control planes
    ");
}

#[test]
fn an_address_elsewhere() {
    insta::assert_snapshot!(changed("10.0.0.10", "10.96.0.10"), @"
    cluster.yaml:14:14: error: spec.endpoint.address: 10.96.0.10 lies in the service network 10.96.0.0/12
        why:    nodes and clients outside would not reach it
        remedy: choose an address of the nodes' network
    cluster.yaml:14:14: error: spec.endpoint.address: 10.96.0.10 lies in no node network
        why:    keepalived can move it only within the layer 2 segment of the control planes
        remedy: choose an address of the nodes' network
    ");
}

#[test]
fn a_name_without_an_address() {
    insta::assert_snapshot!(changed("    address: 10.0.0.10\n", ""), @r#"
    cluster.yaml:13:5: error: spec.endpoint: field "address" is missing
        why:    keepalived must know which address moves between the control planes
        remedy: add spec.endpoint.address
    "#);
}

#[test]
fn a_host_and_an_address_that_differ() {
    insta::assert_snapshot!(changed("api.example.org", "10.0.0.9"), @"
    cluster.yaml:14:14: error: spec.endpoint.address: 10.0.0.10 is not the host, 10.0.0.9
        why:    clients would ask an address that nobody serves
        remedy: give both the same, or remove the address
    ");
}

#[test]
fn a_host_with_its_port() {
    insta::assert_snapshot!(changed("api.example.org", "api.example.org:8443"), @r#"
    cluster.yaml:13:11: error: spec.endpoint.host: "api.example.org:8443" is neither a DNS name nor an address
        why:    it becomes kubeadm's controlPlaneEndpoint and a name in certificates; the port is a field of its own
        remedy: write it as api.example.org
    "#);
    insta::assert_snapshot!(changed("api.example.org", "10.0.0.300"), @r#"
    cluster.yaml:13:11: error: spec.endpoint.host: "10.0.0.300" is neither a DNS name nor an address
        why:    it becomes kubeadm's controlPlaneEndpoint and a name in certificates; the port is a field of its own
        remedy: write it as api.example.org
    "#);
}

#[test]
fn fields_of_the_other_mode() {
    let text = with(
        GIVEN,
        &format!("{GIVEN}    mode: external\n    interface: eth0\n"),
    );
    insta::assert_snapshot!(said(text), @"
    cluster.yaml:14:14: error: spec.endpoint.address: means nothing here
        why:    it belongs to the managed mode: here the operator provides the endpoint
        remedy: remove it
    cluster.yaml:16:16: error: spec.endpoint.interface: means nothing here
        why:    it belongs to the managed mode: here the operator provides the endpoint
        remedy: remove it
    ");
    insta::assert_snapshot!(changed(GIVEN, &format!("{GIVEN}    mode: manged\n")), @r#"
    cluster.yaml:15:11: error: spec.endpoint.mode: "manged" is not known
        why:    this field takes managed or external
        remedy: did you mean "managed"?
    "#);
    insta::assert_snapshot!(changed(GIVEN, &format!("{GIVEN}    virtualRouterId: 256\n    interface: a/b\n")), @r#"
    cluster.yaml:15:22: error: spec.endpoint.virtualRouterId: "256" is of the wrong type or out of range
        why:    this field takes a whole number from 1 to 255
        remedy: give a whole number from 1 to 255
    cluster.yaml:16:16: error: spec.endpoint.interface: "a/b" is no interface's name
        why:    Linux takes 1 to 15 characters without blanks and '/'
        remedy: look it up with: ip link
    "#);
}

#[test]
fn defaults_of_both_modes() {
    let managed = endpoint("    host: 10.0.0.10\n");
    assert_eq!(managed.port, 8443);
    let EndpointMode::Managed {
        address,
        virtual_router_id,
        interface,
    } = managed.mode
    else {
        panic!("{managed:?}");
    };
    assert_eq!(
        (address.to_string().as_str(), virtual_router_id, interface),
        ("10.0.0.10", 10, None)
    );
    let external = endpoint("    host: api.example.org\n    mode: external\n");
    assert_eq!(
        (external.port, external.mode),
        (6443, EndpointMode::External)
    );
}
