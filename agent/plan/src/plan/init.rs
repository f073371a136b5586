//! The plan of `kubeadm init`: fresh, or going on from what an interrupted one left.
//!
//! Whether this node may init at all is decided by the grants (`bootstrap`), before this order exists: the spec's candidate may, or
//! the one that an override names. Nobody else can give the order (`api`).

use hactl_proto::instruction::Instruction;
use hactl_proto::role::NodeRole;

use super::kubernetes::{
    against, data_dir, files, foreign_run, known_after, refusal, running_step,
    settle_control_plane, stacked, wrong_role,
};
use super::{NodeContext, Refusal};
use crate::facts::Known;
use crate::facts::kubernetes::KubernetesFacts;
use crate::kubeadm::command::Entrance;
use crate::step::kubernetes::KubernetesStep;

/// kubeadm's own steps, in order.
const KUBEADM: [KubernetesStep; 3] = [
    KubernetesStep::WriteConfig(Entrance::Init),
    KubernetesStep::Preflight(Entrance::Init),
    KubernetesStep::Init,
];

/// Computes the steps that are left of an init. Repeated after success it is empty.
pub fn init(
    instruction: &Instruction,
    node: &NodeContext,
    facts: &KubernetesFacts,
) -> Result<Vec<KubernetesStep>, Refusal> {
    let mut findings = against(node, facts);
    findings.extend(wrong_role(node, NodeRole::ControlPlane));
    findings.extend(foreign_run(instruction, facts, &KUBEADM));
    // A marker says that a member was complete here, so others may have joined it: another init would be a second cluster.
    let complete = !matches!(facts.marker, Known::Is(None));
    if stacked(node) && complete && !facts.member_votes() {
        let observed = match &facts.marker {
            Known::Is(Some(marker)) => format!(
                "member {} of etcd cluster {} was complete here and does not vote now",
                marker.member, marker.cluster
            ),
            Known::Is(None) => String::new(),
            Known::Unknown(reason) => format!("the marker of an etcd member is unknown: {reason}"),
        };
        findings.push(refusal(
            "etcd-member-complete",
            observed,
            "a node on which no etcd member was ever complete".to_owned(),
            "Bring the member back, or restore a snapshot. Only if the cluster is to be given up for good: clean this node.",
        ));
    }
    if !findings.is_empty() {
        return Err(Refusal { findings });
    }

    let mut steps = Vec::new();
    if let Some(at) = running_step(instruction, facts, &KUBEADM) {
        steps.extend(&KUBEADM[at..]);
    } else if facts.serving(stacked(node)) {
        if facts
            .cluster
            .known()
            .is_none_or(|objects| !objects.missing.is_empty())
        {
            steps.push(KubernetesStep::WriteConfig(Entrance::Init));
            steps.push(KubernetesStep::FinishInit);
        }
    } else {
        // Nothing serves, and no marker: no other node ever joined what lies here, so it is cleaned, not mended.
        if !files(facts).evidence(data_dir(node)).is_empty() {
            steps.push(KubernetesStep::Reset);
        }
        steps.extend(KUBEADM);
    }
    let after = known_after(&steps, facts);
    steps.extend(settle_control_plane(node, &after, true));
    guarded(&mut steps, node, facts);
    Ok(steps)
}

/// Puts the guard first where it is missing, and clears the configuration away last where one is written.
pub(super) fn guarded(
    steps: &mut Vec<KubernetesStep>,
    node: &NodeContext,
    facts: &KubernetesFacts,
) {
    let writes = steps.iter().any(|step| {
        matches!(
            step,
            KubernetesStep::WriteConfig(_)
                | KubernetesStep::Init
                | KubernetesStep::Join
                | KubernetesStep::Preflight(_)
        )
    });
    if writes {
        steps.push(KubernetesStep::RemoveConfig);
    }
    if stacked(node) && facts.guarded != Known::Is(true) {
        steps.insert(0, KubernetesStep::InstallEtcdGuard);
    }
}
