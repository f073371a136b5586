//! Next: the one thing that a node does now in its first boot. Computed anew from durable state and facts each time, so it
//! does not matter where the agent was killed.

/// What the others say.
mod others;

use std::collections::BTreeMap;

use hactl_proto::Timestamp;
use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{ClusterIdentity, GrantRefusal, GrantRequest, StandingAnswer};

use super::candidate::{self, Heard, Verdict};
use super::finding;
use super::record::{Record, Stage};
use super::voter::Witness;
use crate::plan::left::Left;
pub(super) use others::answers;
use others::{other_clusters, other_specs, serving, silent, since};

/// All that the next thing depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What the node durably is.
    pub record: &'a Record,
    /// The spec that it holds.
    pub spec: &'a ClusterSpec,
    /// Its role.
    pub role: NodeRole,
    /// What is on it.
    pub here: &'a Here,
    /// What the other declared control planes said; a worker hears them too.
    pub peers: &'a BTreeMap<NodeName, Peer>,
}

/// A summary of the node's own facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// Whether every enforced prerequisite holds.
    pub prepared: bool,
    /// What lies on the node.
    pub holding: Holding,
    /// Whether something answers as an API server at the cluster's endpoint.
    pub endpoint_answers: bool,
    /// What is left of the join of a node that is complete and healthy, and not settled yet.
    pub left: Left,
}

/// What of Kubernetes lies on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// Nothing.
    Nothing,
    /// Some of what an init or a join leaves, not all.
    Partial {
        /// What there is, as "/etc/kubernetes/pki/ca.crt".
        evidence: Vec<String>,
    },
    /// All that a finished init or join leaves.
    Complete {
        /// The cluster that it belongs to.
        identity: ClusterIdentity,
        /// Whether its components answer as they should.
        healthy: bool,
        /// Whether they had the time to come up since the machine or the kubelet started.
        grace_over: bool,
    },
}

impl Holding {
    /// Whether it is complete and answers.
    const fn healthy(&self) -> bool {
        matches!(self, Self::Complete { healthy: true, .. })
    }
}

/// One other declared control plane, as this node hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it said.
    pub heard: Heard,
    /// Since when it has been answering, or silent.
    pub since: Timestamp,
}

/// Who is missing, and since when.
pub type Missing = Vec<(NodeName, Timestamp)>;

/// The next thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Put the prerequisites right.
    Prepare,
    /// Write that there is a cluster, then look again.
    Learn {
        /// The cluster.
        identity: ClusterIdentity,
        /// Who said so.
        by: Witness,
    },
    /// Too few control planes answer for a grant.
    AwaitPeers {
        /// Who does not.
        missing: Missing,
    },
    /// Promise to oneself, durably, then ask these.
    RequestGrants {
        /// The request.
        request: GrantRequest,
        /// Whose grants are not held yet.
        from: Vec<NodeName>,
        /// What they said when they were asked last.
        refusals: Vec<(NodeName, GrantRefusal)>,
    },
    /// Write this record, then run `kubeadm init`; after a crash, run it on.
    Init(Record),
    /// Wait until there is a member to join through.
    AwaitMember {
        /// The candidate, while there is no cluster.
        candidate: Option<NodeName>,
        /// Who does not answer.
        missing: Missing,
    },
    /// Wait for what is complete on this node to become healthy.
    AwaitHealth {
        /// What was seen of it.
        observed: String,
    },
    /// Write that this node is settled in its cluster.
    Settle(ClusterIdentity),
    /// Join through one of these members; on a node that is in already, what is left of it.
    Join {
        /// As a control plane, or as a worker.
        role: NodeRole,
        /// Members that serve, the one to ask first in front.
        via: Vec<NodeName>,
        /// Whether a worker has leftovers to clean first. A control plane's join plan cleans by itself: it knows whether its etcd
        /// member votes.
        clean: bool,
    },
    /// Nothing: the node is settled.
    Done,
    /// Nothing, until an operator looked.
    Refuse {
        /// Why, and what can be done.
        findings: Vec<Finding>,
    },
}

/// Decides.
pub fn next(situation: &Situation<'_>) -> Next {
    match &situation.record.stage {
        Stage::Member {
            identity,
            settled: true,
        } => settled(situation, identity),
        Stage::Member {
            identity,
            settled: false,
        } => joining(situation, identity),
        Stage::Initialising(_) => initialising(situation),
        Stage::Virgin | Stage::Granted(_) => unbound(situation),
    }
}

/// Nothing lost, nothing to do; and what is lost is never begun anew.
fn settled(situation: &Situation<'_>, identity: &ClusterIdentity) -> Next {
    match &situation.here.holding {
        Holding::Complete { identity: held, .. }
            if held.authorities().eq(identity.authorities()) =>
        {
            Next::Done
        }
        // Its CA is being replaced: a known one lies beside the other, so it is the same cluster, and the record follows.
        Holding::Complete { identity: held, .. } if held.shares_ca(identity) => {
            Next::Settle(held.clone())
        }
        Holding::Complete { identity: held, .. } => refuse(finding::other_cluster(held, identity)),
        Holding::Partial { evidence } => refuse(finding::data_lost(identity, evidence)),
        Holding::Nothing => refuse(finding::data_lost(identity, &[])),
    }
}

/// A cluster is known, this node is not settled in it.
fn joining(situation: &Situation<'_>, identity: &ClusterIdentity) -> Next {
    let clean = match &situation.here.holding {
        Holding::Complete { identity: held, .. } if !held.shares_ca(identity) => {
            return refuse(finding::other_cluster(held, identity));
        }
        Holding::Complete {
            identity: held,
            healthy: true,
            grace_over,
        } => match &situation.here.left {
            Left::Nothing => return Next::Settle(held.clone()),
            Left::Time(what) => return await_health(what),
            Left::Registration if !grace_over => return await_health("its Node is not registered"),
            Left::Registration | Left::Steps(_) => false,
        },
        Holding::Complete {
            grace_over: false, ..
        } => return await_health(COMING_UP),
        Holding::Complete { .. } | Holding::Partial { .. } => true,
        Holding::Nothing => false,
    };
    if let Some(findings) = other_clusters(situation, identity) {
        return Next::Refuse { findings };
    }
    if let Some(findings) = other_specs(situation) {
        return Next::Refuse { findings };
    }
    // What is left after kubeadm needs no prerequisite of a beginning.
    if !situation.here.prepared && !situation.here.holding.healthy() {
        return Next::Prepare;
    }
    let via = serving(situation, identity);
    if via.is_empty() {
        return Next::AwaitMember {
            candidate: None,
            missing: silent(situation),
        };
    }
    Next::Join {
        role: situation.role,
        via,
        clean: clean && situation.role == NodeRole::Worker,
    }
}

const COMING_UP: &str = "kubelet, API server or etcd do not answer as they should yet";

fn await_health(observed: &str) -> Next {
    Next::AwaitHealth {
        observed: observed.to_owned(),
    }
}

/// The init was begun. It is run on, unless somebody's answer says that this machine was replaced or that there is another
/// cluster. Silence is no objection: every grant is held already.
fn initialising(situation: &Situation<'_>) -> Next {
    let record = situation.record;
    let contrary: Vec<_> = answers(situation)
        .filter_map(|answer| {
            candidate::objection(record, situation.spec, answer)
                .filter(|objection| forbids_resuming(situation, answer, objection))
                .map(|objection| finding::objection(&answer.node, &objection))
        })
        .collect();
    if !contrary.is_empty() {
        return Next::Refuse { findings: contrary };
    }
    match &situation.here.holding {
        // kubeadm was through: what is left is not its matter, and no prerequisite of a beginning holds it up.
        Holding::Complete { healthy: true, .. } => Next::Init(record.clone()),
        // It may still come up, and is not begun anew meanwhile.
        Holding::Complete {
            grace_over: false, ..
        } => await_health(COMING_UP),
        _ if situation.here.prepared => Next::Init(record.clone()),
        _ => Next::Prepare,
    }
}

/// What stops an init that was begun: another cluster, this very machine declared lost or replaced. A later epoch that counts on
/// this machine does not: its grant is wanted there and never given, so nobody else begins.
fn forbids_resuming(
    situation: &Situation<'_>,
    answer: &StandingAnswer,
    objection: &GrantRefusal,
) -> bool {
    let own = situation.record;
    match objection {
        GrantRefusal::EpochDiffers { .. } => answer.roster.get(&own.node) != Some(&own.instance),
        GrantRefusal::Initialising(_) | GrantRefusal::AlreadyGranted(_) => true,
        GrantRefusal::Member(theirs) => match &situation.here.holding {
            Holding::Complete { identity, .. } => !identity.shares_ca(theirs),
            Holding::Nothing | Holding::Partial { .. } => true,
        },
        GrantRefusal::InstanceDiffers { node, .. } => *node == own.node,
        _ => false,
    }
}

/// No cluster is known here, no init begun.
fn unbound(situation: &Situation<'_>) -> Next {
    let member = answers(situation).find_map(|answer| candidate::told(situation.record, answer));
    if let Some(findings) = foreign(situation, member.as_ref().map(|(identity, _)| identity)) {
        return Next::Refuse { findings };
    }
    if let Some((identity, by)) = member {
        return Next::Learn { identity, by };
    }
    if !situation.here.prepared {
        return Next::Prepare;
    }
    let candidate = situation.record.candidate(situation.spec);
    if situation.role == NodeRole::ControlPlane && candidate == Some(&situation.record.node) {
        return as_candidate(situation);
    }
    let replaced = finding::replaced(situation);
    if situation.role == NodeRole::ControlPlane && !replaced.is_empty() {
        return Next::Refuse { findings: replaced };
    }
    Next::AwaitMember {
        candidate: candidate.cloned(),
        missing: silent(situation),
    }
}

/// The candidate's own way to the init.
fn as_candidate(situation: &Situation<'_>) -> Next {
    let heard = situation
        .peers
        .iter()
        .map(|(node, peer)| (node.clone(), peer.heard.clone()))
        .collect();
    let verdict = candidate::decide(situation.record, situation.spec, &heard);
    if situation.here.endpoint_answers && !matches!(verdict, Verdict::JoinOnly { .. }) {
        return refuse(finding::endpoint_answers(&situation.spec.endpoint));
    }
    match verdict {
        Verdict::Await(missing) => Next::AwaitPeers {
            missing: since(situation, missing),
        },
        Verdict::Ask(request, from) => Next::RequestGrants {
            refusals: from
                .iter()
                .filter_map(|node| Some((node.clone(), heard.get(node)?.refusal.clone()?)))
                .collect(),
            request,
            from,
        },
        Verdict::Begin(record) => Next::Init(*record),
        Verdict::JoinOnly { identity, by } => Next::Learn { identity, by },
        Verdict::Stop(objections) => Next::Refuse {
            findings: objections
                .iter()
                .map(|(node, objection)| finding::objection(node, objection))
                .collect(),
        },
    }
}

/// Data without a record refuses, unless it is complete and of the very cluster that a member names: then only the record
/// was lost.
fn foreign(situation: &Situation<'_>, member: Option<&ClusterIdentity>) -> Option<Vec<Finding>> {
    match (&situation.here.holding, member) {
        (Holding::Nothing, _) => None,
        (Holding::Complete { identity, .. }, Some(member)) if identity.shares_ca(member) => None,
        (Holding::Complete { identity, .. }, _) => Some(vec![finding::foreign(&[format!(
            "a cluster with CA {}",
            identity.ca_fingerprint
        )])]),
        (Holding::Partial { evidence }, _) => Some(vec![finding::foreign(evidence)]),
    }
}

fn refuse(finding: Finding) -> Next {
    Next::Refuse {
        findings: vec![finding],
    }
}
