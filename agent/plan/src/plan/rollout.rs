//! The plans of a rolling upgrade's orders, but for the upgrade of a node itself, which has a file of its own.

#[cfg(test)]
mod tests;

use hactl_proto::finding::Finding;
use hactl_proto::instruction::Instruction;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::RolloutOrder;
use hactl_proto::rollout::survey::{PackageSource, Staged, StagedEtcd};
use hactl_proto::spec::EndpointMode;
use hactl_proto::version::KubernetesVersion;

use super::kubernetes::{refusal, stacked, wrong_role};
use super::{NodeContext, Refusal, agent_package, upgrade};
use crate::facts::{Facts, Known};
use crate::kubeadm::Kubeadm;
use crate::rollout::packages::{self, KUBERNETES_PACKAGES};
use crate::rollout::{CORDONED_ANNOTATION, FENCE_ANNOTATION, lease};
use crate::step::rollout::RolloutStep;

/// Free space that staging asks for: packages and images of one version, and a copy of what an upgrade changes.
const WANTED_BYTES: u64 = 3 << 30;

/// Computes the steps that are left of an order. Repeated after success it is empty.
pub fn rollout(
    instruction: &Instruction,
    order: &RolloutOrder,
    node: &NodeContext,
    facts: &Facts,
) -> Result<Vec<RolloutStep>, Refusal> {
    let (findings, steps) = match order {
        RolloutOrder::Stage { target } => stage(target, facts),
        RolloutOrder::SnapshotEtcd => snapshot(instruction, node, facts),
        RolloutOrder::ReleaseBackend { node: backend } => backend_step(node, backend, facts, true),
        RolloutOrder::ReturnBackend { node: backend } => backend_step(node, backend, facts, false),
        RolloutOrder::Drain(drain) => drain_steps(instruction, node, &drain.node, facts),
        RolloutOrder::Uncordon { node: subject } => uncordon(instruction, node, subject, facts),
        RolloutOrder::Upgrade(order) => upgrade::upgrade(instruction, order, node, facts),
        RolloutOrder::ReplaceAgent(order) => {
            agent_package::replace(instruction, order, node, facts)
        }
        // They have plans of their own.
        RolloutOrder::RenewCertificates { .. }
        | RolloutOrder::RotateAuthority(_)
        | RolloutOrder::InstallKubeletCertificate => (Vec::new(), Vec::new()),
    };
    if findings.is_empty() {
        Ok(steps)
    } else {
        Err(Refusal { findings })
    }
}

type Planned = (Vec<Finding>, Vec<RolloutStep>);

fn stage(target: &KubernetesVersion, facts: &Facts) -> Planned {
    let kubeadm = facts.machine.packages.kubeadm.known().cloned().flatten();
    let facts = &facts.rollout;
    let mut findings = Vec::new();
    if Kubeadm::of(target).is_none() {
        findings.push(refusal(
            "kubernetes-version",
            target.to_string(),
            "v1.20 to v1.37".to_owned(),
            "Choose a Kubernetes version that this agent knows, or a newer agent.",
        ));
    }
    findings.extend(not_to_be_had(target, facts));
    match &facts.free_bytes {
        Known::Is(free) if *free >= WANTED_BYTES => {}
        free => findings.push(refusal(
            "disk-space",
            match free {
                Known::Is(free) => format!("{} MiB are free", free >> 20),
                Known::Unknown(reason) => format!("the free space is unknown: {reason}"),
            },
            format!("{} MiB for packages, images and copies", WANTED_BYTES >> 20),
            "Make room on the file systems of /var/lib and /etc.",
        )),
    }
    // Which etcd it brings may not have been known then; the target's kubeadm, installed by now, tells it.
    let told =
        |staged: &Staged| staged.etcd != StagedEtcd::Unknown || kubeadm.as_ref() != Some(target);
    let there = matches!(&facts.staged, Known::Is(Some(staged)) if staged.target == *target && told(staged));
    let steps = if there {
        Vec::new()
    } else {
        vec![RolloutStep::FetchPackages, RolloutStep::FetchImages]
    };
    (findings, steps)
}

/// Whether the target can be had here, and where not, what can.
fn not_to_be_had(
    target: &KubernetesVersion,
    facts: &crate::facts::rollout::RolloutFacts,
) -> Option<Finding> {
    let wanted = format!("{} {target}", KUBERNETES_PACKAGES.join(", "));
    if facts.source == PackageSource::Folder {
        return (!facts.folder.contains(target)).then(|| {
            let observed = format!("{}/{target} does not hold all of them", packages::FOLDER);
            refusal(
                "packages-offered",
                observed,
                wanted,
                "Put the three binaries there, mode 0755.",
            )
        });
    }
    let remedy = "Add the repository of that minor to the node (pkgs.k8s.io has one a minor), refresh it, and see \
                  `apt-cache madison kubeadm` or `dnf list --showduplicates kubeadm`.";
    let observed = match &facts.offers {
        Known::Is(offers) => {
            let complete = packages::complete(offers);
            if complete.contains(target) {
                return None;
            }
            let list: Vec<String> = complete.iter().map(ToString::to_string).collect();
            format!(
                "the node's repositories offer {}",
                or_nothing(&list.join(", "))
            )
        }
        Known::Unknown(reason) => format!("what the repositories offer is unknown: {reason}"),
    };
    Some(refusal("packages-offered", observed, wanted, remedy))
}

fn or_nothing(list: &str) -> &str {
    if list.is_empty() { "none" } else { list }
}

fn snapshot(instruction: &Instruction, node: &NodeContext, facts: &Facts) -> Planned {
    let mut findings: Vec<Finding> = wrong_role(node, NodeRole::ControlPlane)
        .into_iter()
        .collect();
    findings.extend(not_under_lease(instruction, facts));
    if !stacked(node) {
        return (findings, Vec::new());
    }
    if !facts.kubernetes.member_votes() {
        findings.push(refusal(
            "etcd-member-healthy",
            "this node's etcd member is not known to be healthy".to_owned(),
            "a healthy member to take the snapshot of".to_owned(),
            "Give the order to another control plane, or mend this one's etcd.",
        ));
    }
    let taken = facts
        .rollout
        .snapshots
        .contains(&snapshot_file(instruction));
    let steps = if taken {
        Vec::new()
    } else {
        vec![RolloutStep::SnapshotEtcd]
    };
    (findings, steps)
}

/// The file of an order's snapshot, in the folder of snapshots.
pub fn snapshot_file(instruction: &Instruction) -> String {
    format!("{}.db", instruction.id)
}

/// Only the managed endpoint has something to let go of. A control plane that is the only one is kept: nobody else would take what is
/// asked of the endpoint, kubeadm's own questions among it.
fn backend_step(node: &NodeContext, backend: &NodeName, facts: &Facts, release: bool) -> Planned {
    let mut findings: Vec<Finding> = wrong_role(node, NodeRole::ControlPlane)
        .into_iter()
        .collect();
    let known = node
        .spec
        .control_planes
        .iter()
        .any(|one| one.name == *backend);
    if !known {
        findings.push(refusal(
            "backend-known",
            format!("{backend} is no control plane of the spec"),
            "a control plane behind the endpoint".to_owned(),
            "Name a declared control plane.",
        ));
    }
    let managed = matches!(node.spec.endpoint.mode, EndpointMode::Managed { .. });
    let alone = node.spec.control_planes.len() == 1;
    let so = matches!(&facts.rollout.released, Known::Is(released) if released.contains(backend) == release);
    let step = if release {
        RolloutStep::ReleaseBackend
    } else {
        RolloutStep::ReturnBackend
    };
    let steps = if managed && !so && !(alone && release) {
        vec![step]
    } else {
        Vec::new()
    };
    (findings, steps)
}

fn drain_steps(
    instruction: &Instruction,
    node: &NodeContext,
    subject: &NodeName,
    facts: &Facts,
) -> Planned {
    let mut findings = steward(instruction, node, facts);
    findings.extend(no_node(subject, facts));
    let fence = instruction.fence.map(|fence| fence.0.to_string());
    let cordoned = matches!(&facts.rollout.subject, Known::Is(Some(found))
        if found.unschedulable && found.annotations.get(FENCE_ANNOTATION) == fence.as_ref());
    let mut steps = Vec::new();
    if !cordoned {
        steps.push(RolloutStep::Cordon);
    }
    if !matches!(&facts.rollout.evictable, Known::Is(left) if left.is_empty()) {
        steps.push(RolloutStep::Evict);
    }
    (findings, steps)
}

fn uncordon(
    instruction: &Instruction,
    node: &NodeContext,
    subject: &NodeName,
    facts: &Facts,
) -> Planned {
    let findings = steward(instruction, node, facts);
    let marked = match &facts.rollout.subject {
        Known::Is(Some(found)) => [FENCE_ANNOTATION, CORDONED_ANNOTATION]
            .iter()
            .any(|mark| found.annotations.contains_key(*mark)),
        Known::Is(None) => false,
        Known::Unknown(_) => {
            return (
                findings
                    .into_iter()
                    .chain(no_node(subject, facts))
                    .collect(),
                Vec::new(),
            );
        }
    };
    let steps = if marked {
        vec![RolloutStep::Uncordon]
    } else {
        Vec::new()
    };
    (findings, steps)
}

/// What whoever acts on other nodes through the API needs: a control plane that serves, and the lease.
fn steward(instruction: &Instruction, node: &NodeContext, facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = wrong_role(node, NodeRole::ControlPlane)
        .into_iter()
        .collect();
    if !facts.kubernetes.api_server.serves() {
        findings.push(refusal(
            "api-server-serves",
            "this node's own API server does not serve now".to_owned(),
            "a control plane that serves".to_owned(),
            "Give the order to another control plane.",
        ));
    }
    findings.extend(not_under_lease(instruction, facts));
    findings
}

/// The lease's number is checked where it is acted on, not only where it was planned (I1).
pub(super) fn not_under_lease(instruction: &Instruction, facts: &Facts) -> Option<Finding> {
    let (observed, wanted) = match (instruction.fence, &facts.rollout.lease) {
        (None, _) => (
            "the order names no lease".to_owned(),
            "a lease number".to_owned(),
        ),
        (Some(fence), Known::Unknown(reason)) => (
            format!("the lease kube-system/hactl can't be read: {reason}"),
            format!("the lease's word that {} is in force", fence.0),
        ),
        (Some(fence), Known::Is(found)) => match lease::in_force(found.as_ref(), fence, facts.at) {
            Ok(()) => return None,
            Err(observed) => (observed, format!("number {} in force", fence.0)),
        },
    };
    Some(refusal(
        "lease-in-force",
        observed,
        wanted,
        "Another controller may have taken over: see `hactl-controller status`, and `hactl-controller resume` to go on.",
    ))
}

fn no_node(subject: &NodeName, facts: &Facts) -> Option<Finding> {
    let observed = match &facts.rollout.subject {
        Known::Is(Some(_)) => return None,
        Known::Is(None) => format!("the API has no Node {subject}"),
        Known::Unknown(reason) => format!("the Node {subject} can't be read: {reason}"),
    };
    Some(refusal(
        "node-registered",
        observed,
        format!("the Node {subject}"),
        "Look whether the node has joined, and whether the API answers.",
    ))
}
