//! Preflight: all findings that stand against an instruction, at once.
//!
//! What kubeadm's state says against an order is in the plan of that order, which knows what it may go on from; here is what
//! any order needs of the node.

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::instruction::{Instruction, Order};

use crate::endpoint;
use crate::facts::Facts;
use crate::plan::NodeContext;
use crate::prerequisite::{Requirements, check_all};

/// The findings that refuse the instruction.
///
/// A node is cleaned and prepared whatever it lacks: what stands against Kubernetes holds up an init or a join only.
pub fn preflight(instruction: &Instruction, context: &NodeContext, facts: &Facts) -> Vec<Finding> {
    match instruction.order {
        Order::Clean | Order::Prepare | Order::Rollout(_) => return Vec::new(),
        Order::Init | Order::JoinControlPlane(_) | Order::JoinWorker(_) => {}
    }
    let mut findings = check_all(
        &facts.machine,
        &Requirements::of(context),
        &facts.machine.peers,
    );
    findings.extend(endpoint::findings(context, &facts.endpoint));
    findings.retain(|finding| finding.severity == Severity::Refusal);
    findings
}
