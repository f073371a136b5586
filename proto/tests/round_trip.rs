//! Every domain value survives the wire, and what does not parse is refused by the name of its field.

#![allow(clippy::unwrap_used)]

use hactl_proto::Timestamp;
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::health::{ComponentHealth, HealthDigest};
use hactl_proto::identity::IdentityFingerprint;
use hactl_proto::instruction::{Fence, Instruction, JoinCredentials, OperationId, Order};
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::journal::{JournalEntry, JournalEvent};
use hactl_proto::member::{MemberState, MemberView};
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::report::{OperationStatus, Outcome, ReportEvent, Waiting};
use hactl_proto::role::NodeRole;
use hactl_proto::secret::Secret;
use hactl_proto::spec::SpecHash;
use hactl_proto::standing::{
    ClusterIdentity, Grant, GrantRefusal, GrantRequest, GrantVerdict, InstanceId,
    MemberAnnouncement, Override, Roster, Standing, StandingAnswer,
};
use hactl_proto::status::{InstalledVersions, NodeStatus};
use hactl_proto::version::KubernetesVersion;
use hactl_proto::wire::{WireError, v1};
use proptest::prelude::*;
use prost::Message;

/// To the wire's bytes and back.
fn round<W, D>(value: D) -> D
where
    W: Message + Default + From<D>,
    D: TryFrom<W, Error = WireError>,
{
    let bytes = W::from(value).encode_to_vec();
    D::try_from(W::decode(bytes.as_slice()).unwrap()).unwrap()
}

fn words() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn name() -> impl Strategy<Value = NodeName> {
    "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,4})?".prop_map(|text| NodeName::new(text).unwrap())
}

fn zone() -> impl Strategy<Value = ZoneName> {
    "[a-z][a-z0-9]{0,8}".prop_map(|text| ZoneName::new(text).unwrap())
}

fn id() -> impl Strategy<Value = OperationId> {
    "[a-z0-9-]{1,40}".prop_map(|text| OperationId::new(text).unwrap())
}

/// Also before 1970, and with nanoseconds.
fn time() -> impl Strategy<Value = Timestamp> {
    (-10_000_000_000_i64..100_000_000_000, 0..1_000_000_000_i32)
        .prop_map(|(seconds, nanos)| Timestamp::new(seconds, nanos).unwrap())
}

fn version() -> impl Strategy<Value = KubernetesVersion> {
    (1..3_u16, 0..60_u16, 0..30_u16, prop::bool::ANY).prop_map(|(major, minor, patch, pre)| {
        let pre = if pre { "-rc.1" } else { "" };
        format!("v{major}.{minor}.{patch}{pre}").parse().unwrap()
    })
}

fn role() -> impl Strategy<Value = NodeRole> {
    prop_oneof![Just(NodeRole::ControlPlane), Just(NodeRole::Worker)]
}

fn finding() -> impl Strategy<Value = Finding> {
    let severity = prop_oneof![Just(Severity::Warning), Just(Severity::Refusal)];
    (words(), severity, words(), words(), words(), any::<bool>()).prop_map(
        |(check, severity, observed, wanted, remedy, mendable)| Finding {
            check,
            severity,
            observed,
            wanted,
            remedy,
            mendable,
        },
    )
}

fn findings() -> impl Strategy<Value = Vec<Finding>> {
    prop::collection::vec(finding(), 0..3)
}

fn waiting() -> impl Strategy<Value = Waiting> {
    (words(), time(), words()).prop_map(|(condition, since, observed)| Waiting {
        condition,
        since,
        observed,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let failed = (
        words(),
        words(),
        prop::collection::vec(words(), 0..3),
        words(),
    );
    prop_oneof![
        Just(Outcome::Succeeded),
        findings().prop_map(|findings| Outcome::Refused { findings }),
        failed.prop_map(|(step, error, done, remedy)| Outcome::Failed {
            step,
            error,
            done,
            remedy
        }),
    ]
}

fn event() -> impl Strategy<Value = ReportEvent> {
    prop_oneof![
        prop::collection::vec(words(), 0..4).prop_map(|steps| ReportEvent::Planned { steps }),
        (any::<u32>(), words()).prop_map(|(index, step)| ReportEvent::Started { index, step }),
        waiting().prop_map(ReportEvent::Waiting),
        (any::<u32>(), words()).prop_map(|(index, step)| ReportEvent::Finished { index, step }),
        outcome().prop_map(ReportEvent::Ended),
    ]
}

fn operation() -> impl Strategy<Value = OperationStatus> {
    let step = prop::option::of((any::<u32>(), any::<u32>(), words()));
    let ends = (prop::option::of(waiting()), prop::option::of(outcome()));
    (id(), words(), time(), step, ends).prop_map(
        |(id, kind, accepted, step, (waiting, outcome))| OperationStatus {
            id,
            kind,
            accepted,
            step,
            waiting,
            outcome,
        },
    )
}

fn component() -> impl Strategy<Value = ComponentHealth> {
    prop_oneof![
        Just(ComponentHealth::Unknown),
        Just(ComponentHealth::Absent),
        Just(ComponentHealth::Healthy),
        Just(ComponentHealth::Unhealthy),
    ]
}

fn fingerprint() -> impl Strategy<Value = IdentityFingerprint> {
    let macs = prop::collection::vec(any::<u64>(), 0..4);
    let ids = (any::<Option<u64>>(), any::<Option<u64>>());
    (ids, any::<Option<u64>>(), macs).prop_map(|(ids, product_uuid, macs)| IdentityFingerprint {
        host_name: ids.0,
        machine_id: ids.1,
        product_uuid,
        macs,
    })
}

fn health() -> impl Strategy<Value = HealthDigest> {
    let components = (
        component(),
        component(),
        component(),
        component(),
        component(),
    );
    let measured = (
        prop::option::of(time()),
        any::<Option<i32>>(),
        any::<Option<u32>>(),
        any::<Option<u8>>(),
        prop::option::of(fingerprint()),
    );
    let said = (words(), prop::option::of(version()));
    let findings = prop::collection::vec(words(), 0..3);
    (any::<u32>(), time(), findings, components, measured, said).prop_map(
        |(version, at, findings, components, measured, said)| HealthDigest {
            version,
            at,
            findings,
            containerd: components.0,
            kubelet: components.1,
            api_server: components.2,
            etcd: components.3,
            endpoint: components.4,
            kubelet_version: said.1,
            agent_version: said.0,
            certificate_expiry: measured.0,
            clock_offset_ms: measured.1,
            fsync_p99_us: measured.2,
            disk_used_percent: measured.3,
            identity: measured.4,
        },
    )
}

fn spec() -> impl Strategy<Value = SpecHash> {
    any::<[u8; 32]>().prop_map(SpecHash::from_bytes)
}

fn cluster() -> impl Strategy<Value = ClusterId> {
    any::<[u8; 16]>().prop_map(ClusterId::from_bytes)
}

fn instance() -> impl Strategy<Value = InstanceId> {
    any::<[u8; 16]>().prop_map(InstanceId::from_bytes)
}

fn roster() -> impl Strategy<Value = Roster> {
    prop::collection::btree_map(name(), instance(), 0..4)
}

fn grant() -> impl Strategy<Value = Grant> {
    (name(), instance(), any::<u64>(), spec()).prop_map(|(candidate, instance, epoch, spec)| {
        Grant {
            candidate,
            instance,
            epoch,
            spec,
        }
    })
}

fn identity() -> impl Strategy<Value = ClusterIdentity> {
    ("sha256:[0-9a-f]{64}", prop::option::of("[0-9a-f]{16}")).prop_map(
        |(ca_fingerprint, etcd_cluster_id)| ClusterIdentity {
            ca_fingerprint,
            etcd_cluster_id,
        },
    )
}

fn evidence() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(words(), 0..3)
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Virgin),
        grant().prop_map(Standing::Granted),
        grant().prop_map(Standing::Initialising),
        identity().prop_map(Standing::Member),
        evidence().prop_map(|evidence| Standing::Foreign { evidence }),
    ]
}

fn refusal() -> impl Strategy<Value = GrantRefusal> {
    prop_oneof![
        (spec(), spec()).prop_map(|(ours, theirs)| GrantRefusal::SpecDiffers { ours, theirs }),
        (name(), name())
            .prop_map(|(wanted, asked)| GrantRefusal::NotTheCandidate { wanted, asked }),
        grant().prop_map(GrantRefusal::AlreadyGranted),
        grant().prop_map(GrantRefusal::Initialising),
        (cluster(), cluster())
            .prop_map(|(ours, theirs)| GrantRefusal::ClusterDiffers { ours, theirs }),
        any::<(u64, u64)>().prop_map(|(ours, theirs)| GrantRefusal::EpochDiffers { ours, theirs }),
        (name(), instance(), instance()).prop_map(|(node, pinned, shown)| {
            GrantRefusal::InstanceDiffers {
                node,
                pinned,
                shown,
            }
        }),
        name().prop_map(|node| GrantRefusal::NotInRoster { node }),
        Just(GrantRefusal::NotAnOperator),
        (name(), instance())
            .prop_map(|(node, instance)| GrantRefusal::DeclaredLost { node, instance }),
        words().prop_map(|fault| GrantRefusal::Contradiction { fault }),
        identity().prop_map(GrantRefusal::Member),
        evidence().prop_map(|evidence| GrantRefusal::Foreign { evidence }),
        name().prop_map(|asked| GrantRefusal::NotDeclared { asked }),
    ]
}

fn credentials() -> impl Strategy<Value = JoinCredentials> {
    let key = prop::option::of("[0-9a-f]{64}");
    (
        "[a-z]{1,9}:6443",
        "[a-z0-9]{16}",
        "sha256:[0-9a-f]{64}",
        key,
    )
        .prop_map(|(api_server, token, ca_cert_hash, key)| JoinCredentials {
            api_server,
            token: Secret::new(token),
            ca_cert_hash,
            certificate_key: key.map(Secret::new),
        })
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let order = prop_oneof![
        Just(Order::Prepare),
        Just(Order::Init),
        credentials().prop_map(Order::JoinControlPlane),
        credentials().prop_map(Order::JoinWorker),
        Just(Order::Clean),
    ];
    (id(), any::<u64>(), any::<Option<u64>>(), order).prop_map(|(id, generation, fence, order)| {
        Instruction {
            id,
            generation,
            fence: fence.map(Fence),
            order,
        }
    })
}

fn admission() -> impl Strategy<Value = Admission> {
    prop_oneof![
        waiting().prop_map(Admission::Waiting),
        (credentials(), any::<Option<u64>>()).prop_map(|(credentials, fence)| {
            Admission::Admitted {
                credentials,
                fence: fence.map(Fence),
            }
        }),
    ]
}

fn entry() -> impl Strategy<Value = JournalEntry> {
    let event = prop_oneof![
        (any::<u64>(), any::<Option<u64>>()).prop_map(|(generation, fence)| {
            JournalEvent::Accepted {
                generation,
                fence: fence.map(Fence),
            }
        }),
        Just(JournalEvent::Resumed),
        event().prop_map(|event| JournalEvent::Report { event }),
    ];
    (time(), id(), words(), event).prop_map(|(at, operation, kind, event)| JournalEntry {
        at,
        operation,
        kind,
        event,
    })
}

fn view() -> impl Strategy<Value = MemberView> {
    let state = prop_oneof![
        Just(MemberState::Alive),
        Just(MemberState::Suspect),
        Just(MemberState::Down),
    ];
    let who = (name(), zone(), role(), any::<std::net::SocketAddrV4>());
    let numbers = (any::<u16>(), any::<u64>(), any::<Option<u32>>());
    (who, state, time(), numbers, prop::option::of(health())).prop_map(
        |((node, zone, role, address), state, since, numbers, health)| MemberView {
            node,
            zone,
            role,
            address: address.into(),
            state,
            since,
            incarnation: numbers.0,
            boot_epoch: numbers.1,
            round_trip_us: numbers.2,
            health,
        },
    )
}

fn status() -> impl Strategy<Value = NodeStatus> {
    let who = (name(), role(), zone(), words(), cluster());
    let wanted = (any::<u64>(), spec(), prop::option::of(standing()));
    let found = (prop::option::of(operation()), findings(), health());
    let versions = (prop::option::of(version()), prop::option::of(version()));
    let capabilities = prop::collection::vec(words(), 0..3);
    (who, wanted, found, versions, capabilities).prop_map(
        |(who, wanted, found, versions, capabilities)| NodeStatus {
            node: who.0,
            role: who.1,
            zone: who.2,
            agent_version: who.3,
            cluster: who.4,
            generation: wanted.0,
            spec: wanted.1,
            standing: wanted.2,
            operation: found.0,
            findings: found.1,
            health: found.2,
            versions: InstalledVersions {
                kubeadm: versions.0.clone(),
                kubelet: versions.1,
                kubectl: versions.0,
            },
            capabilities,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn instructions_survive(value in instruction()) {
        prop_assert_eq!(round::<v1::Instruction, _>(value.clone()), value);
    }

    #[test]
    fn events_survive(value in event()) {
        prop_assert_eq!(round::<v1::ReportEvent, _>(value.clone()), value);
    }

    #[test]
    fn statuses_survive(value in status()) {
        prop_assert_eq!(round::<v1::NodeStatus, _>(value.clone()), value);
    }

    #[test]
    fn views_survive(value in view()) {
        prop_assert_eq!(round::<v1::MemberView, _>(value.clone()), value);
    }

    #[test]
    fn answers_survive(
        who in (name(), instance(), cluster(), spec()),
        epoch: u64,
        standing in standing(),
        roster in roster(),
        serving: bool,
    ) {
        let (node, instance, cluster, spec) = who;
        let value = StandingAnswer { node, instance, cluster, spec, epoch, standing, roster, serving };
        prop_assert_eq!(round::<v1::StandingAnswer, _>(value.clone()), value);
    }

    #[test]
    fn requests_survive(who in (name(), instance(), cluster(), spec()), epoch: u64, roster in roster()) {
        let (candidate, instance, cluster, spec) = who;
        let value = GrantRequest { candidate, instance, cluster, spec, epoch, roster };
        prop_assert_eq!(round::<v1::GrantRequest, _>(value.clone()), value);
    }

    #[test]
    fn announcements_survive(who in (name(), instance(), cluster()), epoch: u64, identity in identity()) {
        let (node, instance, cluster) = who;
        let value = MemberAnnouncement { node, instance, cluster, epoch, identity };
        prop_assert_eq!(round::<v1::MemberAnnouncement, _>(value.clone()), value);
    }

    #[test]
    fn overrides_survive(
        of in (cluster(), spec(), name()),
        epoch: u64,
        roster in roster(),
        lost in prop::collection::btree_map(name(), prop::collection::btree_set(instance(), 0..3), 0..3),
        reason in words(),
    ) {
        let (cluster, spec, candidate) = of;
        let value = Override { cluster, spec, epoch, candidate, roster, lost, reason };
        prop_assert_eq!(round::<v1::Override, _>(value.clone()), value);
    }

    #[test]
    fn verdicts_survive(grant in grant(), refusal in refusal()) {
        for value in [GrantVerdict::Ok(grant), Err(refusal)] {
            prop_assert_eq!(round::<v1::RequestGrantResponse, _>(value.clone()), value);
        }
    }

    #[test]
    fn admissions_survive(value in admission()) {
        prop_assert_eq!(round::<v1::AdmitResponse, _>(value.clone()), value);
    }

    #[test]
    fn applicants_survive(node in name(), role in role(), address: std::net::IpAddr) {
        let value = Applicant { node, role, address };
        prop_assert_eq!(round::<v1::AdmitRequest, _>(value.clone()), value);
    }

    #[test]
    fn entries_survive(value in entry()) {
        prop_assert_eq!(round::<v1::JournalEntry, _>(value.clone()), value);
    }

    /// Any bytes: a value, or an error that names a field; never a panic.
    #[test]
    fn garbage_is_read_or_refused_by_name(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = v1::NodeStatus::decode(bytes.as_slice())
            && let Err(error) = NodeStatus::try_from(message)
        {
            prop_assert!(!error.field().is_empty());
        }
    }
}

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
    let shown = format!("{admitted:?} {enrol:?} {kubeconfig:?}");
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
