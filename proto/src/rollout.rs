//! Rolling upgrades: the orders that make one up, the record that control planes keep of it, and its lease's holder.
//!
//! What a node says of itself before an upgrade is in [`survey`]. Which node does what and when is the controller's to decide,
//! how a node does it the agent's.

pub mod agent;
pub mod survey;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::instruction::OperationId;
use crate::name::NodeName;
use crate::rotation::RotationOrder;
use crate::version::KubernetesVersion;

/// The capability of an agent that understands this module's orders and calls.
pub const CAPABILITY: &str = "upgrade-v1";

/// A step of a rolling upgrade, as an order to one agent. No secret is in it, so that the journal may hold it: an agent that
/// was killed goes on with what it was doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum RolloutOrder {
    /// Bring packages and images of a version to this node; what runs is not touched.
    Stage {
        /// The version.
        target: KubernetesVersion,
    },
    /// Take a snapshot of etcd on this node and verify it.
    SnapshotEtcd,
    /// This node's load balancer lets go of a control plane.
    ReleaseBackend {
        /// The control plane.
        node: NodeName,
    },
    /// This node's load balancer takes a control plane back.
    ReturnBackend {
        /// The control plane.
        node: NodeName,
    },
    /// Cordon and drain a node through the API. Given to a control plane that serves: workers hold no rights for it.
    Drain(Drain),
    /// Undo the cordon of a node, where hactl made it.
    Uncordon {
        /// The node.
        node: NodeName,
    },
    /// Upgrade this node.
    Upgrade(Upgrade),
    /// Put in the package of hactl-agent that was brought to this node.
    ReplaceAgent(ReplaceAgent),
    /// Renew what kubeadm signs on this control plane, restart what holds the old, and see the new served.
    RenewCertificates {
        /// Names this renewal: what was begun under it is gone on with, what has ended is not done again.
        renewal: OperationId,
        /// No API server answers, since every certificate may have ended: no lease, no quorum to keep, no other node's health.
        without_api: bool,
    },
    /// Carry a rotation of a CA one stage on, on this control plane.
    RotateAuthority(RotationOrder),
    /// Put the client certificate in that the agent has got for this node's kubelet, and restart the kubelet.
    InstallKubeletCertificate,
}

/// Which package of the agent is put in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplaceAgent {
    /// The version that it has to hold.
    pub version: agent::AgentVersion,
    /// Its digest, which it was brought under.
    pub digest: agent::PackageDigest,
}

/// How to drain a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// The node.
    pub node: NodeName,
    /// After that long it is given up and the node is uncordoned.
    pub limit_seconds: u32,
    /// Pods without a controller may go: nobody makes them again.
    pub unmanaged: bool,
    /// Pods with `emptyDir` volumes may go: what is in those is lost.
    pub local_data: bool,
}

/// How to upgrade a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// The version.
    pub target: KubernetesVersion,
    /// It is the first control plane: `kubeadm upgrade apply`; all others run `kubeadm upgrade node`.
    pub first: bool,
    /// What of the node.
    pub part: UpgradePart,
    /// etcd stays at its version (`--etcd-upgrade=false`).
    pub keep_etcd: bool,
}

/// What of a node is upgraded. Where the minor changes no kubelet may be newer than any API server, so control planes are
/// done in two passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradePart {
    /// All of it.
    Whole,
    /// The static pods of a control plane.
    ControlPlane,
    /// kubelet and kubectl.
    Kubelet,
    /// etcd alone.
    Etcd,
}

impl RolloutOrder {
    /// The order's name in the journal, unit names and tables.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Stage { .. } => "stage",
            Self::SnapshotEtcd => "snapshot-etcd",
            Self::ReleaseBackend { .. } => "release-backend",
            Self::ReturnBackend { .. } => "return-backend",
            Self::Drain(_) => "drain",
            Self::Uncordon { .. } => "uncordon",
            Self::Upgrade(_) => "upgrade",
            Self::ReplaceAgent(_) => "replace-agent",
            Self::RenewCertificates { .. } => "renew-certificates",
            Self::RotateAuthority(_) => "rotate-authority",
            Self::InstallKubeletCertificate => "renew-kubelet-certificate",
        }
    }
}

/// What the operator wants of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutWish {
    /// Go on.
    Running,
    /// Stop after the node under way; `resume` goes on.
    Paused,
    /// Stop after the node under way, for good.
    Aborted,
    /// It has come to its end.
    Finished,
}

/// A frozen plan and what is wanted of it, as control planes keep it. Of two records the one with the higher number, then the
/// higher revision, is the newer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutRecord {
    /// The rollout's number; numbers only grow.
    pub number: u64,
    /// Raised at each change of the wish.
    pub revision: u64,
    /// What is wanted.
    pub wish: RolloutWish,
    /// Who changed it last.
    pub by: String,
    /// When, by that person's clock.
    pub at: Timestamp,
    /// JSON of the plan, never changed under one number. Agents keep it and do not read it.
    pub plan: String,
}

impl RolloutRecord {
    /// Whether a control plane that keeps `kept` may keep this one instead.
    pub fn supersedes(&self, kept: Option<&Self>) -> bool {
        kept.is_none_or(|kept| {
            if self.number == kept.number {
                self.revision > kept.revision && self.plan == kept.plan
            } else {
                self.number > kept.number
            }
        })
    }
}

/// How a request for the cluster's lease ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It is the caller's, under this number.
    Taken(crate::instruction::Fence),
    /// Another has it.
    Held {
        /// Who.
        by: String,
        /// When that was renewed last; absent where it never was.
        renewed: Option<Timestamp>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, revision: u64, plan: &str) -> RolloutRecord {
        RolloutRecord {
            number,
            revision,
            wish: RolloutWish::Running,
            by: "operator".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            plan: plan.to_owned(),
        }
    }

    #[test]
    fn only_a_newer_record_is_kept_and_a_plan_is_frozen_under_its_number() {
        let kept = record(3, 2, "a");
        assert!(record(3, 3, "a").supersedes(Some(&kept)));
        assert!(record(4, 0, "b").supersedes(Some(&kept)));
        assert!(record(1, 0, "a").supersedes(None));
        for stale in [
            record(3, 2, "a"),
            record(3, 1, "a"),
            record(2, 9, "a"),
            record(3, 3, "other"),
        ] {
            assert!(!stale.supersedes(Some(&kept)), "{stale:?}");
        }
    }
}
