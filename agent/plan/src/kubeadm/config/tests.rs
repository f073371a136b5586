//! What each kubeadm reads. That the real ones take it was tried in the lab.

use hactl_proto::secret::Secret;
use hactl_proto::version::KubernetesVersion;

use super::*;
use crate::example::context;

fn at(minor: u16, name: &str) -> (Kubeadm, NodeContext) {
    let mut node = context(name);
    node.spec.kubernetes.version = KubernetesVersion::new(1, minor, 3);
    let kubeadm = Kubeadm::of(&node.spec.kubernetes.version).unwrap();
    (kubeadm, node)
}

fn parsed(text: &str) -> Vec<Value> {
    text.split("---\n")
        .filter(|document| !document.is_empty())
        .map(|document| serde_json::from_str(document).unwrap())
        .collect()
}

fn credentials() -> JoinCredentials {
    JoinCredentials {
        api_server: "10.99.0.11:6443".to_owned(),
        token: Secret::new("123456.1234567890123456"),
        ca_cert_hash: format!("sha256:{}", "0".repeat(64)),
        certificate_key: Some(Secret::new("1".repeat(64))),
        etcd_member_kept: false,
    }
}

#[test]
fn init_of_1_20() {
    let (kubeadm, node) = at(20, "cp1");
    insta::assert_snapshot!(init(kubeadm, &node, EtcdState::BeforeInit));
}

#[test]
fn init_of_1_36_whose_etcd_exists() {
    let (kubeadm, node) = at(36, "cp1");
    insta::assert_snapshot!(init(kubeadm, &node, EtcdState::Existing));
}

#[test]
fn join_of_1_31() {
    let (kubeadm, node) = at(31, "cp2");
    insta::assert_snapshot!(join(kubeadm, &node, &credentials()).expose());
}

#[test]
fn a_token_or_key_of_digits_alone_stays_a_string() {
    for minor in super::super::capability::MINORS {
        let (kubeadm, node) = at(minor, "cp2");
        let join = parsed(join(kubeadm, &node, &credentials()).expose()).remove(0);
        assert!(join["discovery"]["bootstrapToken"]["token"].is_string());
        assert!(join["controlPlane"]["certificateKey"].is_string());
        let upload = upload_certificates(kubeadm, &node, &Secret::new("1".repeat(64)));
        assert!(parsed(upload.expose())[0]["certificateKey"].is_string());
    }
}

#[test]
fn no_secret_is_in_what_init_reads() {
    for minor in super::super::capability::MINORS {
        let (kubeadm, node) = at(minor, "cp1");
        let documents = parsed(&init(kubeadm, &node, EtcdState::BeforeInit));
        let tokens = documents[0]["bootstrapTokens"].as_array().unwrap();
        assert!(tokens.iter().all(|token| token.get("token").is_none()));
        assert!(documents[0].get("certificateKey").is_none());
    }
}

#[test]
fn the_first_etcd_is_new_and_every_later_one_existing() {
    for minor in super::super::capability::MINORS {
        let (kubeadm, node) = at(minor, "cp1");
        let local = |state| parsed(&init(kubeadm, &node, state))[1]["etcd"]["local"].clone();
        assert_eq!(local(EtcdState::BeforeInit).get("extraArgs"), None);
        let arguments = local(EtcdState::Existing)["extraArgs"].to_string();
        assert!(arguments.contains("initial-cluster-state"), "{arguments}");
        assert!(arguments.contains("existing"), "{arguments}");
    }
}

#[test]
fn a_worker_joins_without_a_control_plane() {
    let (kubeadm, node) = at(36, "w1");
    let join = parsed(join(kubeadm, &node, &credentials()).expose()).remove(0);
    assert_eq!(join.get("controlPlane"), None);
}

#[test]
fn the_specs_fields_are_merged_and_win() {
    let (kubeadm, mut node) = at(36, "cp1");
    let over = json!({ "cgroupDriver": "cgroupfs", "failCgroupV1": false });
    node.spec.kubernetes.kubelet = over.as_object().unwrap().clone();
    let kubelet = parsed(&init(kubeadm, &node, EtcdState::BeforeInit)).remove(2);
    assert_eq!(kubelet["kind"], "KubeletConfiguration");
    assert_eq!(kubelet["cgroupDriver"], "cgroupfs");
    assert_eq!(kubelet["failCgroupV1"], false);
}

#[test]
fn an_address_of_ipv6_stands_in_brackets() {
    assert_eq!(host_port("fd00::1", 6443), "[fd00::1]:6443");
    assert_eq!(host_port("api.example", 6443), "api.example:6443");
}
