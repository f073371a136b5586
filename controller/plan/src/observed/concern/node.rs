//! Concerns of one node: what it says of itself, what others say of it, and that it says nothing.

use hactl_proto::Timestamp;
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::member::MemberState;
use hactl_proto::report::Outcome;
use hactl_proto::standing::Standing;
use hactl_proto::status::NodeStatus;

use super::finding;
use crate::observed::{Observed, ObservedNode, Readiness, Silence, opinions, readiness, worst};

/// Certificates that end within that many hours are told.
const EXPIRY_NOTICE_HOURS: i64 = 30 * 24;

pub(super) fn findings(observed: &Observed, node: &ObservedNode) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(silence) = node.status.silence() {
        findings.push(unreachable(
            silence,
            &node.address.to_string(),
            observed.spec.policies.agent_port,
        ));
    }
    if let Some(status) = node.status.said() {
        findings.extend(belonging(observed, status));
        findings.extend(standing(status));
        findings.extend(last_operation(status));
        findings.extend(status.findings.iter().cloned());
        findings.extend(version(observed, status));
        findings.extend(expiry(observed, status));
        // While an operation works on it, a node is not ready by intent, and the operation is shown.
        let busy = status
            .operation
            .as_ref()
            .is_some_and(|operation| operation.outcome.is_none());
        if !busy {
            findings.extend(components(&readiness(observed, node)));
        }
    }
    findings.extend(seen_by_others(observed, node));
    findings
}

fn unreachable(silence: &Silence, address: &str, port: u16) -> Finding {
    let seconds = format!(
        "{}.{}",
        silence.tried_ms / 1000,
        silence.tried_ms % 1000 / 100
    );
    let place = format!("{address}:{port}");
    // Most reasons name the place themselves.
    let place = if silence.reason.contains(&place) {
        String::new()
    } else {
        format!(" at {place}")
    };
    let what = format!("{} (tried for {seconds} s{place})", silence.reason);
    let remedy = "see on the node: systemctl status hactl-agent; journalctl -u hactl-agent";
    finding(
        Severity::Refusal,
        "agent-answers",
        what,
        "an answer of its agent",
        remedy,
    )
}

/// To the second: more tells nobody anything.
fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn belonging(observed: &Observed, status: &NodeStatus) -> Vec<Finding> {
    let mut findings = Vec::new();
    if status.cluster != observed.cluster {
        let what = format!("it holds a bundle of cluster {}", status.cluster);
        let wanted = format!("cluster {}", observed.cluster);
        let remedy = "give it this cluster's bundle, if it is to belong here";
        findings.push(finding(
            Severity::Refusal,
            "cluster-id",
            what,
            wanted,
            remedy,
        ));
        return findings;
    }
    let wanted = observed.spec.bootstrap_hash();
    if status.spec != wanted {
        let what = format!(
            "it holds spec {} (generation {})",
            status.spec, status.generation
        );
        let wanted = format!("spec {wanted} (generation {})", observed.generation);
        let remedy = "give it the bundle that `hactl-controller bundle` wrote for it";
        findings.push(finding(
            Severity::Refusal,
            "same-spec",
            what,
            wanted,
            remedy,
        ));
    } else if status.generation < observed.generation {
        let what = format!("its bundle is of generation {}", status.generation);
        let wanted = format!("generation {}", observed.generation);
        let remedy = "give it the bundle that `hactl-controller bundle` wrote for it";
        findings.push(finding(
            Severity::Warning,
            "same-spec",
            what,
            wanted,
            remedy,
        ));
    }
    findings
}

fn standing(status: &NodeStatus) -> Option<Finding> {
    let Some(Standing::Foreign { evidence }) = &status.standing else {
        return None;
    };
    let what = format!(
        "data of an unknown cluster lies on it: {}",
        evidence.join(", ")
    );
    let remedy =
        "look at it; if it is worthless: kubeadm reset on the node, then restart hactl-agent";
    Some(finding(
        Severity::Refusal,
        "foreign-data",
        what,
        "no data that hactl did not make",
        remedy,
    ))
}

fn last_operation(status: &NodeStatus) -> Option<Finding> {
    let operation = status.operation.as_ref()?;
    match operation.outcome.as_ref()? {
        Outcome::Succeeded => None,
        Outcome::Refused { findings } => {
            let reasons = findings
                .iter()
                .map(|finding| format!("{}: {}", finding.check, finding.observed));
            let reasons = reasons.collect::<Vec<_>>().join("; ");
            let what = format!(
                "{} was refused, nothing was changed: {reasons}",
                operation.kind
            );
            let remedies = findings
                .iter()
                .map(|finding| finding.remedy.as_str())
                .collect::<Vec<_>>()
                .join("; ");
            Some(finding(
                Severity::Warning,
                "last-operation",
                what,
                "no finding against it",
                remedies,
            ))
        }
        Outcome::Failed {
            step,
            error,
            remedy,
            ..
        } => {
            let what = format!("{} failed at {step}: {error}", operation.kind);
            Some(finding(
                Severity::Refusal,
                "last-operation",
                what,
                "success",
                remedy,
            ))
        }
    }
}

fn version(observed: &Observed, status: &NodeStatus) -> Option<Finding> {
    let installed = status
        .versions
        .kubelet
        .as_ref()
        .or(status.health.kubelet_version.as_ref())?;
    let wanted = &observed.spec.kubernetes.version;
    (installed != wanted).then(|| {
        let remedy = "install the packages of the spec's version";
        finding(
            Severity::Warning,
            "kubelet-version",
            installed.to_string(),
            wanted.to_string(),
            remedy,
        )
    })
}

fn expiry(observed: &Observed, status: &NodeStatus) -> Option<Finding> {
    let expiry = status.health.certificate_expiry?;
    let hours = expiry.duration_since(observed.at).as_hours();
    (hours < EXPIRY_NOTICE_HOURS).then(|| {
        let severity = if hours < 0 {
            Severity::Refusal
        } else {
            Severity::Warning
        };
        let what = format!("a Kubernetes certificate ends at {}", second(expiry));
        let remedy = "renew it on the node: kubeadm certs renew all, then restart the static pods";
        finding(
            severity,
            "certificate-expiry",
            what,
            "more than 30 days",
            remedy,
        )
    })
}

fn components(readiness: &Readiness) -> Option<Finding> {
    let Readiness::No(components) = readiness else {
        return None;
    };
    // The Node has a finding of its own.
    let components: Vec<&str> = components
        .iter()
        .copied()
        .filter(|component| *component != "node")
        .collect();
    if components.is_empty() {
        return None;
    }
    let what = format!("{} not known to be healthy", components.join(", "));
    let remedy = "see what it says: `hactl-controller doctor`, `hactl-controller journal NODE`";
    Some(finding(
        Severity::Warning,
        "components",
        what,
        "each answers as it should",
        remedy,
    ))
}

fn seen_by_others(observed: &Observed, node: &ObservedNode) -> Option<Finding> {
    let opinions = opinions(observed, &node.name);
    let worst = worst(&opinions)?;
    let severity = match worst.state {
        MemberState::Alive => return None,
        MemberState::Suspect => Severity::Warning,
        MemberState::Down => Severity::Refusal,
    };
    let agree = opinions
        .iter()
        .filter(|opinion| opinion.state == worst.state)
        .count();
    let state = format!("{:?}", worst.state).to_lowercase();
    let what = format!(
        "{agree} of {} others see it {state}, {} since {}",
        opinions.len(),
        worst.observer,
        second(worst.since)
    );
    let remedy = "see who sees whom: `hactl-controller members`";
    Some(finding(
        severity,
        "membership",
        what,
        "alive for all",
        remedy,
    ))
}
