//! The plan of one node's upgrade: fresh, going on from what an interrupted one left, or nothing.
//!
//! Before something is changed it has to be safe; once it was begun the way out is forward, so what is then in the way is
//! waited for by the steps, not refused.

use hactl_proto::finding::Finding;
use hactl_proto::instruction::Instruction;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::survey::StagedEtcd;
use hactl_proto::rollout::{Upgrade, UpgradePart};
use hactl_proto::version::KubernetesVersion;

use super::NodeContext;
use super::kubernetes::{refusal, stacked};
use super::rollout::not_under_lease;
use crate::etcd::quorum::may_stop;
use crate::facts::{Facts, Known};
use crate::kubeadm::Kubeadm;
use crate::rollout::FENCE_ANNOTATION;
use crate::rollout::images::VERSIONED;
use crate::step::rollout::RolloutStep;

/// Computes the reasons against and the steps that are left. Repeated after success there are neither.
pub(super) fn upgrade(
    instruction: &Instruction,
    order: &Upgrade,
    node: &NodeContext,
    facts: &Facts,
) -> (Vec<Finding>, Vec<RolloutStep>) {
    let begun = under_way(order, facts);
    if !begun && done(order, node, facts) {
        return (Vec::new(), Vec::new());
    }
    let findings = if begun {
        foreign_kubeadm(instruction, facts).into_iter().collect()
    } else {
        against(instruction, order, node, facts)
    };
    (findings, steps(order, node, facts, begun))
}

/// Whether this upgrade was begun here and has not come to its end.
pub(super) fn under_way(order: &Upgrade, facts: &Facts) -> bool {
    matches!(&facts.rollout.progress, Known::Is(Some(progress)) if progress.under_way(&order.target, order.part))
}

fn kubeadm_done(order: &Upgrade, facts: &Facts) -> bool {
    under_way(order, facts)
        && matches!(&facts.rollout.progress, Known::Is(Some(progress)) if progress.kubeadm_done)
}

fn steps(order: &Upgrade, node: &NodeContext, facts: &Facts, begun: bool) -> Vec<RolloutStep> {
    let mut steps = Vec::new();
    let control_plane = node.role == NodeRole::ControlPlane;
    if !begun {
        steps.push(RolloutStep::KeepAside);
    }
    if order.part != UpgradePart::Kubelet && !kubeadm_done(order, facts) {
        if !order.keep_etcd && stacked(node) && leads(facts) {
            steps.push(RolloutStep::MoveLeader);
        }
        if installed(&facts.machine.packages.kubeadm) != Some(&order.target) {
            steps.push(RolloutStep::InstallKubeadm);
        }
        steps.push(RolloutStep::UpgradeKubeadm);
        // What kubeadm started comes up while the kubelet is replaced: both are awaited after it.
        kubelet(order, facts, &mut steps);
        if control_plane {
            steps.push(RolloutStep::AwaitControlPlane);
        }
        steps.push(RolloutStep::RecordKubeadm);
    } else {
        if order.part == UpgradePart::Kubelet && stacked(node) && leads(facts) {
            steps.push(RolloutStep::MoveLeader);
        }
        kubelet(order, facts, &mut steps);
    }
    if with_kubelet(order) {
        steps.push(RolloutStep::AwaitUpgradedNode);
    }
    // Another minor's kubelet starts every container anew, the static pods' too: it computes another hash of their spec.
    if control_plane && order.part == UpgradePart::Kubelet {
        steps.push(RolloutStep::AwaitControlPlane);
    }
    // An API server that was told to end keeps its open watches for the 30 seconds that the kubelet grants it: all else is
    // awaited meanwhile.
    if control_plane {
        steps.push(RolloutStep::AwaitStaticPods);
    }
    steps.push(RolloutStep::RecordUpgraded);
    steps
}

/// Whether this node's member leads. It hands that over before it stops (I4), and only then: a request that is under way
/// meanwhile may fail (`etcdserver: leader changed`; seen with etcd 3.4 once in 60 moves under 20 requests a second).
pub(super) fn leads(facts: &Facts) -> bool {
    matches!((&facts.rollout.leader, &facts.kubernetes.member),
        (Known::Is(Some(leader)), Some(member)) if *leader == member.id)
}

const fn with_kubelet(order: &Upgrade) -> bool {
    matches!(order.part, UpgradePart::Whole | UpgradePart::Kubelet)
}

/// The kubelet's part, where the order has one.
fn kubelet(order: &Upgrade, facts: &Facts, steps: &mut Vec<RolloutStep>) {
    if with_kubelet(order) {
        let packages = &facts.machine.packages;
        let there = [&packages.kubelet, &packages.kubectl]
            .iter()
            .all(|fact| installed(fact) == Some(&order.target));
        if !there {
            steps.push(RolloutStep::InstallKubelet);
        }
        steps.push(RolloutStep::RestartKubelet);
    }
}

/// Whether all that the order wants is there, whoever made it so.
fn done(order: &Upgrade, node: &NodeContext, facts: &Facts) -> bool {
    let packages = &facts.machine.packages;
    let control_plane = node.role == NodeRole::ControlPlane;
    // Once its conditions were seen, a blink of a component does not make the upgrade undone.
    let recorded = matches!(&facts.rollout.progress, Known::Is(Some(progress))
        if progress.finished && progress.target == order.target && progress.part == order.part);
    let pods = || !control_plane || static_pods_at(&order.target, facts, recorded);
    let applied = || {
        !order.first
            || recorded
            || matches!(&facts.rollout.cluster_version, Known::Is(Some(version)) if *version == order.target)
    };
    let kubelet = || {
        [&packages.kubelet, &packages.kubectl]
            .iter()
            .all(|fact| installed(fact) == Some(&order.target))
            && (recorded
                || matches!(&facts.rollout.node, Known::Is(Some(found))
                if found.ready && found.kubelet.as_ref() == Some(&order.target)))
    };
    let kubeadm = || installed(&packages.kubeadm) == Some(&order.target);
    match order.part {
        UpgradePart::Whole => kubeadm() && pods() && applied() && kubelet(),
        UpgradePart::ControlPlane => kubeadm() && pods() && applied(),
        UpgradePart::Kubelet => kubelet(),
        UpgradePart::Etcd => etcd_at_target(facts),
    }
}

/// Whether manifests and runtime agree on the target.
fn static_pods_at(target: &KubernetesVersion, facts: &Facts, seen: bool) -> bool {
    let Known::Is(manifests) = &facts.rollout.manifests else {
        return false;
    };
    let tag = target.to_string();
    let runs = |component: &str| {
        matches!(&facts.rollout.running, Known::Is(running)
            if running.get(component).is_some_and(|tags| tags.contains(&tag)))
    };
    VERSIONED
        .iter()
        .all(|component| manifests.get(*component) == Some(&tag) && (seen || runs(component)))
}

fn etcd_at_target(facts: &Facts) -> bool {
    let (Known::Is(Some(staged)), Known::Is(manifests)) =
        (&facts.rollout.staged, &facts.rollout.manifests)
    else {
        return false;
    };
    match &staged.etcd {
        StagedEtcd::Tag(wanted) => manifests.get("etcd") == Some(wanted),
        StagedEtcd::Absent => true,
        StagedEtcd::Unknown => false,
    }
}

fn against(
    instruction: &Instruction,
    order: &Upgrade,
    node: &NodeContext,
    facts: &Facts,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = version_path(order, facts).into_iter().collect();
    findings.extend(fence(instruction, node, facts));
    findings.extend(foreign_kubeadm(instruction, facts));
    // The kubelet's part, too, starts etcd's member anew.
    if node.role == NodeRole::ControlPlane && stacked(node) {
        findings.extend(quorum(facts));
    }
    if !matches!(&facts.rollout.staged, Known::Is(Some(staged)) if staged.target == order.target) {
        findings.push(refusal(
            "staged",
            format!(
                "packages and images of {} are not known to be on this node",
                order.target
            ),
            "all of them here before anything is touched".to_owned(),
            "Give the order stage first; `hactl-controller upgrade` does.",
        ));
    }
    if order.part != UpgradePart::Kubelet {
        findings.extend(kubelet_config(facts));
    }
    findings.extend(rotating(facts));
    if let Known::Unknown(reason) = &facts.rollout.progress {
        findings.push(refusal(
            "upgrade-progress",
            format!("how far an earlier upgrade came can't be read: {reason}"),
            "a readable /var/lib/hactl/upgrade/progress.json, or none".to_owned(),
            "Look at the file; if nothing is half done on this node, remove it.",
        ));
    }
    findings
}

/// One minor at a time, never down (version skew policy).
fn version_path(order: &Upgrade, facts: &Facts) -> Option<Finding> {
    let target = &order.target;
    let remedy = "Go one minor at a time, upwards: `hactl-controller upgrade --to` plans the hops.";
    if Kubeadm::of(target).is_none() {
        return Some(refusal(
            "kubernetes-version",
            target.to_string(),
            "v1.20 to v1.37".to_owned(),
            "Choose a Kubernetes version that this agent knows, or a newer agent.",
        ));
    }
    let Some(kubelet) = installed(&facts.machine.packages.kubelet) else {
        return Some(refusal(
            "kubernetes-version",
            "the installed kubelet's version is unknown".to_owned(),
            "a known version to upgrade from".to_owned(),
            "See `hactl-agent doctor`.",
        ));
    };
    let fits = kubelet <= target
        && kubelet.major == target.major
        && target.minor - kubelet.minor <= Kubeadm::of(target).map_or(0, Kubeadm::kubelet_skew);
    (!fits).then(|| {
        refusal(
            "version-path",
            format!("kubelet {kubelet} is installed"),
            format!("a version from which {target} can be reached"),
            remedy,
        )
    })
}

/// A control plane reads the lease itself; a worker, which must not, reads the number on its own Node, put there by the
/// control plane that drained it.
fn fence(instruction: &Instruction, node: &NodeContext, facts: &Facts) -> Option<Finding> {
    if node.role == NodeRole::ControlPlane {
        return not_under_lease(instruction, facts);
    }
    let marked = match &facts.rollout.node {
        Known::Is(Some(found)) => found
            .annotations
            .get(FENCE_ANNOTATION)
            .cloned()
            .ok_or("this Node was not cordoned for an upgrade".to_owned()),
        Known::Is(None) => Err("this node is not registered".to_owned()),
        Known::Unknown(reason) => Err(format!("this Node can't be read: {reason}")),
    };
    let given = instruction.fence.map(|fence| fence.0.to_string());
    let observed = match (marked, given) {
        (Ok(marked), Some(given)) if marked == given => return None,
        (Ok(marked), _) => format!("this Node was cordoned under lease number {marked}"),
        (Err(observed), _) => observed,
    };
    Some(refusal(
        "lease-in-force",
        observed,
        format!(
            "this Node cordoned under the order's own lease number {}",
            instruction
                .fence
                .map_or_else(|| "(it has none)".to_owned(), |fence| fence.0.to_string())
        ),
        "Another controller may have taken over: see `hactl-controller status`, and `hactl-controller resume` to go on.",
    ))
}

/// What stays up must be a healthy quorum while this member is away (I3).
pub(super) fn quorum(facts: &Facts) -> Option<Finding> {
    let view = match &facts.kubernetes.etcd {
        Known::Is(Some(view)) => Known::Is(view.clone()),
        Known::Is(None) => Known::Unknown("no etcd runs here".to_owned()),
        Known::Unknown(reason) => Known::Unknown(reason.clone()),
    };
    let alone = matches!(&view, Known::Is(view) if view.list.members.len() == 1);
    let observed = match &facts.kubernetes.member {
        // With one control plane the API is away for a while; there is no quorum to lose to others.
        Some(_) if alone => return None,
        Some(member) => match may_stop(&view, member.id) {
            Ok(()) => return None,
            Err(reason) => reason.to_string(),
        },
        None => match view {
            Known::Is(_) => "etcd does not list a member at this node's address".to_owned(),
            Known::Unknown(reason) => format!("etcd's member list is unknown: {reason}"),
        },
    };
    Some(refusal(
        "etcd-quorum",
        observed,
        "a healthy quorum without this member while it is away".to_owned(),
        "Bring every etcd member up, then `hactl-controller resume`.",
    ))
}

fn kubelet_config(facts: &Facts) -> Option<Finding> {
    let observed = match &facts.rollout.kubelet_changes {
        Known::Is(changes) if changes.is_empty() => return None,
        Known::Is(changes) => format!(
            "/var/lib/kubelet/config.yaml differs: {}",
            changes.join(" | ")
        ),
        Known::Unknown(reason) => {
            format!("whether the kubelet's configuration was changed by hand is unknown: {reason}")
        }
    };
    Some(refusal(
        "kubelet-config-kept",
        observed,
        "the cluster's configuration, which kubeadm upgrade writes over this one".to_owned(),
        "Put the fields into the ConfigMap kubelet-config of kube-system (and into the spec), or take them off the node.",
    ))
}

/// kubeadm renews certificates and begins processes anew, of which a rotation has to know what they took up.
fn rotating(facts: &Facts) -> Option<Finding> {
    let observed = match &facts.rollout.rotating {
        Known::Is(authorities) => {
            let words: Vec<&str> = authorities.iter().map(|one| one.word()).collect();
            if words.is_empty() {
                return None;
            }
            format!("two CAs of {} lie here", words.join(" and of "))
        }
        Known::Unknown(reason) => format!("whether a CA is being rotated is unknown: {reason}"),
    };
    Some(refusal(
        "authority-rotating",
        observed,
        "no rotation of a CA under way".to_owned(),
        "End it with `hactl-controller certs rotate-ca --authority NAME --finish`, or turn it back with `--abort`; \
         then `hactl-controller resume`.",
    ))
}

/// A kubeadm that another operation began and that still runs.
fn foreign_kubeadm(instruction: &Instruction, facts: &Facts) -> Option<Finding> {
    let own = format!(
        "hactl-{}-{}",
        instruction.id,
        RolloutStep::UpgradeKubeadm.name()
    );
    let observed = match &facts.kubernetes.running {
        Known::Is(None) => return None,
        Known::Is(Some(unit)) if *unit == own => return None,
        Known::Is(Some(unit)) => format!("kubeadm still runs in the unit {unit}"),
        Known::Unknown(reason) => format!("whether kubeadm still runs is unknown: {reason}"),
    };
    Some(refusal(
        "kubeadm-running",
        observed,
        "no kubeadm at work but this operation's".to_owned(),
        "Wait for it to end, then `hactl-controller resume`.",
    ))
}

fn installed(fact: &Known<Option<KubernetesVersion>>) -> Option<&KubernetesVersion> {
    fact.known().and_then(Option::as_ref)
}

#[cfg(test)]
pub(super) mod tests;
