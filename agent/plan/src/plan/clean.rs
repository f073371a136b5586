//! The plan of cleaning a node of what kubeadm left.

use hactl_proto::instruction::Instruction;

use super::kubernetes::{against, data_dir, files, foreign_run, refusal, stacked};
use super::{NodeContext, Refusal};
use crate::etcd::EtcdMember;
use crate::facts::Known;
use crate::facts::kubernetes::KubernetesFacts;
use crate::step::kubernetes::KubernetesStep;

/// Computes the steps that clean this node. Its etcd member must be gone before: by id, through etcd, on another node
/// (I9). Repeated after success it is empty.
pub fn clean(
    instruction: &Instruction,
    node: &NodeContext,
    facts: &KubernetesFacts,
) -> Result<Vec<KubernetesStep>, Refusal> {
    let mut findings = against(node, facts);
    findings.extend(foreign_run(instruction, facts, &[KubernetesStep::Reset]));
    if let Some(member) = member_left(facts).filter(|_| stacked(node)) {
        findings.push(refusal(
            "etcd-member-left",
            format!("etcd still lists member {} at this node's address", member.id),
            "a list without this node".to_owned(),
            "Remove the member by id through etcd on another node first; kubeadm reset would wipe its data and leave it in the list.",
        ));
    }
    if !findings.is_empty() {
        return Err(Refusal { findings });
    }
    let left = !files(facts).evidence(data_dir(node)).is_empty();
    if left || !matches!(facts.marker, Known::Is(None)) {
        Ok(vec![KubernetesStep::Reset])
    } else {
        Ok(Vec::new())
    }
}

/// This node's member, if taking it away without asking the others would harm somebody: it is in a list with others, or it was
/// complete once. The sole member of an init that died belongs to nobody else.
pub fn member_left(facts: &KubernetesFacts) -> Option<&EtcdMember> {
    let alone = facts
        .etcd
        .known()
        .and_then(Option::as_ref)
        .is_some_and(|view| view.list.members.len() == 1);
    let complete = !matches!(facts.marker, Known::Is(None));
    facts.member.as_ref().filter(|_| complete || !alone)
}
