//! The operator's override of the first boot's grants, made from what the control planes say they are.
//!
//! Refused before it is sent where it would be refused everywhere, or where it would be wrong: a cluster is known, or an
//! init was begun. What it asserts is said at [`Override`]; the nodes judge it again.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{InstanceId, Override, Standing, StandingAnswer};

/// What the operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Who may run `kubeadm init` now.
    pub candidate: NodeName,
    /// Machines that never run again with their disks, and that nobody stands in for.
    pub lost: BTreeSet<NodeName>,
    /// Machines that were wiped or replaced: whoever answers by the name now stands in for them.
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
    let mut findings = names(spec, said);
    findings.extend(answers.iter().filter_map(|answer| bound(answer, said)));
    let mut lost: BTreeMap<NodeName, Option<InstanceId>> =
        said.lost.iter().map(|name| (name.clone(), None)).collect();
    for name in &said.replaced {
        match answers.iter().find(|answer| answer.node == *name) {
            Some(answer) => drop(lost.insert(name.clone(), Some(answer.instance))),
            None => findings.push(refusal(
                "replaced-answers",
                format!("{name} does not answer, so which machine stands in for it is not known"),
                "an answer of the machine that replaces it",
                "start it with its bundle first, or call it lost",
            )),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let highest = answers.iter().map(|answer| answer.epoch).max().unwrap_or(0);
    Ok(Override {
        cluster,
        spec: spec.bootstrap_hash(),
        epoch: highest.saturating_add(1),
        candidate: said.candidate.clone(),
        lost,
        reason: said.reason.clone(),
    })
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
        findings.push(refusal(
            "declared",
            what,
            "names from spec.controlPlanes",
            "correct the name",
        ));
    }
    for name in said.lost.intersection(&said.replaced) {
        let what = format!("{name} is called both lost and replaced");
        findings.push(refusal(
            "contradiction",
            what,
            "one of the two",
            "leave one of them out",
        ));
    }
    if said.lost.contains(&said.candidate) {
        let what = format!("{} is the candidate and called lost", said.candidate);
        findings.push(refusal(
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
    // A lost machine is believed lost even if something answers in its name: the nodes refuse its instance.
    if said.lost.contains(node) {
        let what = format!("{node} answers, though it is called lost");
        let remedy = "switch it off for good first, or call it replaced, or leave it out";
        return Some(refusal(
            "lost-is-silent",
            what,
            "silence of a machine that never runs again",
            remedy,
        ));
    }
    match &answer.standing {
        Standing::Virgin | Standing::Granted(_) => None,
        Standing::Initialising(grant) => Some(refusal(
            "no-init-begun",
            format!("{node} has begun kubeadm init at epoch {}", grant.epoch),
            "no init begun by any node that runs",
            "let it end: an init that failed is taken up again by its own node",
        )),
        Standing::Member(identity) => Some(refusal(
            "no-cluster-known",
            format!(
                "{node} belongs to the cluster with CA {}",
                identity.ca_fingerprint
            ),
            "no cluster yet: an override serves the first boot only",
            "nothing needs to be overridden: the others join that cluster by themselves",
        )),
        Standing::Foreign { evidence } => Some(refusal(
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

fn refusal(check: &str, observed: impl Into<String>, wanted: &str, remedy: &str) -> Finding {
    Finding {
        check: check.to_owned(),
        severity: Severity::Refusal,
        observed: observed.into(),
        wanted: wanted.to_owned(),
        remedy: remedy.to_owned(),
        mendable: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::samples::{cluster_spec, grant, identity};

    fn answer(node: &str, epoch: u64, standing: Standing) -> StandingAnswer {
        let spec = cluster_spec();
        StandingAnswer {
            node: NodeName::new(node).unwrap(),
            instance: InstanceId::from_bytes([u8::try_from(epoch).unwrap() + 1; 16]),
            cluster: ClusterId::from_bytes([1; 16]),
            spec: spec.bootstrap_hash(),
            epoch,
            standing,
            roster: BTreeMap::new(),
            serving: false,
        }
    }

    fn said(candidate: &str, lost: &[&str], replaced: &[&str]) -> Assertion {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| NodeName::new(*name).unwrap())
                .collect()
        };
        Assertion {
            candidate: NodeName::new(candidate).unwrap(),
            lost: names(lost),
            replaced: names(replaced),
            reason: "cp1 burned".to_owned(),
        }
    }

    fn checks(answers: &[StandingAnswer], said: &Assertion) -> Vec<String> {
        let result = overrule(
            &cluster_spec(),
            ClusterId::from_bytes([1; 16]),
            answers,
            said,
        );
        result
            .unwrap_err()
            .into_iter()
            .map(|finding| finding.check)
            .collect()
    }

    #[test]
    fn the_epoch_is_raised_above_all_that_were_heard() {
        let granted = Standing::Granted(grant(&cluster_spec()));
        let answers = [
            answer("cp2", 0, granted),
            answer("cp3", 2, Standing::Virgin),
        ];
        let cluster = ClusterId::from_bytes([1; 16]);
        let word = overrule(
            &cluster_spec(),
            cluster,
            &answers,
            &said("cp2", &["cp1"], &["cp3"]),
        )
        .unwrap();
        assert_eq!((word.epoch, word.candidate.as_str()), (3, "cp2"));
        let lost: Vec<_> = word
            .lost
            .iter()
            .map(|(name, successor)| (name.as_str(), *successor))
            .collect();
        assert_eq!(
            lost,
            [
                ("cp1", None),
                ("cp3", Some(InstanceId::from_bytes([3; 16])))
            ]
        );
    }

    #[test]
    fn where_there_may_be_a_cluster_nothing_is_overridden() {
        let grant = grant(&cluster_spec());
        let answers = [
            answer("cp1", 0, Standing::Initialising(grant)),
            answer("cp2", 0, Standing::Member(identity())),
            answer(
                "cp3",
                0,
                Standing::Foreign {
                    evidence: vec!["/var/lib/etcd/member".to_owned()],
                },
            ),
        ];
        let found = checks(&answers, &said("cp2", &[], &[]));
        assert_eq!(
            found,
            ["no-init-begun", "no-cluster-known", "no-foreign-data"]
        );
    }

    #[test]
    fn assertions_that_contradict_themselves_or_what_is_seen_are_refused_all_at_once() {
        let answers = [answer("cp2", 0, Standing::Virgin)];
        let found = checks(&answers, &said("cp2", &["cp2", "cp9"], &["cp2", "cp3"]));
        assert_eq!(
            found,
            [
                "declared",
                "contradiction",
                "contradiction",
                "lost-is-silent",
                "replaced-answers"
            ]
        );
    }
}
