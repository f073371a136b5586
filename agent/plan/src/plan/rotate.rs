//! The plan of a control plane's part in a rotation of a CA.
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
use crate::certificate::trust::place;
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
    let mut steps = Vec::new();
    match order.stage {
        // The pair was put aside before: it comes from another control plane, and no key is in an order.
        Stage::Prepare => {}
        Stage::Trust => {
            let change = !in_file(seen).contains(&order.to);
            if change {
                steps.push(Step::Certificate(CertificateStep::TrustSuccessor));
            }
            steps.extend(restarts(seen, change, node, facts));
            if order.authority == Authority::FrontProxy {
                steps.push(Step::Certificate(CertificateStep::Republish));
            }
        }
        Stage::Reissue => {
            steps.push(Step::Certificate(CertificateStep::SignWithSuccessor));
            // After it: what a cut renewal is mended from is of the successor too.
            if renewing.is_none() {
                steps.push(Step::Certificate(CertificateStep::Keep));
            }
            steps.extend(renew::steps(renewing, false, node, facts));
        }
        Stage::Distrust => {
            let change = in_file(seen).iter().any(|one| *one != order.to);
            if change {
                steps.push(Step::Certificate(CertificateStep::TrustSuccessorAlone));
            }
            steps.extend(restarts(seen, change, node, facts));
            if order.authority == Authority::FrontProxy {
                steps.push(Step::Certificate(CertificateStep::Republish));
            }
            steps.push(Step::Certificate(CertificateStep::ForgetOthers));
        }
    }
    Ok(steps)
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

/// The CAs that the file holds now.
fn in_file(seen: &TrustSeen) -> BTreeSet<Fingerprint> {
    let file = place(seen.authority).map(|place| place.bundle);
    let found = file.and_then(|file| seen.believes.get(file));
    found.cloned().unwrap_or_default()
}

/// Of all that read the file where it changes, else of those that began before it was changed.
fn restarts(seen: &TrustSeen, all: bool, node: &NodeContext, facts: &Facts) -> Vec<Step> {
    let readers = place(seen.authority).map_or(&[][..], |place| place.pods);
    let mut steps = Vec::new();
    for pod in StaticPod::ALL {
        if !readers.contains(&pod) || !(all || seen.pending.contains(pod.component())) {
            continue;
        }
        if pod == StaticPod::Etcd && upgrade::leads(facts) {
            steps.push(Step::Rollout(RolloutStep::MoveLeader));
        }
        steps.push(Step::Certificate(CertificateStep::Restart(pod)));
    }
    if !steps.is_empty() || stacked(node) {
        steps.push(Step::Certificate(CertificateStep::AwaitControlPlane));
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
    let mut findings: Vec<Finding> = wrong_role(node, NodeRole::ControlPlane)
        .into_iter()
        .collect();
    findings.extend(not_under_lease(instruction, facts));
    if stacked(node) {
        findings.extend(upgrade::quorum(facts));
    }
    findings.extend(renew::under_upgrade(facts));
    findings.extend(seen.complaint.as_deref().map(unknown));
    if !seen.holds.contains(&order.to) {
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
        findings.extend(not_ready_to_reissue(order, facts, seen));
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

fn not_ready_to_reissue(order: &RotationOrder, facts: &Facts, seen: &TrustSeen) -> Vec<Finding> {
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
        Known::Is(seen) => findings.extend(renew::unfit(seen)),
        Known::Unknown(reason) => findings.push(unknown(reason)),
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
