//! Standing, grants and their refusals over the wire.

use super::v1::{grant_refusal, grant_verdict, standing};
use super::{WireError, bytes, field, text, v1};
use crate::name::ClusterId;
use crate::spec::SpecHash;
use crate::standing::{
    ClusterIdentity, Grant, GrantRefusal, GrantVerdict, Standing, StandingAnswer,
};

/// A spec's hash from its 32 bytes.
pub(super) fn spec(name: &str, value: &[u8]) -> Result<SpecHash, WireError> {
    bytes(name, value).map(SpecHash::from_bytes)
}

/// A cluster's id from its 16 bytes.
pub(super) fn cluster(name: &str, value: &[u8]) -> Result<ClusterId, WireError> {
    bytes(name, value).map(ClusterId::from_bytes)
}

impl From<Grant> for v1::Grant {
    fn from(grant: Grant) -> Self {
        Self {
            candidate: grant.candidate.into(),
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
        }
    }
}

impl TryFrom<v1::ClusterIdentity> for ClusterIdentity {
    type Error = WireError;
    fn try_from(identity: v1::ClusterIdentity) -> Result<Self, WireError> {
        let pin = identity.ca_fingerprint.strip_prefix("sha256:");
        if !pin.is_some_and(|hex| hex::decode(hex).is_ok_and(|bytes| bytes.len() == 32)) {
            let reason = "sha256: and 64 hexadecimal digits are wanted";
            return Err(WireError::wrong("ca_fingerprint", reason));
        }
        Ok(Self {
            ca_fingerprint: identity.ca_fingerprint,
            etcd_cluster_id: identity.etcd_cluster_id,
        })
    }
}

impl From<Standing> for v1::Standing {
    fn from(value: Standing) -> Self {
        let standing = match value {
            Standing::Virgin => standing::Standing::Virgin(standing::Virgin {}),
            Standing::Granted(grant) => standing::Standing::Granted(grant.into()),
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
        let standing = value
            .standing
            .ok_or_else(|| WireError::absent("standing"))?;
        Ok(match standing {
            standing::Standing::Virgin(_) => Self::Virgin,
            standing::Standing::Granted(grant) => Self::Granted(field("granted", Some(grant))?),
            standing::Standing::Member(identity) => Self::Member(field("member", Some(identity))?),
            standing::Standing::Foreign(foreign) => Self::Foreign {
                evidence: foreign.evidence,
            },
        })
    }
}

impl From<StandingAnswer> for v1::StandingAnswer {
    fn from(answer: StandingAnswer) -> Self {
        Self {
            node: answer.node.into(),
            cluster: answer.cluster.as_bytes().to_vec(),
            spec: answer.spec.as_bytes().to_vec(),
            standing: Some(answer.standing.into()),
            serving: answer.serving,
        }
    }
}

impl TryFrom<v1::StandingAnswer> for StandingAnswer {
    type Error = WireError;
    fn try_from(answer: v1::StandingAnswer) -> Result<Self, WireError> {
        Ok(Self {
            node: text("node", &answer.node)?,
            cluster: cluster("cluster", &answer.cluster)?,
            spec: spec("spec", &answer.spec)?,
            standing: field("standing", answer.standing)?,
            serving: answer.serving,
        })
    }
}

impl From<GrantRefusal> for v1::GrantRefusal {
    fn from(refusal: GrantRefusal) -> Self {
        use grant_refusal::Reason;
        let reason = match refusal {
            GrantRefusal::SpecDiffers { ours, theirs } => {
                Reason::SpecDiffers(grant_refusal::SpecDiffers {
                    ours: ours.as_bytes().to_vec(),
                    theirs: theirs.as_bytes().to_vec(),
                })
            }
            GrantRefusal::NotTheCandidate { wanted, asked } => {
                Reason::NotTheCandidate(grant_refusal::NotTheCandidate {
                    wanted: wanted.into(),
                    asked: asked.into(),
                })
            }
            GrantRefusal::AlreadyGranted(grant) => Reason::AlreadyGranted(grant.into()),
            GrantRefusal::Member(identity) => Reason::Member(identity.into()),
            GrantRefusal::Foreign { evidence } => Reason::Foreign(standing::Foreign { evidence }),
            GrantRefusal::NotDeclared { asked } => {
                Reason::NotDeclared(grant_refusal::NotDeclared {
                    asked: asked.into(),
                })
            }
        };
        Self {
            reason: Some(reason),
        }
    }
}

impl TryFrom<v1::GrantRefusal> for GrantRefusal {
    type Error = WireError;
    fn try_from(refusal: v1::GrantRefusal) -> Result<Self, WireError> {
        use grant_refusal::Reason;
        Ok(
            match refusal.reason.ok_or_else(|| WireError::absent("reason"))? {
                Reason::SpecDiffers(differs) => Self::SpecDiffers {
                    ours: spec("spec_differs.ours", &differs.ours)?,
                    theirs: spec("spec_differs.theirs", &differs.theirs)?,
                },
                Reason::NotTheCandidate(names) => Self::NotTheCandidate {
                    wanted: text("not_the_candidate.wanted", &names.wanted)?,
                    asked: text("not_the_candidate.asked", &names.asked)?,
                },
                Reason::AlreadyGranted(grant) => {
                    Self::AlreadyGranted(field("already_granted", Some(grant))?)
                }
                Reason::Member(identity) => Self::Member(field("member", Some(identity))?),
                Reason::Foreign(foreign) => Self::Foreign {
                    evidence: foreign.evidence,
                },
                Reason::NotDeclared(names) => Self::NotDeclared {
                    asked: text("not_declared.asked", &names.asked)?,
                },
            },
        )
    }
}

impl From<GrantVerdict> for v1::GrantVerdict {
    fn from(verdict: GrantVerdict) -> Self {
        let verdict = match verdict {
            Ok(grant) => grant_verdict::Verdict::Granted(grant.into()),
            Err(refusal) => grant_verdict::Verdict::Refused(refusal.into()),
        };
        Self {
            verdict: Some(verdict),
        }
    }
}

impl TryFrom<v1::GrantVerdict> for GrantVerdict {
    type Error = WireError;
    fn try_from(verdict: v1::GrantVerdict) -> Result<Self, WireError> {
        let verdict = verdict
            .verdict
            .ok_or_else(|| WireError::absent("verdict"))?;
        Ok(match verdict {
            grant_verdict::Verdict::Granted(grant) => Ok(field("granted", Some(grant))?),
            grant_verdict::Verdict::Refused(refusal) => Err(field("refused", Some(refusal))?),
        })
    }
}
