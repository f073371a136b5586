//! Rules taken away, one at a time. They live here only: the product code has no switch for them.

use hactl_node_plan::bootstrap::overrule::overrule;
use hactl_node_plan::bootstrap::record::{Record, Stage};
use hactl_node_plan::bootstrap::voter::{self, Caller};
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{Grant, GrantRefusal, GrantRequest, Override};

/// What is wrong with the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Nothing.
    None,
    /// The grant is in memory when it is answered, and reaches the disk later.
    AnswersBeforeDisk,
    /// A grant ends by itself, and with it what it rested on.
    GrantExpires,
    /// A re-imaged machine comes back under the instance of its predecessor, as if the name were all.
    InstanceReused,
    /// A voter grants at whatever epoch it is asked.
    EpochIgnored,
    /// More than half of all, the candidate counted.
    BareMajority,
    /// An override is taken also where an init was begun or a cluster is known.
    OverrideAnywhere,
    /// A voter keeps the candidate's instance, and no other one of the request's roster.
    RosterForgotten,
}

impl Mutant {
    pub(crate) fn grant(
        self,
        record: &Record,
        spec: &ClusterSpec,
        caller: &Caller,
        request: &GrantRequest,
    ) -> Result<(Record, Grant), GrantRefusal> {
        match self {
            Self::EpochIgnored if record.epoch != request.epoch => {
                let mut lax = record.clone();
                lax.epoch = request.epoch;
                lax.stage = match &record.stage {
                    Stage::Granted(_) => Stage::Virgin,
                    other => other.clone(),
                };
                lax.overruled = request_override(spec, request);
                let (_, grant) = voter::grant(&lax, spec, &[], caller, request)?;
                Ok((record.clone(), grant))
            }
            Self::RosterForgotten => {
                let mut blind = request.clone();
                let known = |node: &_| *node == record.node || *node == request.candidate;
                blind.roster.retain(|node, _| known(node));
                voter::grant(record, spec, &[], caller, &blind)
            }
            _ => voter::grant(record, spec, &[], caller, request),
        }
    }

    pub(crate) fn overrule(
        self,
        record: &Record,
        spec: &ClusterSpec,
        caller: &Caller,
        word: &Override,
    ) -> Result<Record, GrantRefusal> {
        if self == Self::OverrideAnywhere {
            let lax = Record {
                stage: Stage::Virgin,
                ..record.clone()
            };
            return overrule(&lax, spec, &[], caller, word);
        }
        overrule(record, spec, &[], caller, word)
    }
}

/// An override that makes the asking node the candidate, for the voter that does not look at epochs.
fn request_override(spec: &ClusterSpec, request: &GrantRequest) -> Option<Override> {
    (spec.candidate() != Some(&request.candidate)).then(|| Override {
        cluster: request.cluster,
        spec: request.spec,
        epoch: request.epoch,
        candidate: request.candidate.clone(),
        roster: request.roster.clone(),
        lost: std::collections::BTreeMap::new(),
        reason: "mutant".to_owned(),
    })
}
