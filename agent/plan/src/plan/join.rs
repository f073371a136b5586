//! The plans of `kubeadm join`: fresh, or going on from what an interrupted one left.
//!
//! The credentials in the order are proof that a member has just admitted this node: it removed the etcd member that an
//! earlier try may have left, unless that member answered. They say which, and hold for the first plan alone: kubeadm makes a
//! member that counts, so what is planned after it never resets ([`Plan::resets`](super::Plan::resets)).

use hactl_proto::finding::Finding;
use hactl_proto::instruction::{Instruction, Order};
use hactl_proto::role::NodeRole;

use super::init::guarded;
use super::kubernetes::{
    against, data_dir, files, foreign_run, known_after, refusal, running_step,
    settle_control_plane, settle_node, stacked, unmarked, wrong_role,
};
use super::{NodeContext, Refusal};
use crate::facts::Known;
use crate::facts::kubernetes::KubernetesFacts;
use crate::kubeadm::command::Entrance;
use crate::step::kubernetes::KubernetesStep;

/// kubeadm's own steps, in order.
const KUBEADM: [KubernetesStep; 3] = [
    KubernetesStep::WriteConfig(Entrance::Join),
    KubernetesStep::Preflight(Entrance::Join),
    KubernetesStep::Join,
];

/// Computes the steps that are left of a control plane's join. Repeated after success it is empty.
pub fn join_control_plane(
    instruction: &Instruction,
    node: &NodeContext,
    facts: &KubernetesFacts,
) -> Result<Vec<KubernetesStep>, Refusal> {
    let mut findings = against(node, facts);
    findings.extend(wrong_role(node, NodeRole::ControlPlane));
    findings.extend(foreign_run(instruction, facts, &KUBEADM));
    findings.extend(counted_on(instruction, node, facts));
    if !findings.is_empty() {
        return Err(Refusal { findings });
    }
    let mut steps = Vec::new();
    if let Some(at) = running_step(instruction, facts, &KUBEADM) {
        steps.extend(&KUBEADM[at..]);
    } else if entered(node, facts) {
        return Ok(rest(node, facts));
    } else {
        steps.extend(from_the_start(node, facts));
    }
    let after = known_after(&steps, facts);
    steps.extend(settle_control_plane(node, &after, false));
    guarded(&mut steps, node, facts);
    Ok(steps)
}

/// What is left where this node is in already.
pub(super) fn rest(node: &NodeContext, facts: &KubernetesFacts) -> Vec<KubernetesStep> {
    let mut steps = Vec::new();
    if unmarked(facts) {
        steps.push(KubernetesStep::WriteConfig(Entrance::Join));
        steps.push(KubernetesStep::FinishJoin);
    }
    let after = known_after(&steps, facts);
    steps.extend(settle_control_plane(node, &after, false));
    guarded(&mut steps, node, facts);
    steps
}

/// Computes the steps that are left of a worker's join. Repeated after success it is empty.
pub fn join_worker(
    instruction: &Instruction,
    node: &NodeContext,
    facts: &KubernetesFacts,
) -> Result<Vec<KubernetesStep>, Refusal> {
    let mut findings = against(node, facts);
    findings.extend(wrong_role(node, NodeRole::Worker));
    findings.extend(foreign_run(instruction, facts, &KUBEADM));
    if let (true, Known::Unknown(reason)) = (files(facts).bootstrapped(), &facts.node) {
        findings.push(refusal(
            "node-registered",
            format!("this node has a kubelet.conf, and whether it is registered is unknown: {reason}"),
            "the API's word on this node".to_owned(),
            "Make the endpoint reachable from this node; if the kubelet.conf is another cluster's, clean this node.",
        ));
    }
    if !findings.is_empty() {
        return Err(Refusal { findings });
    }
    let mut steps = Vec::new();
    if let Some(at) = running_step(instruction, facts, &KUBEADM) {
        steps.extend(&KUBEADM[at..]);
    } else if !(files(facts).bootstrapped() && matches!(facts.node, Known::Is(Some(_)))) {
        steps.extend(from_the_start(node, facts));
    }
    let after = known_after(&steps, facts);
    steps.extend(settle_node(node, &after));
    if !steps.is_empty() {
        steps.push(KubernetesStep::RemoveConfig);
    }
    Ok(steps)
}

/// Whether this node is in already, so that cleaning it would take something away: with etcd on the control planes, its member
/// votes; with an etcd elsewhere, its API server serves and its Node is there.
pub(super) fn entered(node: &NodeContext, facts: &KubernetesFacts) -> bool {
    if stacked(node) {
        return facts
            .member
            .as_ref()
            .is_some_and(|member| !member.learner && member.started());
    }
    facts.api_server.serves() && matches!(facts.node, Known::Is(Some(_)))
}

/// The member that admitted this node saw its etcd member vote, and this node's own etcd does not say so now: a quorum that is away for
/// a moment. A reset would take a vote that etcd counts on (I9).
fn counted_on(
    instruction: &Instruction,
    node: &NodeContext,
    facts: &KubernetesFacts,
) -> Option<Finding> {
    let Order::JoinControlPlane(credentials) = &instruction.order else {
        return None;
    };
    if !credentials.etcd_member_kept || entered(node, facts) {
        return None;
    }
    let observed = match &facts.etcd {
        Known::Unknown(reason) => format!("this node's etcd does not answer: {reason}"),
        Known::Is(_) => "this node's etcd does not list it as a voter".to_owned(),
    };
    Some(refusal(
        "etcd-member-counted-on",
        observed,
        "the word of this node's etcd on its member, which voted when this node was admitted"
            .to_owned(),
        "Nothing to do: another member is asked again, and removes it if it is gone for good.",
    ))
}

fn from_the_start(node: &NodeContext, facts: &KubernetesFacts) -> Vec<KubernetesStep> {
    let mut steps = Vec::new();
    let left = !files(facts).evidence(data_dir(node)).is_empty();
    if left || !matches!(facts.marker, Known::Is(None)) {
        steps.push(KubernetesStep::Reset);
    }
    steps.extend(KUBEADM);
    steps
}
