//! The voter: what a declared control plane promises, and what it learns from the others.
//!
//! Each function takes the record and gives a new one; the caller writes that, fsynced, before it answers. A refusal
//! changes nothing.

use hactl_proto::name::NodeName;
use hactl_proto::role::CallerRole;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{
    ClusterIdentity, Grant, GrantRefusal, GrantRequest, InstanceId, MemberAnnouncement, Override,
    StandingAnswer,
};

use super::record::{Record, Stage};

/// Who calls, by the certificate of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The node named in it; operators and viewers have none.
    pub node: Option<NodeName>,
    /// The role in it.
    pub role: CallerRole,
}

impl Caller {
    /// A declared control plane's agent.
    pub const fn control_plane(node: NodeName) -> Self {
        Self {
            node: Some(node),
            role: CallerRole::ControlPlane,
        }
    }

    /// Whether the caller is the agent of that declared control plane.
    fn is(&self, node: &NodeName, spec: &ClusterSpec) -> Result<(), GrantRefusal> {
        let says = self.role == CallerRole::ControlPlane && self.node.as_ref() == Some(node);
        if says && is_declared(node, spec) {
            return Ok(());
        }
        Err(GrantRefusal::NotDeclared {
            asked: self.node.clone().unwrap_or_else(|| node.clone()),
        })
    }
}

/// Grants, or repeats the grant given before, or refuses.
///
/// One candidate's one instance at one epoch, for good: a grant does not expire, and a changed spec does not free it.
pub fn grant(
    record: &Record,
    spec: &ClusterSpec,
    evidence: &[String],
    caller: &Caller,
    request: &GrantRequest,
) -> Result<(Record, Grant), GrantRefusal> {
    caller.is(&request.candidate, spec)?;
    same_cluster(record, request.cluster)?;
    let hash = spec.bootstrap_hash();
    if request.spec != hash {
        return Err(GrantRefusal::SpecDiffers {
            ours: hash,
            theirs: request.spec,
        });
    }
    let promise = Grant {
        candidate: request.candidate.clone(),
        instance: request.instance,
        epoch: request.epoch,
        spec: hash,
    };
    unbound(record, evidence, Some(&promise))?;
    same_epoch(record, request.epoch)?;
    let wanted = record.candidate(spec);
    if wanted != Some(&request.candidate) {
        return Err(GrantRefusal::NotTheCandidate {
            wanted: wanted.unwrap_or(&record.node).clone(),
            asked: request.candidate.clone(),
        });
    }
    let mut next = recognise_roster(record, spec, request)?;
    match &record.stage {
        Stage::Granted(given) if !same_promise(given, &promise) => {
            return Err(GrantRefusal::AlreadyGranted(given.clone()));
        }
        Stage::Initialising(_) => {}
        _ => next.stage = Stage::Granted(promise.clone()),
    }
    Ok((next, promise))
}

/// Takes in another's answer: pins its instance the first time it is heard, and refuses another instance of it.
pub fn meet(
    record: &Record,
    spec: &ClusterSpec,
    answer: &StandingAnswer,
) -> Result<Record, GrantRefusal> {
    if !is_declared(&answer.node, spec) {
        return Err(GrantRefusal::NotDeclared {
            asked: answer.node.clone(),
        });
    }
    same_cluster(record, answer.cluster)?;
    if let Stage::Member { .. } = record.stage {
        return Ok(record.clone());
    }
    recognise(record, &answer.node, answer.instance)
}

/// Takes in that there is a cluster: from then on this node only joins it. A re-imaged control plane that joined anew may
/// say so too: there is no second cluster that it could mean.
pub fn learn(
    record: &Record,
    spec: &ClusterSpec,
    caller: &Caller,
    announcement: &MemberAnnouncement,
) -> Result<Record, GrantRefusal> {
    caller.is(&announcement.node, spec)?;
    same_cluster(record, announcement.cluster)?;
    let by = Witness {
        node: announcement.node.clone(),
        instance: announcement.instance,
        epoch: announcement.epoch,
    };
    adopt(record, &by, &announcement.identity)
}

/// Who tells of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The member.
    pub node: NodeName,
    /// Which instance of it.
    pub instance: InstanceId,
    /// Its epoch: the one that the cluster was made at.
    pub epoch: u64,
}

impl Witness {
    /// Of an answer.
    pub fn of(answer: &StandingAnswer) -> Self {
        Self {
            node: answer.node.clone(),
            instance: answer.instance,
            epoch: answer.epoch,
        }
    }
}

/// Whether this node takes that one's word for a cluster. One of an earlier epoch is told of truly by a machine that this
/// node's override counts on: it knows a cluster, so its grant is never given at the epoch of the override, and nobody inits
/// there.
pub fn believe(record: &Record, by: &Witness) -> Result<(), GrantRefusal> {
    if record.retired.contains(&by.instance) {
        return Err(GrantRefusal::DeclaredLost {
            node: by.node.clone(),
            instance: by.instance,
        });
    }
    let counts = |word: &Override| word.roster.get(&by.node) == Some(&by.instance);
    if by.epoch >= record.epoch || record.overruled.as_ref().is_some_and(counts) {
        return Ok(());
    }
    Err(GrantRefusal::EpochDiffers {
        ours: record.epoch,
        theirs: by.epoch,
    })
}

/// The record with that cluster in it; one that is not believed, another cluster or an init of one's own refuses.
pub fn adopt(
    record: &Record,
    by: &Witness,
    identity: &ClusterIdentity,
) -> Result<Record, GrantRefusal> {
    believe(record, by)?;
    match &record.stage {
        Stage::Member { identity: ours, .. } if ours != identity => {
            Err(GrantRefusal::Member(ours.clone()))
        }
        Stage::Member { .. } => Ok(record.clone()),
        Stage::Initialising(grant) => Err(GrantRefusal::Initialising(grant.clone())),
        Stage::Virgin | Stage::Granted(_) => Ok(Record {
            epoch: by.epoch,
            stage: Stage::Member {
                identity: identity.clone(),
                settled: false,
            },
            ..record.clone()
        }),
    }
}

/// Whether the node is free to promise: no cluster known, no init begun (but the same one), no foreign data.
pub(super) fn unbound(
    record: &Record,
    evidence: &[String],
    own: Option<&Grant>,
) -> Result<(), GrantRefusal> {
    match &record.stage {
        Stage::Member { identity, .. } => Err(GrantRefusal::Member(identity.clone())),
        Stage::Initialising(begun) if own == Some(begun) => Ok(()),
        Stage::Initialising(begun) => Err(GrantRefusal::Initialising(begun.clone())),
        Stage::Virgin | Stage::Granted(_) if !evidence.is_empty() => Err(GrantRefusal::Foreign {
            evidence: evidence.to_vec(),
        }),
        Stage::Virgin | Stage::Granted(_) => Ok(()),
    }
}

/// Whether the spec declares a control plane of that name.
pub(super) fn is_declared(node: &NodeName, spec: &ClusterSpec) -> bool {
    spec.control_planes.iter().any(|one| one.name == *node)
}

pub(super) fn same_cluster(
    record: &Record,
    theirs: hactl_proto::name::ClusterId,
) -> Result<(), GrantRefusal> {
    if record.cluster == theirs {
        return Ok(());
    }
    Err(GrantRefusal::ClusterDiffers {
        ours: record.cluster,
        theirs,
    })
}

const fn same_epoch(record: &Record, theirs: u64) -> Result<(), GrantRefusal> {
    if record.epoch == theirs {
        return Ok(());
    }
    Err(GrantRefusal::EpochDiffers {
        ours: record.epoch,
        theirs,
    })
}

/// The same instance of the same candidate at the same epoch. The spec may have changed meanwhile: one instance inits
/// only once, whatever the spec.
fn same_promise(given: &Grant, asked: &Grant) -> bool {
    given.candidate == asked.candidate
        && given.instance == asked.instance
        && given.epoch == asked.epoch
}

/// Every instance of the request's roster has to be the one known here; those not known yet are kept with the grant.
fn recognise_roster(
    record: &Record,
    spec: &ClusterSpec,
    request: &GrantRequest,
) -> Result<Record, GrantRefusal> {
    if !request.roster.contains_key(&record.node) {
        return Err(GrantRefusal::NotInRoster {
            node: record.node.clone(),
        });
    }
    let mut next = recognise(record, &request.candidate, request.instance)?;
    for (node, instance) in &request.roster {
        if !is_declared(node, spec) {
            return Err(GrantRefusal::NotDeclared {
                asked: node.clone(),
            });
        }
        next = recognise(&next, node, *instance)?;
    }
    Ok(next)
}

/// The record with that instance pinned, or why it is another one than the one known.
pub(super) fn recognise(
    record: &Record,
    node: &NodeName,
    instance: InstanceId,
) -> Result<Record, GrantRefusal> {
    let pinned = if *node == record.node {
        Some(record.instance)
    } else {
        record.roster.get(node).copied()
    };
    if record.retired.contains(&instance) {
        return Err(GrantRefusal::DeclaredLost {
            node: node.clone(),
            instance,
        });
    }
    match pinned {
        Some(pinned) if pinned == instance => Ok(record.clone()),
        Some(pinned) => Err(GrantRefusal::InstanceDiffers {
            node: node.clone(),
            pinned,
            shown: instance,
        }),
        None => {
            let mut next = record.clone();
            next.roster.insert(node.clone(), instance);
            Ok(next)
        }
    }
}
