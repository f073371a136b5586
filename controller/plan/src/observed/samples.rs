//! Made-up observations: three control planes and a worker in three zones, at a fixed moment.

use std::net::SocketAddr;

use hactl_proto::Timestamp;
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::health::{ComponentHealth, HealthDigest};
use hactl_proto::instruction::OperationId;
use hactl_proto::member::{MemberState, MemberView, Reach, ZoneCondition};
use hactl_proto::name::ClusterId;
use hactl_proto::report::{OperationStatus, Waiting};
use hactl_proto::role::NodeRole;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{ClusterIdentity, Grant, InstanceId, Standing};
use hactl_proto::status::{InstalledVersions, NodeStatus};

use super::{Answer, Observed, ObservedNode, Silence};
use crate::spec;

const SPEC: &str = "\
apiVersion: hactl.io/v1alpha1
kind: Cluster
metadata: {name: prod}
spec:
  kubernetes: {version: v1.36.2}
  networks: {nodes: 10.0.0.0/24}
  endpoint: {host: api.example.org, address: 10.0.0.10}
  zones: [a, b, c]
  controlPlanes:
    - {name: cp1, address: 10.0.0.11, zone: a}
    - {name: cp2, address: 10.0.0.12, zone: b}
    - {name: cp3, address: 10.0.0.13, zone: c}
  workers:
    - {name: w1, address: 10.0.0.21, zone: a}
";

/// The moment of all samples.
pub const NOW: &str = "2026-11-22T17:20:00Z";

/// That many seconds before the moment of all samples.
pub fn ago(seconds: i64) -> Timestamp {
    let now: Timestamp = NOW.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    Timestamp::from_second(now.as_second() - seconds).unwrap_or(now)
}

/// The spec of all samples.
///
/// # Panics
/// When it is not accepted, which the tests would show.
pub fn cluster_spec() -> ClusterSpec {
    match spec::read(SPEC.as_bytes(), &mut |_| Err("no files here".to_owned())) {
        Ok(accepted) => accepted.spec,
        Err(refused) => panic!("{refused:?}"),
    }
}

/// The cluster that all belong to once it is there.
pub fn identity() -> ClusterIdentity {
    ClusterIdentity {
        ca_fingerprint: "sha256:5d2fc0de00112233445566778899aabbccddeeff00112233445566778899aabb"
            .to_owned(),
        etcd_cluster_id: Some("cdf818194e3a8c32".to_owned()),
        beside: Vec::new(),
    }
}

/// A grant to `cp1`.
pub fn grant(spec: &ClusterSpec) -> Grant {
    Grant {
        candidate: spec.control_planes[0].name.clone(),
        instance: InstanceId::from_bytes([7; 16]),
        epoch: 0,
        spec: spec.bootstrap_hash(),
    }
}

/// All is well.
pub fn healthy() -> Observed {
    let spec = cluster_spec();
    let cluster = ClusterId::from_bytes([1; 16]);
    let declared = spec
        .control_planes
        .iter()
        .map(|node| (node, NodeRole::ControlPlane));
    let declared = declared.chain(spec.workers.iter().map(|node| (node, NodeRole::Worker)));
    let nodes = declared
        .map(|(node, role)| ObservedNode {
            name: node.name.clone(),
            role,
            zone: node.zone.clone(),
            address: node.address,
            declared: true,
            status: Answer::Said(status(&spec, cluster, node, role)),
            members: Answer::Said(views(&spec)),
        })
        .collect();
    Observed {
        at: ago(0),
        cluster,
        generation: 3,
        spec,
        nodes,
    }
}

/// `cp2` is powered off, `cp3` is joining, `w1` has findings.
pub fn troubled() -> Observed {
    let mut observed = healthy();
    observed.nodes[1].status = silent("connect: no route to host");
    observed.nodes[1].members = silent("connect: no route to host");
    for node in &mut observed.nodes {
        if let Answer::Said(views) = &mut node.members {
            views[1].state = if node.name.as_str() == "w1" {
                MemberState::Suspect
            } else {
                MemberState::Down
            };
            views[1].since = ago(42);
            views[1].round_trip_us = None;
        }
    }
    if let Answer::Said(status) = &mut observed.nodes[2].status {
        status.standing = Some(Standing::Virgin);
        status.health.etcd = ComponentHealth::Unknown;
        status.health.api_server = ComponentHealth::Unhealthy;
        status.operation = Some(joining());
    }
    if let Answer::Said(status) = &mut observed.nodes[3].status {
        status.findings = vec![swap(), clock()];
    }
    observed
}

/// The first boot waits for the grant of `cp3`, which does not answer.
pub fn first_boot() -> Observed {
    let mut observed = healthy();
    let grant = grant(&observed.spec);
    for node in &mut observed.nodes {
        if let Answer::Said(status) = &mut node.status {
            status.standing =
                (node.role == NodeRole::ControlPlane).then(|| Standing::Granted(grant.clone()));
            if node.role == NodeRole::ControlPlane {
                status.health.api_server = ComponentHealth::Unhealthy;
                status.health.etcd = ComponentHealth::Unhealthy;
            }
            status.health.kubelet = ComponentHealth::Unhealthy;
        }
    }
    observed.nodes[2].status = silent("deadline of 5 s passed");
    observed.nodes[2].members = silent("deadline of 5 s passed");
    observed
}

/// No answer, tried for five seconds.
pub fn silent<T>(reason: &str) -> Answer<T> {
    Answer::Silent(Silence {
        since: ago(5),
        tried_ms: 5_000,
        reason: reason.to_owned(),
    })
}

fn status(
    spec: &ClusterSpec,
    cluster: ClusterId,
    node: &hactl_proto::spec::DeclaredNode,
    role: NodeRole,
) -> NodeStatus {
    let control_plane = role == NodeRole::ControlPlane;
    let version = Some(spec.kubernetes.version.clone());
    NodeStatus {
        node: node.name.clone(),
        role,
        zone: node.zone.clone(),
        agent_version: "0.1.0".to_owned(),
        cluster,
        generation: 3,
        spec: spec.bootstrap_hash(),
        standing: control_plane.then(|| Standing::Member(identity())),
        operation: None,
        findings: Vec::new(),
        health: digest(spec, control_plane),
        versions: InstalledVersions {
            kubeadm: version.clone(),
            kubelet: version.clone(),
            kubectl: version,
        },
        capabilities: Vec::new(),
    }
}

fn digest(spec: &ClusterSpec, control_plane: bool) -> HealthDigest {
    let on_control_planes = if control_plane {
        ComponentHealth::Healthy
    } else {
        ComponentHealth::Absent
    };
    HealthDigest {
        at: ago(3),
        containerd: ComponentHealth::Healthy,
        kubelet: ComponentHealth::Healthy,
        api_server: on_control_planes,
        etcd: on_control_planes,
        endpoint: on_control_planes,
        kubelet_version: Some(spec.kubernetes.version.clone()),
        ..HealthDigest::default()
    }
}

fn views(spec: &ClusterSpec) -> Vec<MemberView> {
    let declared = spec
        .control_planes
        .iter()
        .map(|node| (node, NodeRole::ControlPlane));
    declared
        .chain(spec.workers.iter().map(|node| (node, NodeRole::Worker)))
        .map(|(node, role)| MemberView {
            node: node.name.clone(),
            zone: node.zone.clone(),
            role,
            address: SocketAddr::new(node.address, spec.policies.agent_port),
            state: MemberState::Alive,
            since: ago(3_600),
            incarnation: 0,
            boot_epoch: 2,
            round_trip_us: Some(410),
            health: None,
            reach: Reach::default(),
            zone_condition: ZoneCondition::default(),
        })
        .collect()
}

fn joining() -> OperationStatus {
    let id = OperationId::new("join-cp3-1").unwrap_or_else(|error| panic!("{error}"));
    OperationStatus {
        id,
        kind: "join-control-plane".to_owned(),
        accepted: ago(75),
        step: Some((4, 9, "kubeadm-join".to_owned())),
        waiting: Some(Waiting {
            condition: "etcd member cp3 started".to_owned(),
            since: ago(12),
            observed: "a learner, 3 MB behind".to_owned(),
        }),
        outcome: None,
    }
}

fn swap() -> Finding {
    Finding {
        check: "swap-off".to_owned(),
        severity: Severity::Refusal,
        observed: "2048 MiB of swap on /dev/sda2".to_owned(),
        wanted: "no swap, now and at the next boot".to_owned(),
        remedy: "swapoff -a, and comment the line out in /etc/fstab".to_owned(),
        mendable: true,
    }
}

fn clock() -> Finding {
    Finding {
        check: "clock".to_owned(),
        severity: Severity::Warning,
        observed: "0.7 s behind the median of 3 peers".to_owned(),
        wanted: "within 0.5 s".to_owned(),
        remedy: "check the time service: chronyc tracking".to_owned(),
        mendable: false,
    }
}
