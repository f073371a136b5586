//! Preflight: all findings that stand against an instruction, at once.
//!
//! What kubeadm's state says against an order is in the plan of that order, which knows what it may go on from; here is what
//! any order needs of the node.

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::instruction::{Instruction, Order};

use crate::endpoint;
use crate::facts::Facts;
use crate::plan::NodeContext;

/// The findings that refuse the instruction; what the plan itself puts right is not among them.
pub fn preflight(instruction: &Instruction, context: &NodeContext, facts: &Facts) -> Vec<Finding> {
    if instruction.order == Order::Clean {
        // A node is cleaned whatever it lacks.
        return Vec::new();
    }
    let mut findings = endpoint::findings(context, &facts.endpoint);
    findings.retain(|finding| finding.severity == Severity::Refusal && !finding.mendable);
    findings
}
