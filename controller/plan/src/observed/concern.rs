//! What is not as it should be, in the cluster and on each node: one list, the cluster's own first.

mod cluster;
mod node;

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::name::NodeName;
use serde::Serialize;

use super::Observed;

/// A finding and whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Concern {
    /// The node; `None`: the cluster as a whole.
    pub node: Option<NodeName>,
    /// What.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Every concern; of each node first what holds things up.
pub fn concerns(observed: &Observed) -> Vec<Concern> {
    let mut all = cluster::findings(observed);
    worst_first(&mut all);
    let mut concerns: Vec<Concern> = all
        .into_iter()
        .map(|finding| Concern {
            node: None,
            finding,
        })
        .collect();
    for node in &observed.nodes {
        let mut findings = node::findings(observed, node);
        worst_first(&mut findings);
        let named = |finding| Concern {
            node: Some(node.name.clone()),
            finding,
        };
        concerns.extend(findings.into_iter().map(named));
    }
    concerns
}

fn worst_first(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
}

fn finding(
    severity: Severity,
    check: &str,
    observed: impl Into<String>,
    wanted: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        check: check.to_owned(),
        severity,
        observed: observed.into(),
        wanted: wanted.into(),
        remedy: remedy.into(),
        mendable: false,
    }
}
