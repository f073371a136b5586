//! What does not parse, by the name of its field; and what is not shown.

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::health::HealthDigest;
use hactl_proto::instruction::{Instruction, OperationId, Order};
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::spec::SpecHash;
use hactl_proto::standing::{GrantRequest, Standing};
use hactl_proto::status::{InstalledVersions, NodeStatus};
use hactl_proto::wire::v1;

type Change = fn(&mut v1::NodeStatus);

#[test]
fn an_error_names_the_field_by_its_path() {
    let status = v1::NodeStatus::from(sample());
    let told = |change: fn(&mut v1::NodeStatus)| {
        let mut message = status.clone();
        change(&mut message);
        NodeStatus::try_from(message).unwrap_err().to_string()
    };
    let cases: [(Change, &str); 7] = [
        (
            |s| s.node = "A".into(),
            "read field node: \"A\" is not a node name: only a-z",
        ),
        (|s| s.role = 0, "read field role: it is absent"),
        (|s| s.role = 9, "read field role: 9 is not known here"),
        (|s| s.health = None, "read field health: it is absent"),
        (
            |s| s.spec.truncate(31),
            "read field spec: 32 bytes are wanted, not 31",
        ),
        (
            |s| s.health.as_mut().unwrap().at.as_mut().unwrap().nanos = -1,
            "read field health.at: -1 nanoseconds",
        ),
        (
            |s| s.findings[0].severity = 0,
            "read field findings[0].severity: it is absent",
        ),
    ];
    for (change, text) in cases {
        let told = told(change);
        assert!(told.starts_with(text), "{told}");
    }
}

#[test]
fn an_instruction_without_its_order_or_with_a_bad_id_is_refused() {
    let good = v1::Instruction::from(Instruction {
        id: OperationId::new("a1").unwrap(),
        generation: 1,
        fence: None,
        order: Order::Prepare,
    });
    let read = |message| Instruction::try_from(message).unwrap_err();
    let no_order = v1::Instruction {
        order: None,
        ..good.clone()
    };
    assert_eq!(read(no_order).field(), "order");
    let bad_id = v1::Instruction {
        id: "../x".into(),
        ..good.clone()
    };
    assert_eq!(read(bad_id).field(), "id");
    let empty = v1::instruction::Order::JoinWorker(v1::JoinCredentials::default());
    let no_credentials = v1::Instruction {
        order: Some(empty),
        ..good
    };
    assert_eq!(read(no_credentials).field(), "join_worker.api_server");
}

#[test]
fn a_roster_that_names_a_node_twice_is_refused() {
    let entry = |instance: u8| v1::RosterEntry {
        node: "cp1".into(),
        instance: vec![instance; 16],
    };
    let request = v1::GrantRequest {
        candidate: "cp1".into(),
        instance: vec![1; 16],
        cluster: vec![1; 16],
        spec: vec![1; 32],
        epoch: 0,
        roster: vec![entry(1), entry(2)],
    };
    let error = GrantRequest::try_from(request).unwrap_err().to_string();
    assert_eq!(error, "read field roster: cp1 is there twice");
}

#[test]
fn secrets_stay_out_of_debug() {
    let credentials = v1::JoinCredentials {
        api_server: "10.0.0.1:6443".into(),
        token: "abcdef.0123456789abcdef".into(),
        ca_cert_hash: "sha256:00".into(),
        certificate_key: Some("feedface".into()),
        etcd_member_kept: false,
    };
    let admitted = v1::Admitted {
        credentials: Some(credentials),
        fence: Some(1),
    };
    let enrol = v1::EnrolRequest {
        token: "topsecret".into(),
        csr: "csr".into(),
        node: "w1".into(),
    };
    let kubeconfig = v1::GetKubeconfigResponse {
        kubeconfig: "topsecret".into(),
    };
    let pair = v1::GivePairResponse {
        certificate: "public".into(),
        key: "topsecret".into(),
    };
    let shown = format!("{admitted:?} {enrol:?} {kubeconfig:?} {pair:?}");
    for secret in ["0123456789abcdef", "feedface", "topsecret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        shown.contains("10.0.0.1:6443") && shown.contains("w1"),
        "{shown}"
    );
}

fn sample() -> NodeStatus {
    NodeStatus {
        node: NodeName::new("cp1").unwrap(),
        role: NodeRole::ControlPlane,
        zone: ZoneName::new("a").unwrap(),
        agent_version: "0.1.0".into(),
        cluster: ClusterId::from_bytes([1; 16]),
        generation: 1,
        spec: SpecHash::from_bytes([2; 32]),
        standing: Some(Standing::Virgin),
        operation: None,
        findings: vec![Finding {
            check: "swap-off".into(),
            severity: Severity::Refusal,
            observed: "on".into(),
            wanted: "off".into(),
            remedy: "swapoff -a".into(),
            mendable: true,
        }],
        health: HealthDigest::default(),
        versions: InstalledVersions::default(),
        capabilities: Vec::new(),
    }
}
