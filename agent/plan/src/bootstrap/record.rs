//! The record: what a node durably is in the first boot.
//!
//! One value, written whole: a promise and the instances that it rests on reach the disk together or not at all.
//! `hactl-agent::standing` writes it; nothing but the rules beside this file makes a new one.

use std::collections::BTreeSet;

use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{
    ClusterIdentity, Grant, InstanceId, Override, Roster, Standing, StandingAnswer,
};
use serde::{Deserialize, Serialize};

/// The version of the record's own format.
pub const RECORD_VERSION: u32 = 1;

/// What a node durably is. Lost together with the node's identity key: both lie in the agent's state folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The hactl cluster that the node belongs to.
    pub cluster: ClusterId,
    /// The node's name.
    pub node: NodeName,
    /// Drawn when the record was made.
    pub instance: InstanceId,
    /// 0, raised by overrides only.
    pub epoch: u64,
    /// How far the node is.
    pub stage: Stage,
    /// The instances by which it knows the other declared control planes.
    pub roster: Roster,
    /// Instances that an operator declared lost: none of them ever counts again.
    pub retired: BTreeSet<InstanceId>,
    /// The override that raised the epoch last.
    pub overruled: Option<Override>,
}

/// How far a node is. Only [`Stage::Member`] is for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing promised at this epoch.
    Virgin,
    /// Promised to one instance of one candidate.
    Granted(Grant),
    /// All grants were held, `kubeadm init` may have run here.
    Initialising(Grant),
    /// Knows the one cluster.
    Member {
        /// The cluster.
        identity: ClusterIdentity,
        /// Whether the node's own init or join was seen complete: from then on missing data is a loss, not a beginning.
        settled: bool,
    },
}

impl Record {
    /// The record of a node that has just been given its bundle. `instance` is drawn at random by the caller.
    pub fn new(cluster: ClusterId, node: NodeName, instance: InstanceId) -> Self {
        Self {
            version: RECORD_VERSION,
            cluster,
            node,
            instance,
            epoch: 0,
            stage: Stage::Virgin,
            roster: Roster::new(),
            retired: BTreeSet::new(),
            overruled: None,
        }
    }

    /// Who may run `kubeadm init` at this record's epoch.
    pub fn candidate<'a>(&'a self, spec: &'a ClusterSpec) -> Option<&'a NodeName> {
        match &self.overruled {
            Some(overruled) => Some(&overruled.candidate),
            None => spec.candidate(),
        }
    }

    /// Whether an override dispenses with the node's grant: it is lost and no machine has its name.
    pub fn is_lost(&self, node: &NodeName) -> bool {
        let roster = self.overruled.as_ref().map(|overruled| &overruled.roster);
        roster.is_some_and(|roster| !roster.contains_key(node))
    }

    /// The cluster that the node knows.
    pub const fn identity(&self) -> Option<&ClusterIdentity> {
        match &self.stage {
            Stage::Member { identity, .. } => Some(identity),
            Stage::Virgin | Stage::Granted(_) | Stage::Initialising(_) => None,
        }
    }

    /// What the node says of itself. `evidence` is what lies on its disk: without a record of having been made by hactl
    /// it is foreign.
    pub fn standing(&self, evidence: &[String]) -> Standing {
        match &self.stage {
            Stage::Member { identity, .. } => Standing::Member(identity.clone()),
            Stage::Initialising(grant) => Standing::Initialising(grant.clone()),
            Stage::Virgin | Stage::Granted(_) if !evidence.is_empty() => Standing::Foreign {
                evidence: evidence.to_vec(),
            },
            Stage::Granted(grant) => Standing::Granted(grant.clone()),
            Stage::Virgin => Standing::Virgin,
        }
    }

    /// The answer to whoever asks for the node's standing.
    pub fn answer(&self, spec: &ClusterSpec, evidence: &[String], serving: bool) -> StandingAnswer {
        StandingAnswer {
            node: self.node.clone(),
            instance: self.instance,
            cluster: self.cluster,
            spec: spec.bootstrap_hash(),
            epoch: self.epoch,
            standing: self.standing(evidence),
            roster: self.roster.clone(),
            serving,
        }
    }

    /// The record once the node's own init or join was seen complete.
    #[must_use]
    pub fn settled(&self, identity: ClusterIdentity) -> Self {
        Self {
            stage: Stage::Member {
                identity,
                settled: true,
            },
            ..self.clone()
        }
    }
}
