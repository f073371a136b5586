//! Every reason against beginning a rotation, at once.

use std::collections::BTreeSet;

use hactl_proto::Timestamp;
use hactl_proto::finding::Finding;
use hactl_proto::rotation::AuthoritySeen;

use super::{Fingerprint, Rotation, Seen};

/// A CA that lives for less than the certificates that it is to sign would end them with it.
const LIFE_SECONDS: i64 = 2 * 365 * 86_400;

/// What is known of the new CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// Whether it says of itself that it may sign.
    pub authority: bool,
    /// Until when.
    pub not_after: Timestamp,
}

impl From<AuthoritySeen> for Successor {
    fn from(seen: AuthoritySeen) -> Self {
        Self {
            authority: seen.authority,
            not_after: seen.not_after,
        }
    }
}

/// Looks before anything is changed; empty: it may begin.
pub fn against(
    rotation: &Rotation,
    successor: &Successor,
    seen: &Seen,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if rotation.from == rotation.to {
        findings.push(Finding::refusal(
            "rotation-successor",
            format!("{} is the CA in force", rotation.to),
            "another CA than the one in force",
            "Make a new one.",
        ));
    }
    if !successor.authority {
        findings.push(Finding::refusal(
            "rotation-successor",
            format!("{} may not sign certificates", rotation.to),
            "a certificate with basicConstraints CA:TRUE",
            "Make it anew as a CA.",
        ));
    }
    if successor.not_after.as_second() - now.as_second() < LIFE_SECONDS {
        findings.push(Finding::refusal(
            "rotation-successor",
            format!("{} ends at {}", rotation.to, successor.not_after),
            "two years of life at least",
            "Make one that lives longer.",
        ));
    }
    findings.extend(not_well(seen));
    for node in &seen.nodes {
        let Some(trust) = node.trust.said() else {
            continue;
        };
        let believed = trust.believes.values().flatten();
        let others: BTreeSet<&Fingerprint> = believed
            .chain(trust.presents.values())
            .filter(|one| **one != rotation.from && **one != rotation.to)
            .collect();
        if let Some(other) = others.first() {
            findings.push(Finding::refusal(
                "rotation-unfinished",
                format!("{} has to do with a third CA, {other}", node.name),
                "the CA in force and its successor, and no other",
                "End the earlier rotation, or turn it back.",
            ));
        }
    }
    findings
}

/// Who is away or not well. Before a successor is made too: a machine that comes back after the end would understand nobody.
pub fn not_well(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for node in &seen.nodes {
        let Some(trust) = node.trust.said() else {
            findings.push(Finding::refusal(
                "rotation-nodes-known",
                format!("{} does not answer", node.name),
                "every node on, or taken out of the spec: one that comes back later would understand nobody",
                "Bring it up, or remove it from the cluster.",
            ));
            continue;
        };
        if let Some(complaint) = &trust.complaint {
            findings.push(Finding::refusal(
                "rotation-nodes-well",
                format!("{}: {complaint}", node.name),
                "every node well",
                "Put it right first.",
            ));
        }
    }
    findings
}
