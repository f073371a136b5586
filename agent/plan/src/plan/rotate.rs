//! The plan of a node's part in a rotation of a CA.
//!
//! Before something is changed it has to be safe; what was begun goes on. The controller plans by what all nodes say; this looks at what
//! this node alone can know, again.

use std::collections::BTreeSet;

use hactl_proto::finding::Finding;
use hactl_proto::instruction::{Instruction, OperationId};
use hactl_proto::role::NodeRole;
use hactl_proto::rotation::{Authority, Fingerprint, RotationOrder, Stage, TrustSeen};

use super::kubernetes::{refusal, stacked, wrong_role};
use super::rollout::not_under_lease;
use super::{NodeContext, Refusal, renew, upgrade};
use crate::certificate::renewal::RenewalProgress;
use crate::certificate::trust::{Place, Process, place};
use crate::facts::{Facts, Known};
use crate::step::Step;
use crate::step::certificates::{CertificateStep, StaticPod};
use crate::step::rollout::RolloutStep;

/// Names the renewal that is inside of a reissue. The successor's own: another's later is another renewal.
pub fn renewal(order: &RotationOrder) -> Option<OperationId> {
    OperationId::new(format!("rotation-{}-{}", order.authority, order.to)).ok()
}

/// Computes the steps that are left. Repeated after success it is empty.
pub fn rotate(
    instruction: &Instruction,
    order: &RotationOrder,
    node: &NodeContext,
    facts: &Facts,
) -> Result<Vec<Step>, Refusal> {
    let seen = match &facts.rollout.trust {
        Known::Is(seen) => seen,
        Known::Unknown(reason) => return Err(refused(unknown(reason))),
    };
    if through(order, seen) {
        return Ok(Vec::new());
    }
    let renewing = renewing(order, facts);
    // What was begun restarts what no quorum may be counted on: the way out is forward.
    if seen.pending.is_empty() && renewing.is_none() {
        let findings = against(instruction, order, node, facts, seen);
        if !findings.is_empty() {
            return Err(Refusal { findings });
        }
    } else if let Some(complaint) = &seen.complaint
        && renewing.is_none()
    {
        return Err(refused(unknown(complaint)));
    }
    let place =
        place(order.authority, node).ok_or_else(|| refused(unknown("it has none on this node")))?;
    let cluster = order.authority == Authority::Kubernetes && node.role == NodeRole::ControlPlane;
    let mut steps: Vec<CertificateStep> = Vec::new();
    Ok(match order.stage {
        // The pair was put aside before: it comes from another control plane, and no key is in an order.
        Stage::Prepare => Vec::new(),
        Stage::Pods => vec![Step::Certificate(CertificateStep::RestartPods)],
        Stage::Trust => {
            let change = !held(seen, place).all(|all| all.contains(&order.to));
            if change {
                steps.push(CertificateStep::TrustSuccessor);
            }
            if cluster {
                steps.push(CertificateStep::PublishClusterInfo);
            }
            with_restarts(steps, seen, place, change, node, facts)
        }
        Stage::Reissue => reissue(order, renewing, place, node, facts, seen),
        Stage::Distrust => {
            let mut held = held(seen, place);
            let change = held.any(|all| all.iter().any(|one| *one != order.to));
            if change {
                steps.push(CertificateStep::TrustSuccessorAlone);
            }
            if cluster {
                steps.push(CertificateStep::PublishClusterInfo);
            }
            let mut steps = with_restarts(steps, seen, place, change, node, facts);
            steps.push(Step::Certificate(CertificateStep::ForgetOthers));
            steps
        }
    })
}

/// The signer changes, then all that it signs; the kubelet's pairs lie ready, signed by the successor, since the beginning of the turn.
fn reissue(
    order: &RotationOrder,
    renewing: Option<&RenewalProgress>,
    place: Place,
    node: &NodeContext,
    facts: &Facts,
    seen: &TrustSeen,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut push = |step| steps.push(Step::Certificate(step));
    if place.readers.contains(&Process::Kubelet) && facts.rollout.kubelet_pair == Known::Is(true) {
        push(CertificateStep::InstallKubelet);
    }
    push(CertificateStep::SignWithSuccessor);
    if node.role == NodeRole::Worker {
        return steps;
    }
    let others = seen
        .presents
        .iter()
        .any(|(name, by)| *by != order.to && !kubelets(name));
    // Only the kubelet's was left, or is old again: what kubeadm signs is through.
    let signs = seen.signer.as_ref() == Some(&order.to);
    if renewing.is_none() && signs && !others && seen.pending.is_empty() {
        return steps;
    }
    // After it: what a cut renewal is mended from is of the successor too.
    if renewing.is_none() {
        push(CertificateStep::Keep);
    }
    steps.extend(renew::steps(renewing, false, node, facts));
    steps
}

/// Whether a certificate is one that the kubelet presents, by the name that it has in [`TrustSeen::presents`].
pub fn kubelets(name: &str) -> bool {
    name == "kubelet.conf" || name.starts_with("kubelet-") || name.starts_with("kubelet presents ")
}

/// How far the renewal inside of this reissue has come, where one was begun and is not through.
fn renewing<'a>(order: &RotationOrder, facts: &'a Facts) -> Option<&'a RenewalProgress> {
    let Known::Is(Some(progress)) = &facts.rollout.renewal else {
        return None;
    };
    let own = order.stage == Stage::Reissue && renewal(order).as_ref() == Some(&progress.renewal);
    (own && !progress.finished).then_some(progress)
}

fn through(order: &RotationOrder, seen: &TrustSeen) -> bool {
    if seen.complaint.is_some() || !seen.pending.is_empty() {
        return false;
    }
    let to = &order.to;
    let mut believes = seen.believes.values();
    match order.stage {
        Stage::Prepare => seen.holds.contains(to),
        Stage::Pods => seen.pods.as_ref().is_some_and(|pods| {
            pods.unknown.is_none() && pods.given.contains(to) && pods.older.is_empty()
        }),
        Stage::Trust => believes.all(|one| one.contains(to)),
        Stage::Reissue => {
            seen.presents.values().all(|one| one == to) && seen.signer.as_ref() == Some(to)
        }
        Stage::Distrust => {
            believes.all(|one| one.iter().all(|one| one == to))
                && seen.holds.iter().all(|one| one == to)
        }
    }
}

/// What the CA's file holds now, and what each kubeconfig of this node believes.
fn held(seen: &TrustSeen, place: Place) -> impl Iterator<Item = &BTreeSet<Fingerprint>> {
    let leaves = place.leaves.iter().map(|leaf| leaf.name);
    leaves
        .chain([place.bundle])
        .filter_map(|name| seen.believes.get(name))
}

/// Of all that read the file where it changes, else of those that began before it was changed.
fn with_restarts(
    first: Vec<CertificateStep>,
    seen: &TrustSeen,
    place: Place,
    all: bool,
    node: &NodeContext,
    facts: &Facts,
) -> Vec<Step> {
    let mut steps: Vec<Step> = first.into_iter().map(Step::Certificate).collect();
    let restarts = |process: Process| {
        place.readers.contains(&process) && (all || seen.pending.contains(process.name()))
    };
    let mut pods = false;
    for pod in StaticPod::ALL
        .into_iter()
        .filter(|pod| restarts(Process::Pod(*pod)))
    {
        pods = true;
        if pod == StaticPod::Etcd && upgrade::leads(facts) {
            steps.push(Step::Rollout(RolloutStep::MoveLeader));
        }
        steps.push(Step::Certificate(CertificateStep::Restart(pod)));
    }
    let mut push = |step| steps.push(Step::Certificate(step));
    if node.role == NodeRole::ControlPlane && (pods || stacked(node)) {
        push(CertificateStep::AwaitControlPlane);
    }
    // After the pods: a kubelet that has just begun may not have heard of an API yet, and ends no static pod before.
    if restarts(Process::Kubelet) {
        push(CertificateStep::RestartKubelet);
    }
    // Last: one that is reloaded forgets that it was told to let this node go.
    if restarts(Process::Haproxy) {
        push(CertificateStep::ReloadHaproxy);
    }
    if place.published.is_some() {
        push(CertificateStep::Republish);
    }
    steps
}

/// Every reason against beginning.
fn against(
    instruction: &Instruction,
    order: &RotationOrder,
    node: &NodeContext,
    facts: &Facts,
    seen: &TrustSeen,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let control_plane = node.role == NodeRole::ControlPlane;
    if control_plane {
        findings.extend(not_under_lease(instruction, facts));
        if stacked(node) {
            findings.extend(upgrade::quorum(facts));
        }
    } else if order.authority != Authority::Kubernetes {
        findings.extend(wrong_role(node, NodeRole::ControlPlane));
    } else if instruction.fence.is_none() {
        // A worker reads no lease: whoever orders holds it, and the number is compared with the highest that was seen here.
        findings.push(refusal(
            "lease-in-force",
            "the order names no lease".to_owned(),
            "a lease number".to_owned(),
            "`hactl-controller certs rotate-ca` takes the lease for a worker's turn.",
        ));
    }
    findings.extend(renew::under_upgrade(facts));
    findings.extend(seen.complaint.as_deref().map(unknown));
    if control_plane && !seen.holds.contains(&order.to) {
        findings.push(refusal(
            "rotation-pair",
            format!("the pair of the CA {} is not on this node", order.to),
            "the successor's certificate and key".to_owned(),
            "`hactl-controller certs rotate-ca` brings it in its first stage.",
        ));
    }
    if let Known::Is(Some(unit)) = &facts.kubernetes.running {
        findings.push(refusal(
            "kubeadm-running",
            format!("kubeadm still runs in the unit {unit}"),
            "no kubeadm at work".to_owned(),
            "Wait for it to end, then go on.",
        ));
    }
    if order.stage == Stage::Reissue {
        findings.extend(not_ready_to_reissue(order, node, facts, seen));
    }
    if order.stage == Stage::Distrust {
        let other = seen.presents.iter().find(|(_, by)| **by != order.to);
        findings.extend(other.map(|(name, by)| {
            refusal(
                "rotation-presented",
                format!("{name} is of the CA {by}"),
                format!("nothing of any other CA than {}", order.to),
                "It is issued anew in the stage before.",
            )
        }));
    }
    findings
}

fn not_ready_to_reissue(
    order: &RotationOrder,
    node: &NodeContext,
    facts: &Facts,
    seen: &TrustSeen,
) -> Vec<Finding> {
    let strangers = seen.believes.iter();
    let mut findings: Vec<Finding> = strangers
        .filter(|(_, believes)| !believes.contains(&order.to))
        .map(|(name, _)| {
            refusal(
                "rotation-believed",
                format!("{name} does not believe the CA {} yet", order.to),
                "everything that believes the successor".to_owned(),
                "The stage before has to be through.",
            )
        })
        .collect();
    match &facts.rollout.certificates {
        _ if node.role == NodeRole::Worker => {}
        Known::Is(seen) => findings.extend(renew::unfit(seen)),
        Known::Unknown(reason) => findings.push(unknown(reason)),
    }
    let old = seen.presents.iter();
    let old = old.filter(|(name, by)| kubelets(name) && **by != order.to);
    if old.count() > 0 && facts.rollout.kubelet_pair != Known::Is(true) {
        findings.push(refusal(
            "rotation-kubelet",
            "no certificate for the kubelet lies ready".to_owned(),
            format!("one that the CA {} signed", order.to),
            "`hactl-controller certs rotate-ca` has it made at the beginning of the turn.",
        ));
    }
    findings
}

fn unknown(reason: &str) -> Finding {
    refusal(
        "rotation-known",
        format!("this node's part in that CA is unknown: {reason}"),
        "certificates and keys that can be read, each of a CA of this node".to_owned(),
        "See `hactl-controller certs`.",
    )
}

fn refused(finding: Finding) -> Refusal {
    Refusal {
        findings: vec![finding],
    }
}

#[cfg(test)]
mod tests;
