//! Any value of each type.

use hactl_proto::Timestamp;
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::health::{ComponentHealth, HealthDigest};
use hactl_proto::identity::IdentityFingerprint;
use hactl_proto::instruction::{Fence, Instruction, JoinCredentials, OperationId, Order};
use hactl_proto::join::Admission;
use hactl_proto::journal::{JournalEntry, JournalEvent};
use hactl_proto::member::{MemberState, MemberView, Reach, ZoneCondition};
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::report::{OperationStatus, Outcome, ReportEvent, Waiting};
use hactl_proto::role::NodeRole;
use hactl_proto::secret::Secret;
use hactl_proto::spec::SpecHash;
use hactl_proto::standing::{ClusterIdentity, Grant, GrantRefusal, InstanceId, Roster, Standing};
use hactl_proto::status::{InstalledVersions, NodeStatus};
use hactl_proto::version::KubernetesVersion;
use proptest::prelude::*;

use crate::rollout::rollout_order;

pub(crate) fn words() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

pub(crate) fn name() -> impl Strategy<Value = NodeName> {
    "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,4})?".prop_map(|text| NodeName::new(text).unwrap())
}

pub(crate) fn zone() -> impl Strategy<Value = ZoneName> {
    "[a-z][a-z0-9]{0,8}".prop_map(|text| ZoneName::new(text).unwrap())
}

pub(crate) fn id() -> impl Strategy<Value = OperationId> {
    "[a-z0-9-]{1,40}".prop_map(|text| OperationId::new(text).unwrap())
}

/// Also before 1970, and with nanoseconds.
pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
    (-10_000_000_000_i64..100_000_000_000, 0..1_000_000_000_i32)
        .prop_map(|(seconds, nanos)| Timestamp::new(seconds, nanos).unwrap())
}

pub(crate) fn version() -> impl Strategy<Value = KubernetesVersion> {
    (1..3_u16, 0..60_u16, 0..30_u16, prop::bool::ANY).prop_map(|(major, minor, patch, pre)| {
        let pre = if pre { "-rc.1" } else { "" };
        format!("v{major}.{minor}.{patch}{pre}").parse().unwrap()
    })
}

pub(crate) fn role() -> impl Strategy<Value = NodeRole> {
    prop_oneof![Just(NodeRole::ControlPlane), Just(NodeRole::Worker)]
}

pub(crate) fn finding() -> impl Strategy<Value = Finding> {
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

pub(crate) fn findings() -> impl Strategy<Value = Vec<Finding>> {
    prop::collection::vec(finding(), 0..3)
}

pub(crate) fn waiting() -> impl Strategy<Value = Waiting> {
    (words(), time(), words()).prop_map(|(condition, since, observed)| Waiting {
        condition,
        since,
        observed,
    })
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
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

pub(crate) fn event() -> impl Strategy<Value = ReportEvent> {
    prop_oneof![
        prop::collection::vec(words(), 0..4).prop_map(|steps| ReportEvent::Planned { steps }),
        (any::<u32>(), words()).prop_map(|(index, step)| ReportEvent::Started { index, step }),
        waiting().prop_map(ReportEvent::Waiting),
        (any::<u32>(), words()).prop_map(|(index, step)| ReportEvent::Finished { index, step }),
        outcome().prop_map(ReportEvent::Ended),
    ]
}

pub(crate) fn operation() -> impl Strategy<Value = OperationStatus> {
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

pub(crate) fn component() -> impl Strategy<Value = ComponentHealth> {
    prop_oneof![
        Just(ComponentHealth::Unknown),
        Just(ComponentHealth::Absent),
        Just(ComponentHealth::Healthy),
        Just(ComponentHealth::Unhealthy),
    ]
}

pub(crate) fn fingerprint() -> impl Strategy<Value = IdentityFingerprint> {
    let macs = prop::collection::vec(any::<u64>(), 0..4);
    let ids = (any::<Option<u64>>(), any::<Option<u64>>());
    (ids, any::<Option<u64>>(), macs).prop_map(|(ids, product_uuid, macs)| IdentityFingerprint {
        host_name: ids.0,
        machine_id: ids.1,
        product_uuid,
        macs,
    })
}

pub(crate) fn health() -> impl Strategy<Value = HealthDigest> {
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

pub(crate) fn spec() -> impl Strategy<Value = SpecHash> {
    any::<[u8; 32]>().prop_map(SpecHash::from_bytes)
}

pub(crate) fn cluster() -> impl Strategy<Value = ClusterId> {
    any::<[u8; 16]>().prop_map(ClusterId::from_bytes)
}

pub(crate) fn instance() -> impl Strategy<Value = InstanceId> {
    any::<[u8; 16]>().prop_map(InstanceId::from_bytes)
}

pub(crate) fn roster() -> impl Strategy<Value = Roster> {
    prop::collection::btree_map(name(), instance(), 0..4)
}

pub(crate) fn grant() -> impl Strategy<Value = Grant> {
    (name(), instance(), any::<u64>(), spec()).prop_map(|(candidate, instance, epoch, spec)| {
        Grant {
            candidate,
            instance,
            epoch,
            spec,
        }
    })
}

pub(crate) fn identity() -> impl Strategy<Value = ClusterIdentity> {
    (
        "sha256:[0-9a-f]{64}",
        prop::option::of("[0-9a-f]{16}"),
        prop::collection::vec("sha256:[0-9a-f]{64}", 0..2),
    )
        .prop_map(
            |(ca_fingerprint, etcd_cluster_id, beside)| ClusterIdentity {
                ca_fingerprint,
                etcd_cluster_id,
                beside,
            },
        )
}

pub(crate) fn evidence() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(words(), 0..3)
}

pub(crate) fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Virgin),
        grant().prop_map(Standing::Granted),
        grant().prop_map(Standing::Initialising),
        identity().prop_map(Standing::Member),
        evidence().prop_map(|evidence| Standing::Foreign { evidence }),
    ]
}

pub(crate) fn refusal() -> impl Strategy<Value = GrantRefusal> {
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

pub(crate) fn credentials() -> impl Strategy<Value = JoinCredentials> {
    let key = prop::option::of("[0-9a-f]{64}");
    (
        "[a-z]{1,9}:6443",
        "[a-z0-9]{16}",
        "sha256:[0-9a-f]{64}",
        key,
        any::<bool>(),
    )
        .prop_map(
            |(api_server, token, ca_cert_hash, key, kept)| JoinCredentials {
                api_server,
                token: Secret::new(token),
                ca_cert_hash,
                certificate_key: key.map(Secret::new),
                etcd_member_kept: kept,
            },
        )
}

pub(crate) fn instruction() -> impl Strategy<Value = Instruction> {
    let order = prop_oneof![
        Just(Order::Prepare),
        Just(Order::Init),
        credentials().prop_map(Order::JoinControlPlane),
        credentials().prop_map(Order::JoinWorker),
        Just(Order::Clean),
        rollout_order().prop_map(Order::Rollout),
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

pub(crate) fn admission() -> impl Strategy<Value = Admission> {
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

pub(crate) fn entry() -> impl Strategy<Value = JournalEntry> {
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

pub(crate) fn view() -> impl Strategy<Value = MemberView> {
    let state = prop_oneof![
        Just(MemberState::Alive),
        Just(MemberState::Suspect),
        Just(MemberState::Down),
    ];
    let who = (name(), zone(), role(), any::<std::net::SocketAddrV4>());
    let numbers = (any::<u16>(), any::<u64>(), any::<Option<u32>>());
    let reach = prop_oneof![
        Just(Reach::Direct),
        Just(Reach::NotTo),
        Just(Reach::NotFrom),
        Just(Reach::Stream),
    ];
    let condition = prop_oneof![
        Just(ZoneCondition::Reachable),
        Just(ZoneCondition::Silent),
        Just(ZoneCondition::CutOff),
        Just(ZoneCondition::Undecided),
        Just(ZoneCondition::Alone),
    ];
    let ways = (reach, condition);
    (
        who,
        state,
        time(),
        numbers,
        prop::option::of(health()),
        ways,
    )
        .prop_map(
            |((node, zone, role, address), state, since, numbers, health, ways)| MemberView {
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
                reach: ways.0,
                zone_condition: ways.1,
            },
        )
}

pub(crate) fn status() -> impl Strategy<Value = NodeStatus> {
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
