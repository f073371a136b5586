//! `spec.kubernetes`.

use super::{changed, judge, said, with};

#[test]
fn a_version_without_its_patch() {
    insta::assert_snapshot!(changed("v1.36.2", "1.36"), @r#"
    cluster.yaml:7:14: error: spec.kubernetes.version: "1.36" lacks the patch release
        why:    all nodes must run exactly the same release, and nothing is looked up on the internet
        remedy: write the version whole, such as v1.36.2
    "#);
}

#[test]
fn versions_that_hactl_does_not_know() {
    insta::assert_snapshot!(changed("v1.36.2", "v1.19.16"), @"
    cluster.yaml:7:14: error: spec.kubernetes.version: v1.19.16 is outside v1.20 to v1.37
        why:    hactl writes kubeadm's configuration in a form that it knows the release to read
        remedy: choose a release from v1.20 to v1.37, or a hactl that knows this one
    ");
    insta::assert_snapshot!(changed("v1.36.2", "v1.38.0"), @"
    cluster.yaml:7:14: error: spec.kubernetes.version: v1.38.0 is outside v1.20 to v1.37
        why:    hactl writes kubeadm's configuration in a form that it knows the release to read
        remedy: choose a release from v1.20 to v1.37, or a hactl that knows this one
    ");
    for known in ["v1.20.0", "1.37.0", "v1.37.1-rc.0"] {
        assert_eq!(changed("v1.36.2", known), "", "{known}");
    }
}

#[test]
fn words_instead_of_a_version() {
    insta::assert_snapshot!(changed("v1.36.2", "stable"), @r#"
    cluster.yaml:7:14: error: spec.kubernetes.version: "stable" is not a version
        why:    all nodes must run exactly the same release, and nothing is looked up on the internet
        remedy: write the version whole, such as v1.36.2
    "#);
}

#[test]
fn settings_that_would_break_the_cluster() {
    let settings = "v1.36.2
    imageRepository: https://registry.example.org/k8s
    apiServer:
      extraArgs:
        --v: 2
        secure-port: 443
        anonymous-auth: false
    kubelet:
      kind: KubeletConfiguration
      cgroupDriver: cgroupfs
    ignorePreflightErrors: [ALL]";
    insta::assert_snapshot!(changed("v1.36.2", settings), @r#"
    cluster.yaml:8:22: error: spec.kubernetes.imageRepository: "https://registry.example.org/k8s" is no repository
        why:    image names are made as REPOSITORY/kube-apiserver:VERSION
        remedy: write it as registry.example.org/k8s
    cluster.yaml:11:9: error: spec.kubernetes.apiServer.extraArgs.--v: "--v" starts with a dash
        why:    kubeadm puts the dashes itself
        remedy: write v
    cluster.yaml:12:22: error: spec.kubernetes.apiServer.extraArgs.secure-port: --secure-port=443 would break the cluster
        why:    kubeadm and the load balancer expect the API server on 6443
        remedy: remove it
    cluster.yaml:13:25: error: spec.kubernetes.apiServer.extraArgs.anonymous-auth: --anonymous-auth=false would break the cluster
        why:    health is asked of /readyz and /livez without credentials, before a node has any: every API server would count as unhealthy
        remedy: remove it
    cluster.yaml:15:7: error: spec.kubernetes.kubelet.kind: is written by hactl
        why:    the document's version and kind are chosen for the release
        remedy: remove it
    cluster.yaml:16:21: error: spec.kubernetes.kubelet.cgroupDriver: "cgroupfs" is not systemd
        why:    the agents keep containerd on the systemd driver, and kubelet and runtime must agree
        remedy: remove it
    cluster.yaml:17:28: warning: spec.kubernetes.ignorePreflightErrors: every preflight check of kubeadm is ignored
        why:    a node that cannot work is then found out only when it does not
        remedy: name the checks that you mean, such as NumCPU
    "#);
}

#[test]
fn settings_of_components_keep_their_types() {
    let settings = "v1.36.2
    apiServer: {extraArgs: {audit-log-maxage: 30}, certSANs: [192.0.2.1, api]}
    kubelet: {maxPods: 200, failSwapOn: false, evictionHard: {memory.available: 100Mi}, clusterDNS: [\"10\"]}
    kubeProxy: {mode: ipvs, conntrack: {min: null}}";
    let text = with("v1.36.2", settings);
    assert_eq!(said(&text), "");
    let kubernetes = judge(text).unwrap().spec.kubernetes;
    assert_eq!(kubernetes.api_server_args["audit-log-maxage"], "30");
    assert_eq!(kubernetes.api_server_sans, ["192.0.2.1", "api"]);
    insta::assert_snapshot!(serde_json::to_string(&kubernetes.kubelet).unwrap(), @r#"{"clusterDNS":["10"],"evictionHard":{"memory.available":"100Mi"},"failSwapOn":false,"maxPods":200}"#);
    insta::assert_snapshot!(serde_json::to_string(&kubernetes.kube_proxy).unwrap(), @r#"{"conntrack":{"min":null},"mode":"ipvs"}"#);
}
