//! Standing, grants and what a declared control plane answers, over the wire.

use super::v1::{request_grant_response, standing};
use super::{WireError, bytes, field, text, v1};
use crate::name::{ClusterId, NodeName};
use crate::spec::SpecHash;
use crate::standing::{
    ClusterIdentity, Grant, GrantVerdict, InstanceId, Roster, Standing, StandingAnswer,
};

/// A spec's hash from its 32 bytes.
pub(super) fn spec(name: &str, value: &[u8]) -> Result<SpecHash, WireError> {
    bytes(name, value).map(SpecHash::from_bytes)
}

/// A cluster's id from its 16 bytes.
pub(super) fn cluster(name: &str, value: &[u8]) -> Result<ClusterId, WireError> {
    bytes(name, value).map(ClusterId::from_bytes)
}

/// An instance from its 16 bytes.
pub(super) fn instance(name: &str, value: &[u8]) -> Result<InstanceId, WireError> {
    bytes(name, value).map(InstanceId::from_bytes)
}

/// A roster as a list, in the order of names.
pub(super) fn entries(roster: Roster) -> Vec<v1::RosterEntry> {
    let entry = |(node, instance): (NodeName, InstanceId)| v1::RosterEntry {
        node: node.into(),
        instance: instance.as_bytes().to_vec(),
    };
    roster.into_iter().map(entry).collect()
}

/// Reads a roster; a name that is there twice is an error, since one of the two would be lost.
pub(super) fn roster(name: &str, entries: &[v1::RosterEntry]) -> Result<Roster, WireError> {
    let mut roster = Roster::new();
    for (at, entry) in entries.iter().enumerate() {
        let node: NodeName = text(&format!("{name}[{at}].node"), &entry.node)?;
        let known = instance(&format!("{name}[{at}].instance"), &entry.instance)?;
        if roster.insert(node, known).is_some() {
            return Err(WireError::wrong(
                name,
                format!("{} is there twice", entry.node),
            ));
        }
    }
    Ok(roster)
}

impl From<Grant> for v1::Grant {
    fn from(grant: Grant) -> Self {
        Self {
            candidate: grant.candidate.into(),
            instance: grant.instance.as_bytes().to_vec(),
            epoch: grant.epoch,
            spec: grant.spec.as_bytes().to_vec(),
        }
    }
}

impl TryFrom<v1::Grant> for Grant {
    type Error = WireError;
    fn try_from(grant: v1::Grant) -> Result<Self, WireError> {
        Ok(Self {
            candidate: text("candidate", &grant.candidate)?,
            instance: instance("instance", &grant.instance)?,
            epoch: grant.epoch,
            spec: spec("spec", &grant.spec)?,
        })
    }
}

impl From<ClusterIdentity> for v1::ClusterIdentity {
    fn from(identity: ClusterIdentity) -> Self {
        Self {
            ca_fingerprint: identity.ca_fingerprint,
            etcd_cluster_id: identity.etcd_cluster_id,
            beside: identity.beside,
        }
    }
}

impl TryFrom<v1::ClusterIdentity> for ClusterIdentity {
    type Error = WireError;
    fn try_from(identity: v1::ClusterIdentity) -> Result<Self, WireError> {
        let pins = [("ca_fingerprint", &identity.ca_fingerprint)];
        let beside = identity.beside.iter().map(|pin| ("beside", pin));
        for (field, pin) in pins.into_iter().chain(beside) {
            let pin = pin.strip_prefix("sha256:");
            if !pin.is_some_and(|hex| hex::decode(hex).is_ok_and(|bytes| bytes.len() == 32)) {
                let reason = "sha256: and 64 hexadecimal digits are wanted";
                return Err(WireError::wrong(field, reason));
            }
        }
        Ok(Self {
            ca_fingerprint: identity.ca_fingerprint,
            etcd_cluster_id: identity.etcd_cluster_id,
            beside: identity.beside,
        })
    }
}

impl From<Standing> for v1::Standing {
    fn from(value: Standing) -> Self {
        let standing = match value {
            Standing::Virgin => standing::Standing::Virgin(standing::Virgin {}),
            Standing::Granted(grant) => standing::Standing::Granted(grant.into()),
            Standing::Initialising(grant) => standing::Standing::Initialising(grant.into()),
            Standing::Member(identity) => standing::Standing::Member(identity.into()),
            Standing::Foreign { evidence } => {
                standing::Standing::Foreign(standing::Foreign { evidence })
            }
        };
        Self {
            standing: Some(standing),
        }
    }
}

impl TryFrom<v1::Standing> for Standing {
    type Error = WireError;
    fn try_from(value: v1::Standing) -> Result<Self, WireError> {
        use standing::Standing as Wire;
        let standing = value
            .standing
            .ok_or_else(|| WireError::absent("standing"))?;
        Ok(match standing {
            Wire::Virgin(_) => Self::Virgin,
            Wire::Granted(grant) => Self::Granted(field("granted", Some(grant))?),
            Wire::Initialising(grant) => Self::Initialising(field("initialising", Some(grant))?),
            Wire::Member(identity) => Self::Member(field("member", Some(identity))?),
            Wire::Foreign(foreign) => Self::Foreign {
                evidence: foreign.evidence,
            },
        })
    }
}

impl From<StandingAnswer> for v1::StandingAnswer {
    fn from(answer: StandingAnswer) -> Self {
        Self {
            node: answer.node.into(),
            instance: answer.instance.as_bytes().to_vec(),
            cluster: answer.cluster.as_bytes().to_vec(),
            spec: answer.spec.as_bytes().to_vec(),
            epoch: answer.epoch,
            standing: Some(answer.standing.into()),
            roster: entries(answer.roster),
            serving: answer.serving,
        }
    }
}

impl TryFrom<v1::StandingAnswer> for StandingAnswer {
    type Error = WireError;
    fn try_from(answer: v1::StandingAnswer) -> Result<Self, WireError> {
        Ok(Self {
            node: text("node", &answer.node)?,
            instance: instance("instance", &answer.instance)?,
            cluster: cluster("cluster", &answer.cluster)?,
            spec: spec("spec", &answer.spec)?,
            epoch: answer.epoch,
            standing: field("standing", answer.standing)?,
            roster: roster("roster", &answer.roster)?,
            serving: answer.serving,
        })
    }
}

impl From<GrantVerdict> for v1::RequestGrantResponse {
    fn from(verdict: GrantVerdict) -> Self {
        use request_grant_response::Verdict;
        let verdict = match verdict {
            Ok(grant) => Verdict::Granted(grant.into()),
            Err(refusal) => Verdict::Refused(refusal.into()),
        };
        Self {
            verdict: Some(verdict),
        }
    }
}

impl TryFrom<v1::RequestGrantResponse> for GrantVerdict {
    type Error = WireError;
    fn try_from(response: v1::RequestGrantResponse) -> Result<Self, WireError> {
        use request_grant_response::Verdict;
        let verdict = response
            .verdict
            .ok_or_else(|| WireError::absent("verdict"))?;
        Ok(match verdict {
            Verdict::Granted(grant) => Ok(field("granted", Some(grant))?),
            Verdict::Refused(refusal) => Err(field("refused", Some(refusal))?),
        })
    }
}
