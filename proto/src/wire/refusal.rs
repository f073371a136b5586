//! Refusals of grants, announcements and overrides, over the wire.

use super::standing::{cluster, instance, spec};
use super::v1::grant_refusal::{self as refusal, Reason};
use super::{WireError, field, text, v1};
use crate::standing::GrantRefusal;

impl From<GrantRefusal> for v1::GrantRefusal {
    fn from(value: GrantRefusal) -> Self {
        Self {
            reason: Some(reason(value)),
        }
    }
}

fn reason(value: GrantRefusal) -> Reason {
    match value {
        GrantRefusal::ClusterDiffers { ours, theirs } => {
            Reason::ClusterDiffers(refusal::ClusterDiffers {
                ours: ours.as_bytes().to_vec(),
                theirs: theirs.as_bytes().to_vec(),
            })
        }
        GrantRefusal::SpecDiffers { ours, theirs } => Reason::SpecDiffers(refusal::SpecDiffers {
            ours: ours.as_bytes().to_vec(),
            theirs: theirs.as_bytes().to_vec(),
        }),
        GrantRefusal::EpochDiffers { ours, theirs } => {
            Reason::EpochDiffers(refusal::EpochDiffers { ours, theirs })
        }
        GrantRefusal::NotTheCandidate { wanted, asked } => {
            Reason::NotTheCandidate(refusal::NotTheCandidate {
                wanted: wanted.into(),
                asked: asked.into(),
            })
        }
        GrantRefusal::InstanceDiffers {
            node,
            pinned,
            shown,
        } => Reason::InstanceDiffers(refusal::InstanceDiffers {
            node: node.into(),
            pinned: pinned.as_bytes().to_vec(),
            shown: shown.as_bytes().to_vec(),
        }),
        GrantRefusal::NotInRoster { node } => {
            Reason::NotInRoster(refusal::NotInRoster { node: node.into() })
        }
        GrantRefusal::AlreadyGranted(grant) => Reason::AlreadyGranted(grant.into()),
        GrantRefusal::Initialising(grant) => Reason::Initialising(grant.into()),
        GrantRefusal::Member(identity) => Reason::Member(identity.into()),
        GrantRefusal::Foreign { evidence } => Reason::Foreign(v1::standing::Foreign { evidence }),
        GrantRefusal::NotDeclared { asked } => Reason::NotDeclared(refusal::NotDeclared {
            asked: asked.into(),
        }),
        GrantRefusal::NotAnOperator => Reason::NotAnOperator(refusal::NotAnOperator {}),
        GrantRefusal::DeclaredLost { node, instance } => {
            Reason::DeclaredLost(refusal::DeclaredLost {
                node: node.into(),
                instance: instance.as_bytes().to_vec(),
            })
        }
        GrantRefusal::Contradiction { fault } => {
            Reason::Contradiction(refusal::Contradiction { fault })
        }
    }
}

impl TryFrom<v1::GrantRefusal> for GrantRefusal {
    type Error = WireError;
    fn try_from(value: v1::GrantRefusal) -> Result<Self, WireError> {
        Ok(
            match value.reason.ok_or_else(|| WireError::absent("reason"))? {
                Reason::ClusterDiffers(differs) => Self::ClusterDiffers {
                    ours: cluster("cluster_differs.ours", &differs.ours)?,
                    theirs: cluster("cluster_differs.theirs", &differs.theirs)?,
                },
                Reason::SpecDiffers(differs) => Self::SpecDiffers {
                    ours: spec("spec_differs.ours", &differs.ours)?,
                    theirs: spec("spec_differs.theirs", &differs.theirs)?,
                },
                Reason::EpochDiffers(refusal::EpochDiffers { ours, theirs }) => {
                    Self::EpochDiffers { ours, theirs }
                }
                Reason::NotTheCandidate(names) => Self::NotTheCandidate {
                    wanted: text("not_the_candidate.wanted", &names.wanted)?,
                    asked: text("not_the_candidate.asked", &names.asked)?,
                },
                Reason::InstanceDiffers(differs) => Self::InstanceDiffers {
                    node: text("instance_differs.node", &differs.node)?,
                    pinned: instance("instance_differs.pinned", &differs.pinned)?,
                    shown: instance("instance_differs.shown", &differs.shown)?,
                },
                Reason::NotInRoster(lacks) => Self::NotInRoster {
                    node: text("not_in_roster.node", &lacks.node)?,
                },
                Reason::AlreadyGranted(grant) => {
                    Self::AlreadyGranted(field("already_granted", Some(grant))?)
                }
                Reason::Initialising(grant) => {
                    Self::Initialising(field("initialising", Some(grant))?)
                }
                Reason::Member(identity) => Self::Member(field("member", Some(identity))?),
                Reason::Foreign(foreign) => Self::Foreign {
                    evidence: foreign.evidence,
                },
                Reason::NotDeclared(names) => Self::NotDeclared {
                    asked: text("not_declared.asked", &names.asked)?,
                },
                Reason::NotAnOperator(_) => Self::NotAnOperator,
                Reason::DeclaredLost(lost) => Self::DeclaredLost {
                    node: text("declared_lost.node", &lost.node)?,
                    instance: instance("declared_lost.instance", &lost.instance)?,
                },
                Reason::Contradiction(refusal::Contradiction { fault }) => {
                    Self::Contradiction { fault }
                }
            },
        )
    }
}
