//! Plan: an instruction and facts become steps, or a refusal with every reason at once.

pub mod clean;
pub mod init;
pub mod join;
pub mod kubernetes;
pub mod prepare;

use hactl_proto::finding::Finding;
use hactl_proto::instruction::Instruction;
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::spec::ClusterSpec;
use std::net::IpAddr;

use crate::facts::Facts;
use crate::step::Step;

/// Who this node is, and the spec that it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeContext {
    /// Its name.
    pub node: NodeName,
    /// The address it advertises.
    pub address: IpAddr,
    /// Its role.
    pub role: NodeRole,
    /// Its zone.
    pub zone: ZoneName,
    /// The spec.
    pub spec: ClusterSpec,
}

/// Steps in their order. Empty: the state that the instruction wants is there already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// Nothing was changed; every reason at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reasons, never empty.
    pub findings: Vec<Finding>,
}

/// Computes what an instruction means on this node now.
pub fn plan(
    instruction: &Instruction,
    context: &NodeContext,
    facts: &Facts,
) -> Result<Plan, Refusal> {
    let _ = (instruction, context, facts);
    Ok(Plan::default())
}
