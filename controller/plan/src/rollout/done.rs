//! Whether a node has seen a phase, from what is seen now. What is not known never counts as done.

use std::collections::BTreeMap;

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::{NodeSeen, NodeSurvey, StagedEtcd};
use hactl_proto::version::KubernetesVersion;

use super::{Hop, PhaseKind, RolloutPlan, Seen, SeenNode};

/// Nodes as the API has them.
pub(super) type Known<'a> = BTreeMap<&'a NodeName, &'a NodeSeen>;

/// The static pods of a control plane that bear Kubernetes' own version.
const VERSIONED: [&str; 3] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// The hops that are not behind: from the last one that a control plane has begun. A hop begins once every node is through the
/// one before, so that what earlier ones ask for is not asked for again in the middle of a later one.
pub(super) fn hops_left<'a>(plan: &'a RolloutPlan, seen: &Seen) -> &'a [Hop] {
    let present = plan.hops.iter().rposition(|hop| hop_begun(hop, seen));
    plan.hops.get(present.unwrap_or(0)..).unwrap_or_default()
}

/// Whether a control plane has begun the hop.
pub(super) fn hop_begun(hop: &Hop, seen: &Seen) -> bool {
    seen.control_planes().any(|node| {
        let at = node.api_server().is_some_and(|version| version >= hop.to);
        at || node
            .survey
            .said()
            .and_then(|survey| survey.unfinished.as_ref())
            .is_some_and(|unfinished| unfinished.target == hop.to)
    })
}

/// Whether a node has seen a phase of the hop; `later` are the hops after it. A node that does not say is not done, nor one that
/// is still cordoned by a phase that drains: by one that doesn't, its turn would never end that.
pub(super) fn done(
    kind: PhaseKind,
    hop: &Hop,
    later: &[Hop],
    node: &SeenNode,
    known: &Known<'_>,
) -> bool {
    let Some(survey) = node.survey.said() else {
        return false;
    };
    let found = known.get(&node.name);
    let settled = !begun(kind, hop, survey);
    let uncordoned = found.is_some_and(|found| !found.cordoned_by_hactl);
    let at = |version: Option<&KubernetesVersion>| version.is_some_and(|found| *found >= hop.to);
    let kubelet =
        uncordoned && found.is_some_and(|found| found.ready && at(found.kubelet.as_ref()));
    let pods = VERSIONED.iter().all(|pod| {
        let tag = survey
            .static_pods
            .get(*pod)
            .and_then(|tag| tag.parse().ok());
        at(tag.as_ref())
    });
    match kind {
        PhaseKind::Stage => {
            let through =
                survey.unfinished.is_none() && kubelet && (node.role == NodeRole::Worker || pods);
            through || staged_for(survey, hop) || staged_later(survey, later)
        }
        // These two are no node's state.
        PhaseKind::Snapshot | PhaseKind::Soak => false,
        PhaseKind::ControlPlanes if hop.minor_changes() => settled && pods,
        PhaseKind::ControlPlanes => settled && pods && kubelet,
        PhaseKind::Kubelets => settled && kubelet,
        PhaseKind::Etcd => settled && etcd(survey, hop, later) == EtcdOf::There,
        PhaseKind::Workers => settled && kubelet && at(survey.installed.versions.kubeadm.as_ref()),
    }
}

/// Whether a node has begun a phase of the hop and not ended it. What a later phase began is not this one's: its turns would be given
/// again and again, with nothing left to do in them.
fn begun(kind: PhaseKind, hop: &Hop, survey: &NodeSurvey) -> bool {
    let Some(unfinished) = &survey.unfinished else {
        return false;
    };
    let part = unfinished.part;
    unfinished.target != hop.to
        || match kind {
            PhaseKind::ControlPlanes => !matches!(part, UpgradePart::Kubelet | UpgradePart::Etcd),
            PhaseKind::Kubelets => part != UpgradePart::Etcd,
            _ => true,
        }
}

/// Whether a worker is through a hop but for being Ready.
pub(super) fn through_but_ready(hop: &Hop, node: &SeenNode, known: &Known<'_>) -> bool {
    let (Some(survey), Some(found)) = (node.survey.said(), known.get(&node.name)) else {
        return false;
    };
    let at = |version: Option<&KubernetesVersion>| version.is_some_and(|found| *found >= hop.to);
    survey.unfinished.is_none()
        && !found.ready
        && !found.cordoned_by_hactl
        && at(found.kubelet.as_ref())
        && at(survey.installed.versions.kubeadm.as_ref())
}

/// Where a node's etcd stands against a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EtcdOf {
    /// It is the one that the hop brings, or the hop brings none to the node.
    There,
    /// It is another one.
    Another,
    /// Which one the hop brings is not known.
    Unknown,
}

/// A node's etcd against what the target's kubeadm brings, as the node told it when it was staged.
pub(super) fn etcd(survey: &NodeSurvey, hop: &Hop, later: &[Hop]) -> EtcdOf {
    // A later hop is staged only when every node is through this one.
    if staged_later(survey, later) {
        return EtcdOf::There;
    }
    let staged = survey.staged.as_ref().filter(|one| one.target == hop.to);
    match staged.map(|one| &one.etcd) {
        Some(StagedEtcd::Absent) => EtcdOf::There,
        Some(StagedEtcd::Tag(tag)) if survey.static_pods.get("etcd") == Some(tag) => EtcdOf::There,
        Some(StagedEtcd::Tag(_)) => EtcdOf::Another,
        Some(StagedEtcd::Unknown) | None => EtcdOf::Unknown,
    }
}

fn staged_for(survey: &NodeSurvey, hop: &Hop) -> bool {
    survey
        .staged
        .as_ref()
        .is_some_and(|staged| staged.target == hop.to)
}

fn staged_later(survey: &NodeSurvey, later: &[Hop]) -> bool {
    later.iter().any(|hop| staged_for(survey, hop))
}
