//! Surveys: what an upgrade has to know of a node and, asked at a control plane, of the cluster.
//!
//! They travel as JSON: a reader skips what it does not know, and takes what it misses for unknown. So agents and controllers
//! one version apart understand each other. Unknown counts as unhealthy.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::UpgradePart;
use super::agent::AgentSurvey;
use crate::Timestamp;
use crate::name::NodeName;
use crate::rotation::Authority;
use crate::status::InstalledVersions;
use crate::version::KubernetesVersion;

/// What one node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSurvey {
    /// The node.
    pub node: NodeName,
    /// What is installed.
    #[serde(default)]
    pub installed: Installed,
    /// Versions of which kubeadm, kubelet and kubectl can all be had here, lowest first; why not, where that is unknown.
    #[serde(default = "unread")]
    pub offered: Result<Vec<KubernetesVersion>, String>,
    /// The version whose packages and images are on the node already.
    #[serde(default)]
    pub staged: Option<Staged>,
    /// Tags of the images in the static pods' manifests, by component (`kube-apiserver`).
    #[serde(default)]
    pub static_pods: BTreeMap<String, String>,
    /// An upgrade of this node that began and did not end.
    #[serde(default)]
    pub unfinished: Option<Unfinished>,
    /// Bytes free where packages, snapshots and kubeadm's copies go.
    #[serde(default)]
    pub free_bytes: Option<u64>,
    /// The soonest end of a certificate on the node.
    #[serde(default)]
    pub certificate_expiry: Option<Timestamp>,
    /// What the kubelet's configuration holds that kubeadm would overwrite, as lines of a difference.
    #[serde(default = "unread")]
    pub kubelet_changes: Result<Vec<String>, String>,
    /// CAs whose rotation is under way here; why not known, where that is unknown.
    #[serde(default = "unread")]
    pub rotating: Result<BTreeSet<Authority>, String>,
    /// Control planes that this one's load balancer was told to let go of; none where it is not ours.
    #[serde(default)]
    pub released: BTreeSet<NodeName>,
    /// Why that is not known, where our load balancer does not tell.
    #[serde(default)]
    pub released_unknown: Option<String>,
    /// The agent itself; absent where it is of a version that can't be replaced by order.
    #[serde(default)]
    pub agent: Option<AgentSurvey>,
    /// The cluster, where this is a control plane that serves and it was asked for it.
    #[serde(default)]
    pub cluster: Option<ClusterSurvey>,
    /// Why there is no word on the cluster, where it was asked for.
    #[serde(default)]
    pub cluster_unknown: Option<String>,
}

/// Versions of the programs, with what installs them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Installed {
    /// Versions.
    pub versions: InstalledVersions,
    /// Where they come from.
    pub source: PackageSource,
}

/// What brings kubeadm and its kin to a node.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum PackageSource {
    /// Packages of Debian and its kin.
    Apt,
    /// Packages of RHEL and its kin.
    Dnf,
    /// Binaries that the operator puts into a folder.
    Folder,
    /// It could not be told.
    #[default]
    Unknown,
}

/// What was brought to a node beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StagedWords", into = "StagedWords")]
pub struct Staged {
    /// The version.
    pub target: KubernetesVersion,
    /// The etcd that its kubeadm brings to this node.
    pub etcd: StagedEtcd,
}

/// Which etcd a version brings to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StagedEtcd {
    /// The image's tag, from the words of the target's own kubeadm.
    Tag(String),
    /// None: the node is a worker, or etcd is not kubeadm's.
    Absent,
    /// It could not be told: the target's kubeadm was not to be asked. It never counts as none.
    Unknown,
}

/// [`Staged`] as it is written: the record of an agent that knew a tag or nothing reads as a tag or unknown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StagedWords {
    target: KubernetesVersion,
    #[serde(default)]
    etcd: Option<String>,
    #[serde(default)]
    no_etcd: bool,
}

impl From<StagedWords> for Staged {
    fn from(words: StagedWords) -> Self {
        Self {
            target: words.target,
            etcd: match (words.etcd, words.no_etcd) {
                (Some(tag), false) => StagedEtcd::Tag(tag),
                (None, true) => StagedEtcd::Absent,
                // Both at once is nothing that an agent writes.
                (None, false) | (Some(_), true) => StagedEtcd::Unknown,
            },
        }
    }
}

impl From<Staged> for StagedWords {
    fn from(staged: Staged) -> Self {
        let (etcd, no_etcd) = match staged.etcd {
            StagedEtcd::Tag(tag) => (Some(tag), false),
            StagedEtcd::Absent => (None, true),
            StagedEtcd::Unknown => (None, false),
        };
        Self {
            target: staged.target,
            etcd,
            no_etcd,
        }
    }
}

/// An upgrade of a node that began and did not end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unfinished {
    /// Where to.
    pub target: KubernetesVersion,
    /// What of the node.
    pub part: UpgradePart,
}

/// What a control plane says of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSurvey {
    /// `kubernetesVersion` of kubeadm-config: what the last `kubeadm upgrade apply` made of it.
    pub version: Option<KubernetesVersion>,
    /// The Nodes.
    pub nodes: Vec<NodeSeen>,
    /// Budgets that allow no disruption now.
    pub budgets: Vec<Budget>,
    /// etcd's members; empty where etcd is elsewhere.
    pub etcd: Vec<MemberSeen>,
    /// etcd's alarms.
    pub alarms: Vec<String>,
    /// Removed APIs that are still asked for.
    pub deprecated: Vec<DeprecatedApi>,
    /// Who holds the cluster's lease; absent: nobody.
    pub lease: Option<String>,
}

/// A Node as the API has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSeen {
    /// Its name.
    pub name: NodeName,
    /// `status.nodeInfo.kubeletVersion`.
    pub kubelet: Option<KubernetesVersion>,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether it is cordoned.
    pub cordoned: bool,
    /// Whether it was hactl that cordoned it.
    #[serde(default)]
    pub cordoned_by_hactl: bool,
}

/// A `PodDisruptionBudget` that allows no disruption.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// `namespace/name`.
    pub name: String,
    /// Who owns its pods, as `Deployment/web`; empty where nobody does.
    pub owner: String,
    /// Its pods with the nodes that they run on.
    pub pods: Vec<(String, String)>,
}

/// An etcd member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberSeen {
    /// Its name.
    pub name: String,
    /// Its id, hexadecimal.
    pub id: String,
    /// Whether it votes.
    pub voter: bool,
    /// What is wrong with it; absent: nothing.
    pub complaint: Option<String>,
    /// etcd's version; absent where it did not answer.
    pub version: Option<String>,
}

/// An API that a later Kubernetes does not serve and that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeprecatedApi {
    /// As `policy/v1beta1 podsecuritypolicies`.
    pub api: String,
    /// The minor that removes it, as `1.25`.
    pub removed: String,
}

fn unread<T>() -> Result<T, String> {
    Err("this agent does not say".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_of_another_version_reads_and_what_it_lacks_is_unknown() {
        let text = r#"{"node":"cp1","somethingNew":{"a":1},"staticPods":{"etcd":"3.5.30-0"}}"#;
        let survey: NodeSurvey = serde_json::from_str(text).unwrap();
        assert!(survey.offered.is_err() && survey.kubelet_changes.is_err());
        assert!(survey.rotating.is_err());
        assert_eq!(survey.installed.source, PackageSource::Unknown);
        for garbage in ["", "{}", "null", "{\"node\":\"\"}", &text[..30]] {
            assert!(
                serde_json::from_str::<NodeSurvey>(garbage).is_err(),
                "{garbage}"
            );
        }
    }

    #[test]
    fn a_staged_record_tells_no_etcd_from_not_known() {
        let staged = |etcd| Staged {
            target: KubernetesVersion::new(1, 36, 3),
            etcd,
        };
        for etcd in [
            StagedEtcd::Tag("3.6.11-0".to_owned()),
            StagedEtcd::Absent,
            StagedEtcd::Unknown,
        ] {
            let text = serde_json::to_string(&staged(etcd.clone())).unwrap();
            assert_eq!(
                serde_json::from_str::<Staged>(&text).unwrap(),
                staged(etcd),
                "{text}"
            );
        }
        for (text, etcd) in [
            (r#"{"target":"v1.36.3","etcd":null}"#, StagedEtcd::Unknown),
            (r#"{"target":"v1.36.3"}"#, StagedEtcd::Unknown),
            (
                r#"{"target":"v1.36.3","etcd":"3.6.11-0"}"#,
                StagedEtcd::Tag("3.6.11-0".to_owned()),
            ),
            (
                r#"{"target":"v1.36.3","etcd":"3.6.11-0","noEtcd":true}"#,
                StagedEtcd::Unknown,
            ),
        ] {
            assert_eq!(
                serde_json::from_str::<Staged>(text).unwrap(),
                staged(etcd),
                "{text}"
            );
        }
    }
}
