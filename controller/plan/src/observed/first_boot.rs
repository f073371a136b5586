//! Where the first boot stands, from what the declared control planes durably are.

use hactl_proto::name::NodeName;
use hactl_proto::standing::{ClusterIdentity, Standing};
use serde::Serialize;

use super::Observed;

/// What the control planes' standings mean together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum FirstBoot {
    /// No control plane answers: nothing can be said.
    Unknown,
    /// No grant was given yet.
    NotBegun {
        /// Who may run `kubeadm init`.
        candidate: Option<NodeName>,
        /// Control planes that were not heard.
        missing: Vec<NodeName>,
    },
    /// Grants are being collected, or `kubeadm init` runs.
    UnderWay {
        /// Who holds them.
        candidate: NodeName,
        /// At which epoch.
        epoch: u64,
        /// Who granted.
        granted: Vec<NodeName>,
        /// Who did not, heard or not.
        missing: Vec<NodeName>,
        /// Whether the candidate has begun `kubeadm init`.
        initialising: bool,
    },
    /// There is a cluster.
    Cluster {
        /// Which.
        identity: ClusterIdentity,
        /// Who belongs to it.
        members: Vec<NodeName>,
        /// Declared control planes that do not yet, or were not heard.
        missing: Vec<NodeName>,
    },
    /// Control planes belong to more than one cluster. This never mends itself.
    Divided {
        /// The clusters with their members.
        clusters: Vec<(ClusterIdentity, Vec<NodeName>)>,
    },
}

/// Reads the standings.
pub fn first_boot(observed: &Observed) -> FirstBoot {
    let declared = || observed.spec.control_planes.iter().map(|node| &node.name);
    let standings: Vec<(&NodeName, &Standing)> = declared()
        .filter_map(|name| {
            let status = observed.node(name)?.status.said()?;
            Some((name, status.standing.as_ref()?))
        })
        .collect();
    if standings.is_empty() {
        return FirstBoot::Unknown;
    }
    let without = |members: &[NodeName]| {
        declared()
            .filter(|name| !members.contains(name))
            .cloned()
            .collect()
    };
    let mut clusters = clusters(&standings);
    if clusters.len() > 1 {
        return FirstBoot::Divided { clusters };
    }
    if let Some((identity, members)) = clusters.pop() {
        let missing = without(&members);
        return FirstBoot::Cluster {
            identity,
            members,
            missing,
        };
    }
    under_way(&standings, &without).unwrap_or_else(|| {
        let heard: Vec<NodeName> = standings.iter().map(|(name, _)| (*name).clone()).collect();
        FirstBoot::NotBegun {
            candidate: observed.spec.candidate().cloned(),
            missing: without(&heard),
        }
    })
}

fn clusters(standings: &[(&NodeName, &Standing)]) -> Vec<(ClusterIdentity, Vec<NodeName>)> {
    let mut clusters: Vec<(ClusterIdentity, Vec<NodeName>)> = Vec::new();
    for (name, standing) in standings {
        let Standing::Member(identity) = standing else {
            continue;
        };
        match clusters
            .iter_mut()
            .find(|(known, _)| same_cluster(known, identity))
        {
            Some((_, members)) => members.push((*name).clone()),
            None => clusters.push((identity.clone(), vec![(*name).clone()])),
        }
    }
    clusters
}

/// A member that could not read etcd's id yet is no member of another cluster.
fn same_cluster(a: &ClusterIdentity, b: &ClusterIdentity) -> bool {
    let etcd = a.etcd_cluster_id.as_ref().zip(b.etcd_cluster_id.as_ref());
    a.shares_ca(b) && etcd.is_none_or(|(a, b)| a == b)
}

fn under_way(
    standings: &[(&NodeName, &Standing)],
    without: &impl Fn(&[NodeName]) -> Vec<NodeName>,
) -> Option<FirstBoot> {
    // Of several epochs the highest counts: an operator raised it past the others.
    let grants = standings
        .iter()
        .filter_map(|(name, standing)| match standing {
            Standing::Granted(grant) => Some((*name, grant, false)),
            Standing::Initialising(grant) => Some((*name, grant, true)),
            _ => None,
        });
    let newest = grants
        .clone()
        .map(|(_, grant, _)| grant)
        .max_by_key(|grant| grant.epoch)?;
    let same = |grant: &hactl_proto::standing::Grant| {
        grant.epoch == newest.epoch && grant.candidate == newest.candidate
    };
    let granted: Vec<NodeName> = grants
        .clone()
        .filter(|(_, grant, _)| same(grant))
        .map(|(name, ..)| name.clone())
        .collect();
    Some(FirstBoot::UnderWay {
        candidate: newest.candidate.clone(),
        epoch: newest.epoch,
        missing: without(&granted),
        granted,
        initialising: grants
            .clone()
            .any(|(_, grant, initialising)| initialising && same(grant)),
    })
}
