//! What the plans of init, join and clean share: the reasons against, and the steps that every finished node has seen.

use std::fmt::Write as _;

use hactl_proto::finding::Finding;
use hactl_proto::instruction::Instruction;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::EtcdTopology;
use sha2::{Digest, Sha256};

use super::NodeContext;
use crate::facts::Known;
use crate::facts::kubernetes::{KubernetesFacts, KubernetesFiles};
use crate::kubeadm::Kubeadm;
use crate::kubeadm::config::ZONE_LABEL;
use crate::step::kubernetes::KubernetesStep;

/// Whether etcd runs on the control planes.
pub fn stacked(node: &NodeContext) -> bool {
    matches!(node.spec.etcd, EtcdTopology::Stacked { .. })
}

/// etcd's data folder; kubeadm's own default where etcd is elsewhere.
pub fn data_dir(node: &NodeContext) -> &str {
    match &node.spec.etcd {
        EtcdTopology::Stacked { data_dir, .. } => data_dir,
        EtcdTopology::External { .. } => "/var/lib/etcd",
    }
}

/// The hash of the pod network's manifest, by which it is known to be applied.
pub fn pod_network_hash(node: &NodeContext) -> Option<String> {
    let network = node.spec.pod_network.as_ref()?;
    let mut hash = "sha256:".to_owned();
    for byte in Sha256::digest(network.manifest.as_bytes()) {
        let _ = write!(hash, "{byte:02x}");
    }
    Some(hash)
}

/// The unit in which an order's long step runs: `hactl-OPERATION-STEP`.
pub fn unit(instruction: &Instruction, step: KubernetesStep) -> String {
    format!("hactl-{}-{}", instruction.id, step.name())
}

/// A reason against an instruction.
pub(super) fn refusal(check: &str, observed: String, wanted: String, remedy: &str) -> Finding {
    Finding::refusal(check, observed, wanted, remedy)
}

/// The reasons that stand against every order that runs kubeadm.
pub(super) fn against(node: &NodeContext, facts: &KubernetesFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let wanted = &node.spec.kubernetes.version;
    if Kubeadm::of(wanted).is_none() {
        findings.push(refusal(
            "kubernetes-version",
            wanted.to_string(),
            "v1.20 to v1.37".to_owned(),
            "Choose a Kubernetes version that this agent knows, or a newer agent.",
        ));
    }
    match &facts.kubeadm {
        Known::Is(installed) if installed == wanted => {}
        Known::Is(installed) => findings.push(refusal(
            "kubeadm-version",
            format!("kubeadm {installed} is installed"),
            format!("kubeadm {wanted}, the spec's version"),
            "Install the spec's version of kubeadm, kubelet and kubectl, and hold them.",
        )),
        Known::Unknown(reason) => findings.push(refusal(
            "kubeadm-version",
            format!("the installed kubeadm's version is unknown: {reason}"),
            format!("kubeadm {wanted}, the spec's version"),
            "Install the spec's version of kubeadm, kubelet and kubectl, and hold them.",
        )),
    }
    if let Known::Unknown(reason) = &facts.files {
        findings.push(refusal(
            "kubernetes-files",
            format!("what kubeadm left here could not be read: {reason}"),
            "readable /etc/kubernetes, /var/lib/kubelet and etcd's data folder".to_owned(),
            "Look at the disk and the rights of those folders.",
        ));
    }
    if let Known::Unknown(reason) = &facts.running {
        findings.push(refusal(
            "kubeadm-running",
            format!("whether kubeadm still runs is unknown: {reason}"),
            "systemd's word on it".to_owned(),
            "Look at `systemctl list-units 'hactl-*'`.",
        ));
    }
    findings
}

/// A kubeadm that another operation began and that still runs.
pub(super) fn foreign_run(
    instruction: &Instruction,
    facts: &KubernetesFacts,
    ours: &[KubernetesStep],
) -> Option<Finding> {
    let running = facts.running.known()?.as_ref()?;
    if ours.iter().any(|step| *running == unit(instruction, *step)) {
        return None;
    }
    Some(refusal(
        "kubeadm-running",
        format!("kubeadm still runs in the unit {running}"),
        "no kubeadm at work but this operation's".to_owned(),
        "Wait for it to end; the next try goes on from what it leaves.",
    ))
}

/// Where to go on if this operation's own long step still runs, from before the agent's last start.
pub(super) fn running_step(
    instruction: &Instruction,
    facts: &KubernetesFacts,
    steps: &[KubernetesStep],
) -> Option<usize> {
    let running = facts.running.known()?.as_ref()?;
    steps
        .iter()
        .position(|step| *running == unit(instruction, *step))
}

/// The files, once [`against`] found nothing: they are known then.
pub(super) fn files(facts: &KubernetesFacts) -> KubernetesFiles {
    facts.files.known().cloned().unwrap_or_default()
}

/// What is known of the node once these steps are done: what kubeadm makes, or a reset takes, is not what was read before.
pub(super) fn known_after(steps: &[KubernetesStep], facts: &KubernetesFacts) -> KubernetesFacts {
    let anew = |step: &KubernetesStep| {
        matches!(
            step,
            KubernetesStep::Reset | KubernetesStep::Init | KubernetesStep::Join
        )
    };
    if steps.iter().any(anew) {
        return KubernetesFacts {
            guarded: facts.guarded.clone(),
            ..KubernetesFacts::default()
        };
    }
    let mut after = facts.clone();
    if steps.contains(&KubernetesStep::FinishInit) {
        // One of its phases makes a bootstrap token.
        after.cluster = Known::default();
    }
    after
}

/// Steps of a control plane whose kubeadm is through; an `init` has some more.
pub(super) fn settle_control_plane(
    node: &NodeContext,
    facts: &KubernetesFacts,
    init: bool,
) -> Vec<KubernetesStep> {
    let mut steps = Vec::new();
    let serves = facts.serving(stacked(node));
    let cluster = facts.cluster.known();
    if !serves {
        steps.push(KubernetesStep::AwaitApiServer);
        if stacked(node) {
            steps.push(KubernetesStep::AwaitEtcdMember);
        }
    }
    if stacked(node) && !matches!(facts.marker, Known::Is(Some(_))) {
        steps.push(KubernetesStep::RecordEtcdMember);
    }
    if init && cluster.is_none_or(|objects| !objects.init_tokens.is_empty()) {
        steps.push(KubernetesStep::RemoveInitSecrets);
    }
    if init && stacked(node) && cluster.is_none_or(|objects| !objects.etcd_existing) {
        steps.push(KubernetesStep::KeepEtcdExisting);
    }
    if init
        && pod_network_hash(node).is_some_and(|wanted| {
            cluster.and_then(|objects| objects.pod_network.as_ref()) != Some(&wanted)
        })
    {
        steps.push(KubernetesStep::ApplyPodNetwork);
    }
    steps.extend(settle_node(node, facts));
    steps
}

/// Steps of any node whose kubeadm is through.
pub(super) fn settle_node(node: &NodeContext, facts: &KubernetesFacts) -> Vec<KubernetesStep> {
    let object = facts.node.known().and_then(Option::as_ref);
    let mut steps = Vec::new();
    let settled = object.is_some_and(|object| {
        object.ready || (node.spec.pod_network.is_none() && object.waits_for_pod_network())
    });
    if !settled {
        steps.push(KubernetesStep::AwaitNode);
    }
    // A fresh Node is registered with its label by the kubelet itself.
    if object.is_some_and(|object| {
        object.labels.get(ZONE_LABEL).map(String::as_str) != Some(node.zone.as_str())
    }) {
        steps.push(KubernetesStep::LabelZone);
    }
    steps
}

/// Whether the Node is known and lacks kubeadm's mark of a control plane.
pub(super) fn unmarked(facts: &KubernetesFacts) -> bool {
    !facts
        .node
        .known()
        .and_then(Option::as_ref)
        .is_some_and(crate::kubeadm::output::NodeObject::marked_control_plane)
}

/// The role that the order is for, said as a finding where the node has another.
pub(super) fn wrong_role(node: &NodeContext, wanted: NodeRole) -> Option<Finding> {
    (node.role != wanted).then(|| {
        refusal(
            "role",
            format!("{} is a {}", node.node, node.role),
            format!("a {wanted}"),
            "Give the order to a node of that role, or change the spec.",
        )
    })
}

#[cfg(test)]
mod tests;
