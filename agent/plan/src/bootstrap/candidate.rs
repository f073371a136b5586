//! The candidate: whether it may run `kubeadm init`, whom it still has to hear, whom it still has to ask.

use std::collections::BTreeMap;

use hactl_proto::name::NodeName;
use hactl_proto::spec::{ClusterSpec, GrantPolicy};
use hactl_proto::standing::{
    ClusterIdentity, Grant, GrantRefusal, GrantRequest, InstanceId, Standing, StandingAnswer,
};

use super::record::{Record, Stage};
use super::voter::{Witness, believe, recognise};

/// What the candidate heard from one other declared control plane: the newest answer, and what it said to the request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// Its newest answer; `None`: it is silent.
    pub answer: Option<StandingAnswer>,
    /// The grant it gave, with the instance that gave it.
    pub grant: Option<(InstanceId, Grant)>,
    /// Why it gave none, when it was asked last. Only shown: it is asked again.
    pub refusal: Option<GrantRefusal>,
}

/// What follows for the candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Too few answered: these are missing.
    Await(Vec<NodeName>),
    /// Promise to oneself first, then send the request to these.
    Ask(GrantRequest, Vec<NodeName>),
    /// Every grant is held: write this record, then run `kubeadm init`.
    Begin(Box<Record>),
    /// There is a cluster: join it.
    JoinOnly {
        /// The cluster.
        identity: ClusterIdentity,
        /// Who said so.
        by: Witness,
    },
    /// Someone's answer forbids the init until an operator looked; who, and why.
    Stop(Vec<(NodeName, GrantRefusal)>),
}

/// Decides for the candidate; its record is at [`Stage::Virgin`] or [`Stage::Granted`] to itself.
pub fn decide(record: &Record, spec: &ClusterSpec, heard: &BTreeMap<NodeName, Heard>) -> Verdict {
    if let Some((identity, by)) = member(record, heard) {
        return Verdict::JoinOnly { identity, by };
    }
    let objections = objections(record, spec, heard);
    if !objections.is_empty() {
        return Verdict::Stop(objections);
    }
    let others = voters(record, spec);
    let (present, missing): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|node| counted(record, heard, node).is_some());
    let wanted = wanted(record, spec);
    if present.len() < wanted {
        return Verdict::Await(missing);
    }
    let held = present
        .iter()
        .filter(|node| holds_grant(record, spec, heard, node))
        .count();
    match &record.stage {
        Stage::Granted(own) if held >= wanted && is_own(record, spec, own) => {
            Verdict::Begin(Box::new(Record {
                stage: Stage::Initialising(own.clone()),
                ..record.clone()
            }))
        }
        _ => {
            let open = present
                .iter()
                .filter(|node| !holds_grant(record, spec, heard, node))
                .cloned()
                .collect();
            Verdict::Ask(request(record, spec, heard, &present), open)
        }
    }
}

/// The record as its init begins. What was decided on an older record does not count: meanwhile this node may have taken
/// an override, or learnt of a cluster.
pub fn begin(record: &Record, begun: &Record) -> Result<Record, GrantRefusal> {
    let Stage::Initialising(own) = &begun.stage else {
        return Err(GrantRefusal::NotInRoster {
            node: record.node.clone(),
        });
    };
    match &record.stage {
        Stage::Initialising(held) if held == own => Ok(record.clone()),
        Stage::Granted(held) if held == own && to_self(record, own) => Ok(Record {
            stage: begun.stage.clone(),
            ..record.clone()
        }),
        Stage::Member { identity, .. } => Err(GrantRefusal::Member(identity.clone())),
        Stage::Granted(held) => Err(GrantRefusal::AlreadyGranted(held.clone())),
        Stage::Initialising(held) => Err(GrantRefusal::Initialising(held.clone())),
        Stage::Virgin => Err(GrantRefusal::EpochDiffers {
            ours: record.epoch,
            theirs: own.epoch,
        }),
    }
}

/// The others whose grants can count: all declared control planes but this one and those lost without a successor.
pub fn voters(record: &Record, spec: &ClusterSpec) -> Vec<NodeName> {
    let declared = spec.control_planes.iter().map(|node| &node.name);
    declared
        .filter(|node| **node != record.node && !record.is_lost(node))
        .cloned()
        .collect()
}

/// How many of the others have to grant. After an override always everyone who is not lost; see the module above.
pub fn wanted(record: &Record, spec: &ClusterSpec) -> usize {
    let others = voters(record, spec).len();
    match spec.policies.grants {
        GrantPolicy::Majority if record.epoch == 0 => {
            if others == 0 {
                0
            } else {
                others / 2 + 1
            }
        }
        GrantPolicy::Majority | GrantPolicy::All => others,
    }
}

/// Why some answers forbid the init. An answer of an older epoch is no objection: that node has yet to hear the override,
/// and until then it counts as missing.
fn objections(
    record: &Record,
    spec: &ClusterSpec,
    heard: &BTreeMap<NodeName, Heard>,
) -> Vec<(NodeName, GrantRefusal)> {
    let mut found = Vec::new();
    for (node, heard) in heard {
        let said = heard.answer.as_ref();
        if let Some(objection) = said.and_then(|answer| objection(record, spec, answer)) {
            found.push((node.clone(), objection));
        }
    }
    found
}

/// Why one answer forbids the init of this record's node.
pub fn objection(
    record: &Record,
    spec: &ClusterSpec,
    answer: &StandingAnswer,
) -> Option<GrantRefusal> {
    if answer.cluster != record.cluster {
        return Some(GrantRefusal::ClusterDiffers {
            ours: record.cluster,
            theirs: answer.cluster,
        });
    }
    if answer.epoch > record.epoch {
        return Some(GrantRefusal::EpochDiffers {
            ours: record.epoch,
            theirs: answer.epoch,
        });
    }
    if let Err(refusal) = recognise(record, &answer.node, answer.instance) {
        return Some(refusal);
    }
    match &answer.standing {
        Standing::Member(identity) => return Some(GrantRefusal::Member(identity.clone())),
        Standing::Initialising(grant) => return Some(GrantRefusal::Initialising(grant.clone())),
        Standing::Foreign { evidence } => {
            return Some(GrantRefusal::Foreign {
                evidence: evidence.clone(),
            });
        }
        Standing::Granted(_) | Standing::Virgin => {}
    }
    if answer.epoch < record.epoch {
        return None;
    }
    let hash = spec.bootstrap_hash();
    if answer.spec != hash {
        return Some(GrantRefusal::SpecDiffers {
            ours: hash,
            theirs: answer.spec,
        });
    }
    match &answer.standing {
        Standing::Granted(grant) if !to_self(record, grant) => {
            Some(GrantRefusal::AlreadyGranted(grant.clone()))
        }
        _ => strangers(record, answer),
    }
}

/// Whether the answering node knows somebody, this node included, by another instance than this node does.
fn strangers(record: &Record, answer: &StandingAnswer) -> Option<GrantRefusal> {
    let known = answer.roster.iter();
    known
        .filter(|(node, _)| !record.is_lost(node))
        .find_map(|(node, theirs)| {
            let ours = if *node == record.node {
                record.instance
            } else {
                *record.roster.get(node)?
            };
            (ours != *theirs).then(|| GrantRefusal::InstanceDiffers {
                node: node.clone(),
                pinned: *theirs,
                shown: ours,
            })
        })
}

fn member(
    record: &Record,
    heard: &BTreeMap<NodeName, Heard>,
) -> Option<(ClusterIdentity, Witness)> {
    let mut answers = heard.values().filter_map(|heard| heard.answer.as_ref());
    answers.find_map(|answer| told(record, answer))
}

/// The cluster that an answer tells of, if this node believes it.
pub(super) fn told(record: &Record, answer: &StandingAnswer) -> Option<(ClusterIdentity, Witness)> {
    let Standing::Member(identity) = &answer.standing else {
        return None;
    };
    let by = Witness::of(answer);
    (answer.cluster == record.cluster && believe(record, &by).is_ok())
        .then(|| (identity.clone(), by))
}

/// The answer of that node, if it counts: of this epoch, from the instance that is pinned.
fn counted<'a>(
    record: &Record,
    heard: &'a BTreeMap<NodeName, Heard>,
    node: &NodeName,
) -> Option<&'a StandingAnswer> {
    let answer = heard.get(node)?.answer.as_ref()?;
    let known = record.roster.get(node) == Some(&answer.instance);
    (known && answer.epoch == record.epoch).then_some(answer)
}

/// Whether that node's grant is held, from the instance that is known, for this very init.
fn holds_grant(
    record: &Record,
    spec: &ClusterSpec,
    heard: &BTreeMap<NodeName, Heard>,
    node: &NodeName,
) -> bool {
    let grant = heard.get(node).and_then(|heard| heard.grant.as_ref());
    grant.is_some_and(|(instance, grant)| {
        record.roster.get(node) == Some(instance) && is_own(record, spec, grant)
    })
}

fn to_self(record: &Record, grant: &Grant) -> bool {
    grant.candidate == record.node
        && grant.instance == record.instance
        && grant.epoch == record.epoch
}

fn is_own(record: &Record, spec: &ClusterSpec, grant: &Grant) -> bool {
    to_self(record, grant) && grant.spec == spec.bootstrap_hash()
}

/// The request: it carries the instances of all that it counts on, so that each voter keeps them with its grant.
fn request(
    record: &Record,
    spec: &ClusterSpec,
    heard: &BTreeMap<NodeName, Heard>,
    present: &[NodeName],
) -> GrantRequest {
    let mut roster: BTreeMap<_, _> = present
        .iter()
        .filter_map(|node| Some((node.clone(), counted(record, heard, node)?.instance)))
        .collect();
    roster.insert(record.node.clone(), record.instance);
    GrantRequest {
        candidate: record.node.clone(),
        instance: record.instance,
        cluster: record.cluster,
        spec: spec.bootstrap_hash(),
        epoch: record.epoch,
        roster,
    }
}
