//! `spec.policies`, `spec.etcd` and `spec.podNetwork`.

use hactl_proto::finding::CheckMode;
use hactl_proto::spec::GrantPolicy;

use super::{GOOD, changed, judge, said, with};

fn policies(text: &str) -> String {
    format!("{GOOD}  policies:\n{text}")
}

#[test]
fn an_init_node_that_is_not_declared() {
    insta::assert_snapshot!(said(policies("    initNode: cp4\n")), @"
    cluster.yaml:25:15: error: spec.policies.initNode: cp4 is not declared
        why:    only a declared control plane may run kubeadm init
        remedy: name one of cp1, cp2, cp3
    ");
    insta::assert_snapshot!(said(policies("    initNode: w1\n")), @"
    cluster.yaml:25:15: error: spec.policies.initNode: w1 is a worker
        why:    only a declared control plane may run kubeadm init
        remedy: name one of cp1, cp2, cp3
    ");
}

#[test]
fn a_majority_has_its_weakness_said() {
    let text = policies("    grants: majority\n");
    insta::assert_snapshot!(said(&text), @"
    cluster.yaml:25:13: warning: spec.policies.grants: kubeadm init needs the grants of a majority only
        why:    a control plane that is not heard may already belong to a cluster made earlier or by hand: the new one is then made beside it, and the missing node can never join it with its data
        remedy: leave it out (all) unless a machine is known to be lost; `hactl-controller grant override` serves that case once
    ");
    assert_eq!(
        judge(text).unwrap().spec.policies.grants,
        GrantPolicy::Majority
    );
}

#[test]
fn ports_that_others_bind() {
    insta::assert_snapshot!(said(policies("    agentPort: 10250\n")), @"
    cluster.yaml:25:16: error: spec.policies.agentPort: port 10250 is taken
        why:    the kubelet binds it; the agents need a TCP and UDP port of their own, the same on every node
        remedy: choose another, such as 7470
    ");
    insta::assert_snapshot!(said(policies("    agentPort: 8443\n")), @"
    cluster.yaml:25:16: error: spec.policies.agentPort: port 8443 is taken
        why:    the endpoint's HAProxy binds it; the agents need a TCP and UDP port of their own, the same on every node
        remedy: choose another, such as 7470
    ");
}

#[test]
fn modes_of_prerequisites() {
    let text = policies("    prerequisites: {swap-off: off, time-sync: report}\n");
    let modes = judge(text).unwrap().spec.policies.prerequisites;
    assert_eq!(modes["swap-off"], CheckMode::Off);
    assert_eq!(modes["time-sync"], CheckMode::Report);
    insta::assert_snapshot!(said(policies("    prerequisites: {swap: off, swapoff: off}\n")), @r#"
    cluster.yaml:25:21: error: spec.policies.prerequisites.swap: there is no check "swap"
        why:    a mode for a check that does not exist would change nothing
        remedy: name one of cpu-count, memory-size, disk-space, etcd-disk, cgroup-version, host-name, unique-identity, clock, time-sync, address-present, route-source, endpoint-name, ports-free, firewall, selinux, swap-off, module-overlay, module-br-netfilter, ip-forward, bridge-nf-call, required-programs, containerd-installed, containerd-config, containerd-running, kubelet-cgroup-driver, kubernetes-packages, packages-held
    cluster.yaml:25:32: error: spec.policies.prerequisites.swapoff: there is no check "swapoff"
        why:    a mode for a check that does not exist would change nothing
        remedy: did you mean "swap-off"?
    "#);
    insta::assert_snapshot!(said(policies("    prerequisites: {swap-off: ignore}\n")), @r#"
    cluster.yaml:25:31: error: spec.policies.prerequisites.swap-off: "ignore" is not known
        why:    this field takes enforce or report or off
        remedy: write enforce or report or off
    "#);
}

#[test]
fn etcd_of_its_own_and_of_another() {
    let etcd = |fields: &str| changed("  zones:", &format!("  etcd:\n{fields}  zones:"));
    assert_eq!(etcd("    dataDir: /srv/etcd\n    ownMount: true\n"), "");
    insta::assert_snapshot!(etcd("    dataDir: etcd/../data\n    caFile: /ca.crt\n"), @r#"
    cluster.yaml:16:14: error: spec.etcd.dataDir: "etcd/../data" is no plain absolute path
        why:    it is used as it stands on every control plane, whatever folder a program runs in
        remedy: write it as /var/lib/etcd
    cluster.yaml:17:13: error: spec.etcd.caFile: means nothing here
        why:    it belongs to the external topology
        remedy: remove it
    "#);
    insta::assert_snapshot!(etcd("    topology: external\n    endpoints: [http://10.0.0.5:2379]\n"), @r#"
    cluster.yaml:16:5: error: spec.etcd: field "caFile" is missing
        why:    the API servers authenticate to etcd with it; the file is on each control plane
        remedy: add spec.etcd.caFile
    cluster.yaml:16:5: error: spec.etcd: field "certFile" is missing
        why:    the API servers authenticate to etcd with it; the file is on each control plane
        remedy: add spec.etcd.certFile
    cluster.yaml:16:5: error: spec.etcd: field "keyFile" is missing
        why:    the API servers authenticate to etcd with it; the file is on each control plane
        remedy: add spec.etcd.keyFile
    cluster.yaml:17:17: error: spec.etcd.endpoints[0]: "http://10.0.0.5:2379" is no such URL
        why:    etcd holds every secret of the cluster: it is spoken to over TLS only, by address or name and port
        remedy: write it as https://HOST:2379
    "#);
}

#[test]
fn a_pod_network_that_is_missing() {
    insta::assert_snapshot!(changed("net.yaml", "gone.yaml"), @r#"
    cluster.yaml:23:15: error: spec.podNetwork.manifest: "gone.yaml" cannot be read
        why:    the bundles carry it, since nodes may have no internet: no such file
        remedy: give the path relative to the spec's folder
    "#);
    insta::assert_snapshot!(changed("net.yaml", "empty.yaml"), @r#"
    cluster.yaml:23:15: error: spec.podNetwork.manifest: "empty.yaml" holds no Kubernetes object
        why:    it is given to kubectl apply as it stands, and may have 2097152 bytes
        remedy: name the manifest of a pod network, as its makers publish it
    "#);
    insta::assert_snapshot!(changed("  podNetwork:\n    manifest: net.yaml\n", ""), @"
    cluster.yaml:6:3: warning: spec: no podNetwork is named
        why:    nodes stay NotReady until a pod network is there, and hactl waits for them to be Ready
        remedy: name a manifest as podNetwork.manifest, or apply one yourself once the API answers
    ");
}

#[test]
fn workers_that_enrol() {
    let text = with("  podNetwork:", "  workerEnrolment: true\n  podNetwork:");
    assert!(judge(text).unwrap().spec.policies.worker_enrolment);
    assert!(!judge(GOOD).unwrap().spec.policies.worker_enrolment);
}
