//! Held against what kubeadm and kubectl 1.20.2 really said in the lab (`../captured`).

use super::*;

fn failed(stderr: &str) -> Output {
    Output {
        status: Some(1),
        stdout: String::new(),
        stderr: stderr.to_owned(),
    }
}

#[test]
fn every_error_of_the_preflight_becomes_a_finding() {
    let findings = preflight_findings(&failed(include_str!("../captured/preflight.txt")));
    let seen: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}: {}", finding.check, finding.observed))
        .collect();
    insta::assert_snapshot!(seen.join("\n"), @r"
    kubeadm-port-6443: Port 6443 is in use
    kubeadm-port-10259: Port 10259 is in use
    kubeadm-port-10257: Port 10257 is in use
    kubeadm-fileavailable--etc-kubernetes-manifests-kube-apiserver.yaml: /etc/kubernetes/manifests/kube-apiserver.yaml already exists
    kubeadm-fileavailable--etc-kubernetes-manifests-kube-controller-manager.yaml: /etc/kubernetes/manifests/kube-controller-manager.yaml already exists
    kubeadm-fileavailable--etc-kubernetes-manifests-kube-scheduler.yaml: /etc/kubernetes/manifests/kube-scheduler.yaml already exists
    kubeadm-fileavailable--etc-kubernetes-manifests-etcd.yaml: /etc/kubernetes/manifests/etcd.yaml already exists
    kubeadm-port-10250: Port 10250 is in use
    kubeadm-port-2379: Port 2379 is in use
    kubeadm-port-2380: Port 2380 is in use
    kubeadm-diravailable--var-lib-etcd: /var/lib/etcd is not empty
    kubeadm-filecontent--proc-sys-net-ipv4-ip_forward: /proc/sys/net/ipv4/ip_forward contents are not set to 1
    ");
}

#[test]
fn warnings_do_not_refuse_and_other_lines_say_nothing() {
    let said = "\t[WARNING Hostname]: hostname \"x\" could not be reached\n[preflight] Running\n[ERROR]: x\n[ERROR a b]: x\n";
    let findings = preflight_findings(&failed(said));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].severity, Severity::Warning);
}

#[test]
fn a_field_that_kubeadm_does_not_know_is_found() {
    let old = "W1122 16:48:21.488145    3171 strict.go:54] error unmarshaling configuration schema.GroupVersionKind{Group:\"kubeadm.k8s.io\", \
               Version:\"v1beta2\", Kind:\"ClusterConfiguration\"}: error unmarshaling JSON: while decoding JSON: json: unknown field \"bogus\"\n";
    let warned = Output {
        status: Some(0),
        ..failed(old)
    };
    assert!(strict_warning(&warned).unwrap().contains("bogus"));
    let new = "error: strict decoding error: unknown field \"etcd.local.bogus\"\n";
    assert!(strict_warning(&failed(new)).is_some());
    assert_eq!(
        strict_warning(&failed("W1122 using a deprecated API spec\n")),
        None
    );
}

#[test]
fn a_node_is_read_from_the_api() {
    let node = node(include_str!("../captured/node.json")).unwrap();
    assert!(node.ready && node.marked_control_plane());
    assert_eq!(node.addresses, ["10.99.0.11"]);
    assert_eq!(node.labels["topology.kubernetes.io/zone"], "zone-a");
}

#[test]
fn a_node_without_pod_network_is_told_from_one_that_is_ill() {
    let waiting = "runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: \
                   cni plugin not initialized";
    let node = |message: &str| NodeObject {
        message: message.to_owned(),
        ..NodeObject::default()
    };
    assert!(node(waiting).waits_for_pod_network());
    assert!(!node("CSINode is not yet initialized").waits_for_pod_network());
    assert!(!node("Kubelet stopped posting node status.").waits_for_pod_network());
}

#[test]
fn what_is_not_there_is_told_from_what_could_not_be_asked() {
    let none =
        failed("Error from server (NotFound): leases.coordination.k8s.io \"nothing\" not found\n");
    assert_eq!(object(&none, node), Known::Is(None));
    let unreachable = failed(
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n",
    );
    assert!(
        matches!(object(&unreachable, node), Known::Unknown(reason) if reason.contains("refused"))
    );
    let garbage = Output {
        status: Some(0),
        stdout: "<html>".to_owned(),
        stderr: String::new(),
    };
    assert!(matches!(object(&garbage, node), Known::Unknown(_)));
}

#[test]
fn a_lost_race_is_told_from_another_failure() {
    let changed = "Error from server (Conflict): error when replacing \"STDIN\": Operation cannot be fulfilled on leases.coordination.k8s.io \
                   \"hactl\": the object has been modified; please apply your changes to the latest version and try again\n";
    let exists = "Error from server (AlreadyExists): error when creating \"STDIN\": leases.coordination.k8s.io \"hactl\" already exists\n";
    assert_eq!(conflict(&failed(changed)), Some(Conflict::Lost));
    assert_eq!(conflict(&failed(exists)), Some(Conflict::Lost));
    assert_eq!(
        conflict(&failed("Unable to connect")),
        Some(Conflict::Other)
    );
}

#[test]
fn tokens_are_read_and_garbage_is_not_one() {
    let token = created_token("65zjzq.cqbm3pwm9lgcpqlt\n").unwrap();
    assert_eq!(token.expose(), "65zjzq.cqbm3pwm9lgcpqlt");
    for wrong in [
        "",
        "65zjzq",
        "65zjzq.cqbm3pwm9lgcpql",
        "65zjzq.cqbm3pwm9lgcpqlT",
    ] {
        assert!(created_token(wrong).is_none(), "{wrong}");
    }
    let listed = listed_tokens(
        "bootstrap-token-65zjzq aGFjdGwgam9pbiB3b3JrZXIgdzkgYnkgY3Ax\nbootstrap-token-abcdef \nbootstrap-token-x *broken*\n",
    );
    let seen: Vec<_> = listed
        .iter()
        .map(|token| (token.secret.as_str(), token.description.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("bootstrap-token-65zjzq", "hactl join worker w9 by cp1"),
            ("bootstrap-token-abcdef", ""),
            ("bootstrap-token-x", ""),
        ]
    );
}

#[test]
fn the_installed_version_is_read() {
    let said = "{\n  \"clientVersion\": {\n    \"major\": \"1\",\n    \"minor\": \"20\",\n    \"gitVersion\": \"v1.20.2\",\n    \
                \"gitTreeState\": \"clean\"\n  }\n}\n";
    assert_eq!(
        kubeadm_version(said),
        Some(KubernetesVersion::new(1, 20, 2))
    );
    assert_eq!(kubeadm_version("{}"), None);
}

#[test]
fn a_failure_that_passes_is_told_from_a_word_that_stands() {
    for passing in [
        "The connection to the server 10.99.0.11:6443 was refused - did you specify the right host or port?\n",
        "Error from server: etcdserver: leader changed\n",
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request\n",
        "Unable to connect to the server: net/http: TLS handshake timeout\n",
    ] {
        assert_eq!(
            transient(&failed(passing)).as_deref(),
            Some(passing.trim()),
            "{passing}"
        );
    }
    for standing in [
        "Error from server (NotFound): nodes \"cp2\" not found\n",
        "Error from server (Conflict): the object has been modified\n",
        "Error from server (Forbidden): nodes is forbidden\n",
        "",
    ] {
        assert_eq!(transient(&failed(standing)), None, "{standing}");
    }
}

#[test]
fn nodes_and_config_maps_are_read_and_garbage_is_none() {
    let list = r#"{"items": [{"metadata": {"name": "cp1"}}, {"metadata": {"name": "w1"}, "spec": {"unschedulable": true}}]}"#;
    let found = nodes(list).unwrap();
    let cordoned: Vec<bool> = found.iter().map(|node| node.unschedulable).collect();
    assert_eq!(cordoned, [false, true]);
    let map = config_map(r#"{"data": {"ca.crt": "pem"}}"#).unwrap();
    assert_eq!(map["ca.crt"], "pem");
    assert!(config_map("{}").unwrap().is_empty());
    for garbage in ["", "3", "garbage"] {
        assert!(
            nodes(garbage).is_none() && config_map(garbage).is_none(),
            "{garbage}"
        );
    }
}
