//! Fields that are unknown, missing, or of the wrong type.

use super::{changed, said, with};

#[test]
fn unknown_fields_with_the_nearest_known_one() {
    let text = with("    version: v1.36.2", "    verison: v1.36.2")
        .replace("{name: cp2, address:", "{name: cp2, adress:");
    insta::assert_snapshot!(said(text), @r#"
    cluster.yaml:7:5: error: spec.kubernetes: unknown field "verison"
        why:    known here: version, imageRepository, apiServer, kubelet, kubeProxy, ignorePreflightErrors
        remedy: did you mean "version"?
    cluster.yaml:7:5: error: spec.kubernetes: field "version" is missing
        why:    kubeadm would ask the internet for the newest release otherwise
        remedy: add spec.kubernetes.version
    cluster.yaml:18:7: error: spec.controlPlanes[1]: field "address" is missing
        why:    the others reach the node by it
        remedy: add spec.controlPlanes[1].address
    cluster.yaml:18:19: error: spec.controlPlanes[1]: unknown field "adress"
        why:    known here: name, address, zone
        remedy: did you mean "address"?
    "#);
    insta::assert_snapshot!(changed("  zones: [a, b, c]", "  zones: [a, b, c]\n  replicas: 3"), @r#"
    cluster.yaml:16:3: error: spec: unknown field "replicas"
        why:    known here: kubernetes, networks, endpoint, etcd, zones, controlPlanes, workers, workerEnrolment, podNetwork, policies, upgrade, certificates
        remedy: remove it, or look docs/spec.md up
    "#);
}

#[test]
fn missing_fields_are_told_all_at_once() {
    insta::assert_snapshot!(said("spec: {}\n"), @r#"
    cluster.yaml:1:1: error: field "apiVersion" is missing
        why:    hactl reads hactl.io/v1alpha1 of kind Cluster
        remedy: add apiVersion
    cluster.yaml:1:1: error: field "kind" is missing
        why:    hactl reads hactl.io/v1alpha1 of kind Cluster
        remedy: add kind
    cluster.yaml:1:1: error: field "metadata" is missing
        why:    it holds the cluster's name
        remedy: add metadata
    cluster.yaml:1:7: error: spec: field "kubernetes" is missing
        why:    it names the release to run
        remedy: add spec.kubernetes
    cluster.yaml:1:7: error: spec: field "endpoint" is missing
        why:    every kubeconfig and certificate carries it, and kubeadm has no command to change it later
        remedy: add spec.endpoint
    cluster.yaml:1:7: error: spec: field "zones" is missing
        why:    control planes are spread over zones so that the cluster outlives the loss of one
        remedy: add spec.zones
    cluster.yaml:1:7: error: spec: field "controlPlanes" is missing
        why:    who may ever be a control plane is fixed by the spec: the first boot asks all of them
        remedy: add spec.controlPlanes
    cluster.yaml:1:7: warning: spec: no podNetwork is named
        why:    nodes stay NotReady until a pod network is there, and hactl waits for them to be Ready
        remedy: name a manifest as podNetwork.manifest, or apply one yourself once the API answers
    "#);
    insta::assert_snapshot!(said("apiVersion: hactl.io/v2\nkind: Cluster\nmetadata: {}\n"), @r#"
    cluster.yaml:1:1: error: field "spec" is missing
        why:    it holds the cluster itself
        remedy: add spec
    cluster.yaml:1:13: error: apiVersion: "hactl.io/v2" is not known
        why:    hactl reads hactl.io/v1alpha1 of kind Cluster
        remedy: write apiVersion: hactl.io/v1alpha1
    cluster.yaml:3:11: error: metadata: field "name" is missing
        why:    kubeadm's clusterName and the state folder are named by it
        remedy: add metadata.name
    "#);
}

#[test]
fn wrong_types() {
    let text = with("  zones: [a, b, c]", "  zones: a")
        .replace("    version: v1.36.2", "    version: [v1.36.2]");
    insta::assert_snapshot!(said(text), @r#"
    cluster.yaml:7:14: error: spec.kubernetes.version: is a list
        why:    this field takes a version such as v1.36.2
        remedy: give a version such as v1.36.2
    cluster.yaml:15:10: error: spec.zones: "a" is of the wrong type or out of range
        why:    this field takes a list of names, such as [a, b, c]
        remedy: give a list of names, such as [a, b, c]
    "#);
    insta::assert_snapshot!(changed("    - {name: cp1, address: 10.0.0.11, zone: a}", "    - cp1"), @r#"
    cluster.yaml:17:7: error: spec.controlPlanes[0]: "cp1" is of the wrong type or out of range
        why:    this field takes a mapping with name, address, zone
        remedy: give a mapping with name, address, zone
    "#);
    insta::assert_snapshot!(changed("  podNetwork:", "  workerEnrolment: yes\n  podNetwork:"), @r#"
    cluster.yaml:22:20: error: spec.workerEnrolment: "yes" is of the wrong type or out of range
        why:    this field takes true or false, without quotes
        remedy: give true or false, without quotes
    "#);
    insta::assert_snapshot!(changed("    host: api.example.org", "    host: api.example.org\n    port: \"8443\""), @r#"
    cluster.yaml:14:11: error: spec.endpoint.port: "8443" in quotes is of the wrong type or out of range
        why:    this field takes a whole number from 1 to 65535
        remedy: give a whole number from 1 to 65535
    "#);
}

#[test]
fn a_field_without_a_value() {
    insta::assert_snapshot!(changed("    host: api.example.org", "    host:"), @"
    cluster.yaml:13:5: error: spec.endpoint.host: has no value
        why:    this field takes a DNS name or an address
        remedy: give a DNS name or an address, or remove the field
    ");
}

#[test]
fn names_that_kubernetes_would_not_take() {
    let text = with("name: prod", "name: Prod_1").replace("name: cp2", "name: CP2");
    insta::assert_snapshot!(said(text), @r#"
    cluster.yaml:4:9: error: metadata.name: "Prod_1" cannot be used
        why:    "Prod_1" is not a cluster name: only a-z, 0-9 and '-' are allowed
        remedy: give a name such as prod-1
    cluster.yaml:18:14: error: spec.controlPlanes[1].name: "CP2" cannot be used
        why:    "CP2" is not a node name: only a-z, 0-9 and '-' are allowed
        remedy: give a host name such as cp1
    "#);
}

#[test]
fn what_a_key_does_to_a_terminal_is_not_done() {
    let said = changed("  zones:", "  \"\\e[31mzones\": 1\n  zones:");
    assert!(
        !said.contains('\u{1b}') && said.contains("31mzones"),
        "{said}"
    );
}

#[test]
fn many_problems_come_at_once_in_the_order_of_lines() {
    let text = with("kind: Cluster", "kind: cluster")
        .replace("v1.36.2", "latest")
        .replace("10.244.0.0/16", "10.244.0.0/33")
        .replace("zone: b}", "zone: d}")
        .replace("net.yaml", "gone.yaml");
    let problems = super::judge(text).unwrap_err().problems;
    let lines: Vec<usize> = problems.iter().map(|problem| problem.at.line).collect();
    assert_eq!(lines, [2, 7, 9, 18, 23]);
}
