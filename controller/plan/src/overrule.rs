//! The operator's override of the first boot's grants, made from what the control planes say they are.
//!
//! Refused before it is sent where it would be refused everywhere, or where it would be wrong: a cluster is known, an init
//! was begun, or a machine is neither heard nor called lost. What it asserts is said at [`Override`]; the nodes judge it
//! again.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::finding::Finding;
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{InstanceId, Override, Roster, Standing, StandingAnswer};

#[cfg(test)]
mod tests;

/// What the operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Who may run `kubeadm init` now.
    pub candidate: NodeName,
    /// Machines that never run again with their disks, and that nobody stands in for.
    pub lost: BTreeSet<NodeName>,
    /// Machines that were wiped or replaced: whoever answers by the name now counts, those before never run again.
    pub replaced: BTreeSet<NodeName>,
    /// Why, for the record.
    pub reason: String,
}

/// Makes the override, or says everything that stands against it.
pub fn overrule(
    spec: &ClusterSpec,
    cluster: ClusterId,
    answers: &[StandingAnswer],
    said: &Assertion,
) -> Result<Override, Vec<Finding>> {
    let roster: Roster = answers
        .iter()
        .map(|answer| (answer.node.clone(), answer.instance))
        .collect();
    let mut findings = names(spec, said);
    findings.extend(answers.iter().filter_map(|answer| bound(answer, said)));
    findings.extend(unaccounted(spec, &roster, said));
    findings.extend(unexplained(answers, &roster, said));
    if !findings.is_empty() {
        return Err(findings);
    }
    let lost = said
        .lost
        .iter()
        .chain(&said.replaced)
        .map(|name| (name.clone(), others(answers, name, &roster)));
    let highest = answers.iter().map(|answer| answer.epoch).max().unwrap_or(0);
    Ok(Override {
        cluster,
        spec: spec.bootstrap_hash(),
        epoch: highest.saturating_add(1),
        candidate: said.candidate.clone(),
        lost: lost.collect::<BTreeMap<_, _>>(),
        roster,
        reason: said.reason.clone(),
    })
}

/// Machines that anybody knew by that name, but for the one that answers by it now.
fn others(answers: &[StandingAnswer], name: &NodeName, roster: &Roster) -> BTreeSet<InstanceId> {
    let remembered = answers.iter().filter_map(|answer| answer.roster.get(name));
    let granted = answers.iter().filter_map(|answer| match &answer.standing {
        Standing::Granted(grant) if grant.candidate == *name => Some(&grant.instance),
        _ => None,
    });
    let now = roster.get(name);
    remembered
        .chain(granted)
        .filter(|known| now != Some(known))
        .copied()
        .collect()
}

fn names(spec: &ClusterSpec, said: &Assertion) -> Vec<Finding> {
    let mut findings = Vec::new();
    let declared = |name: &NodeName| spec.control_planes.iter().any(|node| node.name == *name);
    let all: BTreeSet<&NodeName> = said
        .lost
        .iter()
        .chain(&said.replaced)
        .chain([&said.candidate])
        .collect();
    for name in all.into_iter().filter(|name| !declared(name)) {
        let what = format!("{name} is no declared control plane");
        findings.push(Finding::refusal(
            "declared",
            what,
            "names from spec.controlPlanes",
            "correct the name",
        ));
    }
    for name in said.lost.intersection(&said.replaced) {
        let what = format!("{name} is called both lost and replaced");
        findings.push(Finding::refusal(
            "contradiction",
            what,
            "one of the two",
            "leave one of them out",
        ));
    }
    if said.lost.contains(&said.candidate) {
        let what = format!("{} is the candidate and called lost", said.candidate);
        findings.push(Finding::refusal(
            "contradiction",
            what,
            "a candidate that is there",
            "name another candidate",
        ));
    }
    findings
}

/// What forbids an override while this node says it.
fn bound(answer: &StandingAnswer, said: &Assertion) -> Option<Finding> {
    let node = &answer.node;
    if said.lost.contains(node) {
        let what = format!("{node} answers, though it is called lost");
        let remedy = "switch it off for good first, or call it replaced, or leave it out";
        return Some(Finding::refusal(
            "lost-is-silent",
            what,
            "silence of a machine that never runs again",
            remedy,
        ));
    }
    match &answer.standing {
        Standing::Virgin | Standing::Granted(_) => None,
        Standing::Initialising(grant) => Some(Finding::refusal(
            "no-init-begun",
            format!("{node} has begun kubeadm init at epoch {}", grant.epoch),
            "no init begun by any node that runs",
            "let it end: an init that failed is taken up again by its own node",
        )),
        Standing::Member(identity) => Some(Finding::refusal(
            "no-cluster-known",
            format!(
                "{node} belongs to the cluster with CA {}",
                identity.ca_fingerprint
            ),
            "no cluster yet: an override serves the first boot only",
            "nothing needs to be overridden: the others join that cluster by themselves",
        )),
        Standing::Foreign { evidence } => Some(Finding::refusal(
            "no-foreign-data",
            format!(
                "data of an unknown cluster lies on {node}: {}",
                evidence.join(", ")
            ),
            "no data of a cluster on any control plane",
            "look at it; if it is worthless: kubeadm reset on the node, then restart hactl-agent",
        )),
    }
}

/// Declared control planes that neither answer nor are called lost.
fn unaccounted(spec: &ClusterSpec, roster: &Roster, said: &Assertion) -> Vec<Finding> {
    let declared = spec.control_planes.iter().map(|node| &node.name);
    let silent = declared.filter(|name| !roster.contains_key(*name) && !said.lost.contains(*name));
    silent
        .map(|name| {
            let what = format!("{name} neither answers nor is called lost");
            let remedy = "start it with its bundle, or call it lost if it never runs again";
            Finding::refusal(
                "all-accounted-for",
                what,
                "a word about every declared control plane",
                remedy,
            )
        })
        .collect()
}

/// Names that somebody knows another machine by, without the operator having said what became of it.
fn unexplained(answers: &[StandingAnswer], roster: &Roster, said: &Assertion) -> Vec<Finding> {
    let quiet = roster
        .keys()
        .filter(|name| !said.replaced.contains(*name) && !said.lost.contains(*name));
    quiet
        .filter(|name| !others(answers, name, roster).is_empty())
        .map(|name| {
            let what = format!("{name} was known as another machine than the one that answers now");
            let remedy =
                format!("if the one before never runs again with its disk: --replaced {name}");
            Finding::refusal("one-machine-a-name", what, "one machine a name", &remedy)
        })
        .collect()
}
