//! The plan of a renewal: fresh, going on from what an interrupted one left, or nothing.
//!
//! Before something is changed it has to be safe; once it was begun the way out is forward.

use hactl_proto::certificate::{CertificateInventory, Renewal};
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::instruction::{Instruction, OperationId};
use hactl_proto::role::NodeRole;

use super::kubernetes::{refusal, stacked, wrong_role};
use super::rollout::not_under_lease;
use super::{NodeContext, Refusal, upgrade};
use crate::certificate::renewal::{RenewalProgress, renewable};
use crate::facts::{Facts, Known};
use crate::step::Step;
use crate::step::certificates::{CertificateStep, StaticPod};
use crate::step::rollout::RolloutStep;

/// Computes the steps that are left. Repeated after success it is empty.
pub fn renew(
    instruction: &Instruction,
    (renewal, without_api): (&OperationId, bool),
    node: &NodeContext,
    facts: &Facts,
) -> Result<Vec<Step>, Refusal> {
    let progress = match &facts.rollout.renewal {
        Known::Is(progress) => progress.as_ref().filter(|one| one.renewal == *renewal),
        Known::Unknown(reason) => {
            return Err(Refusal {
                findings: vec![refusal(
                    "renewal-record",
                    format!("how far an earlier renewal came is unknown: {reason}"),
                    "a readable /var/lib/hactl/certificates/renewal.json".to_owned(),
                    "Look at the file; without it the next renewal begins afresh.",
                )],
            });
        }
    };
    match progress {
        Some(progress) if progress.finished => Ok(Vec::new()),
        Some(progress) => Ok(steps(Some(progress), without_api, node, facts)),
        None => {
            let findings = against(instruction, without_api, node, facts);
            if !findings.is_empty() {
                return Err(Refusal { findings });
            }
            let mut all = vec![Step::Certificate(CertificateStep::Keep)];
            all.extend(steps(None, without_api, node, facts));
            Ok(all)
        }
    }
}

pub(super) fn steps(
    progress: Option<&RenewalProgress>,
    without_api: bool,
    node: &NodeContext,
    facts: &Facts,
) -> Vec<Step> {
    let mut steps = Vec::new();
    if progress.is_none_or(|progress| !progress.renewed) {
        steps.push(Step::Certificate(CertificateStep::Renew));
    }
    for pod in StaticPod::ALL {
        let restarted = |progress: &RenewalProgress| progress.restarted.contains(pod.component());
        if (pod == StaticPod::Etcd && !stacked(node)) || progress.is_some_and(restarted) {
            continue;
        }
        if pod == StaticPod::Etcd && !without_api && upgrade::leads(facts) {
            steps.push(Step::Rollout(RolloutStep::MoveLeader));
        }
        steps.push(Step::Certificate(CertificateStep::Restart(pod)));
    }
    steps.push(Step::Certificate(CertificateStep::VerifyServed));
    if !without_api {
        // With every certificate ended etcd has no quorum until most members are through.
        steps.push(Step::Certificate(CertificateStep::AwaitControlPlane));
    }
    steps.push(Step::Certificate(CertificateStep::Record));
    steps
}

/// Every reason against beginning.
fn against(
    instruction: &Instruction,
    without_api: bool,
    node: &NodeContext,
    facts: &Facts,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = wrong_role(node, NodeRole::ControlPlane)
        .into_iter()
        .collect();
    if without_api {
        findings.extend(api_serves(facts));
    } else {
        findings.extend(not_under_lease(instruction, facts));
        if stacked(node) {
            findings.extend(upgrade::quorum(facts));
        }
    }
    match &facts.rollout.certificates {
        Known::Is(seen) => findings.extend(unfit(seen)),
        Known::Unknown(reason) => findings.push(refusal(
            "certificate-readable",
            format!("this node's certificates are unknown: {reason}"),
            "certificates that can be read".to_owned(),
            "See `hactl-controller certs`.",
        )),
    }
    findings.extend(under_upgrade(facts));
    if let Known::Is(Some(unit)) = &facts.kubernetes.running {
        findings.push(refusal(
            "kubeadm-running",
            format!("kubeadm still runs in the unit {unit}"),
            "no kubeadm at work".to_owned(),
            "Wait for it to end, then renew again.",
        ));
    }
    findings
}

/// What kubeadm could not renew, or would renew into something else: nothing is overwritten that is not whole.
pub fn unfit(seen: &CertificateInventory) -> Vec<Finding> {
    let blocking = [
        "certificate-readable",
        "certificate-key",
        "certificate-signer",
        // kubeadm passes over what is not there, and a process that still runs without it would not begin anew.
        "certificate-present",
    ];
    let not_kubeadms = ["/var/lib/kubelet/", "/var/lib/hactl/", "kubelet-client is"];
    let mut findings: Vec<Finding> = seen
        .findings
        .iter()
        .filter(|one| {
            one.severity == Severity::Refusal
                && blocking.contains(&one.check.as_str())
                && !not_kubeadms
                    .iter()
                    .any(|other| one.observed.contains(other))
        })
        .cloned()
        .collect();
    if renewable(seen).next().is_none() {
        let external = seen
            .certificates
            .iter()
            .any(|one| one.renewal == Renewal::External);
        findings.push(refusal(
            "certificate-external",
            if external {
                "the CAs' keys are not on this node: they are external".to_owned()
            } else {
                "kubeadm renews nothing on this node".to_owned()
            },
            "a certificate that kubeadm can renew".to_owned(),
            "Renew them where the CAs' keys are.",
        ));
    }
    findings
}

/// Where an API server serves, its lease says whose turn it is; where etcd answers, it has a quorum to lose.
fn api_serves(facts: &Facts) -> Option<Finding> {
    let observed = if facts.kubernetes.api_server.serves() {
        "this node's API server serves"
    } else if matches!(facts.kubernetes.etcd, Known::Is(Some(_))) {
        "this node's etcd member answers with its certificates"
    } else {
        return None;
    };
    Some({
        refusal(
            "api-server-serves",
            observed.to_owned(),
            "no API server and no etcd, since every certificate has ended".to_owned(),
            "`hactl-controller certs renew` renews under the cluster's lease.",
        )
    })
}

pub(super) fn under_upgrade(facts: &Facts) -> Option<Finding> {
    match &facts.rollout.progress {
        Known::Is(Some(progress)) if !progress.finished => Some(refusal(
            "upgrade-unfinished",
            format!("an upgrade of this node to {} was begun", progress.target),
            "no upgrade under way: it renews certificates itself".to_owned(),
            "`hactl-controller resume`, then renew.",
        )),
        Known::Unknown(reason) => Some(refusal(
            "upgrade-unfinished",
            format!("whether an upgrade of this node is under way is unknown: {reason}"),
            "a readable /var/lib/hactl/upgrade/progress.json, or none".to_owned(),
            "Look at the file; where no upgrade is under way it can go.",
        )),
        Known::Is(_) => None,
    }
}

#[cfg(test)]
pub(in crate::plan) mod tests;
