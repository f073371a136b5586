//! Tables of the rules. What they add up to is checked exhaustively in `tests/grants.rs`.

mod begin;
mod onward;
mod promise;

use std::collections::BTreeMap;

use hactl_proto::Timestamp;
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::role::{CallerRole, NodeRole};
use hactl_proto::spec::{ClusterSpec, GrantPolicy};
use hactl_proto::standing::{
    ClusterIdentity, GrantRefusal, GrantRequest, InstanceId, MemberAnnouncement, Override, Roster,
    Standing, StandingAnswer,
};

use super::candidate::{self, Heard, Verdict};
use super::next::{Here, Holding, Next, Peer, Situation, next};
use super::overrule::overrule;
use super::record::{Record, Stage};
use super::voter::{Caller, Witness, adopt, grant, learn, meet};

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn instance(of: u8) -> InstanceId {
    InstanceId::from_bytes([of; 16])
}

fn cluster() -> ClusterId {
    ClusterId::from_bytes([1; 16])
}

fn spec(policy: GrantPolicy, control_planes: u8) -> ClusterSpec {
    let nodes: Vec<_> = (1..=control_planes)
        .map(|n| serde_json::json!({"name": format!("cp{n}"), "address": format!("10.0.0.{n}"), "zone": "a"}))
        .collect();
    serde_json::from_value(serde_json::json!({
        "name": "demo",
        "kubernetes": {"version": "v1.36.2", "image_repository": null, "api_server_args": {}, "api_server_sans": [],
            "kubelet": {}, "kube_proxy": {}, "ignore_preflight_errors": []},
        "networks": {"pods": ["10.244.0.0/16"], "services": ["10.96.0.0/12"], "nodes": [], "dns_domain": "cluster.local"},
        "endpoint": {"host": "10.0.0.100", "port": 8443, "mode": {"kind": "external"}},
        "etcd": {"kind": "stacked", "data_dir": "/var/lib/etcd", "own_mount": false},
        "zones": ["a"],
        "control_planes": nodes,
        "workers": [{"name": "w1", "address": "10.0.0.51", "zone": "a"}],
        "pod_network": null,
        "policies": {"grants": policy, "init_node": null, "prerequisites": {}, "agent_port": 7470, "worker_enrolment": false},
    }))
    .unwrap()
}

fn all() -> ClusterSpec {
    spec(GrantPolicy::All, 3)
}

/// cpN with instance N.
fn record(n: u8) -> Record {
    Record::new(cluster(), name(&format!("cp{n}")), instance(n))
}

fn roster(numbers: &[u8]) -> Roster {
    let one = |n: &u8| (name(&format!("cp{n}")), instance(*n));
    numbers.iter().map(one).collect()
}

fn request() -> GrantRequest {
    GrantRequest {
        candidate: name("cp1"),
        instance: instance(1),
        cluster: cluster(),
        spec: all().bootstrap_hash(),
        epoch: 0,
        roster: roster(&[1, 2, 3]),
    }
}

fn identity(ca: &str) -> ClusterIdentity {
    ClusterIdentity {
        ca_fingerprint: format!("sha256:{ca}"),
        etcd_cluster_id: None,
        beside: Vec::new(),
    }
}

fn member(n: u8, ca: &str, settled: bool) -> Record {
    let identity = identity(ca);
    Record {
        stage: Stage::Member { identity, settled },
        ..record(n)
    }
}

/// cpN with instance N, as it tells of a cluster of epoch 0.
fn witness(n: u8) -> Witness {
    Witness {
        node: name(&format!("cp{n}")),
        instance: instance(n),
        epoch: 0,
    }
}

fn cp1() -> Caller {
    Caller::control_plane(name("cp1"))
}

fn operator() -> Caller {
    Caller {
        node: None,
        role: CallerRole::Operator,
    }
}

fn ask(record: &Record, request: &GrantRequest) -> Result<Record, GrantRefusal> {
    grant(record, &all(), &[], &cp1(), request).map(|(record, _)| record)
}

fn candidate_grant(request: &GrantRequest) -> hactl_proto::standing::Grant {
    hactl_proto::standing::Grant {
        candidate: request.candidate.clone(),
        instance: request.instance,
        epoch: request.epoch,
        spec: request.spec,
    }
}

/// The override of epoch 1: these machines count (number and instance), those are lost.
fn word(candidate: &str, counts: &[(u8, u8)], lost: &[(&str, &[u8])]) -> Override {
    let one = |(n, of): &(u8, u8)| (name(&format!("cp{n}")), instance(*of));
    Override {
        cluster: cluster(),
        spec: all().bootstrap_hash(),
        epoch: 1,
        candidate: name(candidate),
        roster: counts.iter().map(one).collect(),
        lost: lost
            .iter()
            .map(|(node, of)| (name(node), of.iter().copied().map(instance).collect()))
            .collect(),
        reason: "cp1 burnt".to_owned(),
    }
}

/// cp1 is lost, cp2 takes its part.
fn without_cp1() -> Override {
    word("cp2", &[(2, 2), (3, 3)], &[("cp1", &[1])])
}

/// The candidate cp1 as it has met these answers.
fn candidate(answers: &[StandingAnswer]) -> (Record, BTreeMap<NodeName, Heard>) {
    let mut own = record(1);
    let mut heard = BTreeMap::new();
    for answer in answers {
        own = meet(&own, &all(), answer).unwrap_or(own);
        let answer = Some(answer.clone());
        let node = answer.as_ref().map(|answer| answer.node.clone()).unwrap();
        heard.insert(
            node,
            Heard {
                answer,
                ..Heard::default()
            },
        );
    }
    (own, heard)
}

fn virgin(n: u8) -> StandingAnswer {
    record(n).answer(&all(), &[], false)
}
