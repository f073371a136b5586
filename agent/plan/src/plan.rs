//! Plan: an instruction and facts become steps, or a refusal with every reason at once.

mod agent_package;
pub mod clean;
pub mod init;
pub mod join;
pub mod kubelet_certificate;
pub mod kubernetes;
pub mod left;
pub mod prepare;
pub mod renew;
pub mod restore;
pub mod rollout;
pub mod rotate;
pub mod upgrade;

use hactl_proto::finding::Finding;
use hactl_proto::instruction::{Instruction, Order};
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::RolloutOrder;
use hactl_proto::spec::ClusterSpec;
use std::net::IpAddr;

use crate::endpoint::{self, Verification};
use crate::facts::Facts;
use crate::preflight::preflight;
use crate::step::Step;
use crate::step::kubernetes::KubernetesStep;

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

impl Plan {
    /// Whether it takes away what lies on the node. Decided on what was known when the order was accepted; a plan that is computed
    /// after steps were done must not: what they made may be counted on by others, though nothing here answers at this moment (I9).
    pub fn resets(&self) -> bool {
        self.steps
            .contains(&Step::Kubernetes(KubernetesStep::Reset))
    }
}

/// Nothing was changed; every reason at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reasons, never empty.
    pub findings: Vec<Finding>,
}

/// Computes what an instruction means on this node now. Computed again after success it is empty.
pub fn plan(
    instruction: &Instruction,
    context: &NodeContext,
    facts: &Facts,
) -> Result<Plan, Refusal> {
    if let Order::Rollout(RolloutOrder::RenewCertificates {
        renewal,
        without_api,
    }) = &instruction.order
    {
        let steps = renew::renew(instruction, (renewal, *without_api), context, facts)?;
        return Ok(Plan { steps });
    }
    if let Order::Rollout(RolloutOrder::RotateAuthority(order)) = &instruction.order {
        let steps = rotate::rotate(instruction, order, context, facts)?;
        return Ok(Plan { steps });
    }
    if instruction.order == Order::Rollout(RolloutOrder::InstallKubeletCertificate) {
        let steps = kubelet_certificate::install(&facts.rollout)?;
        return Ok(Plan { steps });
    }
    if let Order::Rollout(order) = &instruction.order {
        let steps = rollout::rollout(instruction, order, context, facts)?;
        let steps = steps.into_iter().map(Step::Rollout).collect();
        return Ok(Plan { steps });
    }
    let kubernetes = match &instruction.order {
        Order::Prepare | Order::Rollout(_) => Ok(Vec::new()),
        Order::Init => init::init(instruction, context, &facts.kubernetes),
        Order::JoinControlPlane(_) => {
            join::join_control_plane(instruction, context, &facts.kubernetes)
        }
        Order::JoinWorker(_) => join::join_worker(instruction, context, &facts.kubernetes),
        Order::Clean => clean::clean(instruction, context, &facts.kubernetes),
    };
    let mut findings = Vec::new();
    if kubernetes.as_ref().map_or(true, |steps| begins(steps)) {
        findings.extend(preflight(instruction, context, facts));
    }
    let kubernetes = kubernetes.unwrap_or_else(|refusal| {
        findings.extend(refusal.findings);
        Vec::new()
    });
    if !findings.is_empty() {
        return Err(Refusal { findings });
    }
    let mut steps = Vec::new();
    if instruction.order == Order::Prepare {
        steps.extend(prepare::prepare(context, facts).steps);
    }
    if instruction.order != Order::Clean {
        // The endpoint before Kubernetes: `kubeadm init` and joins go through it.
        steps.extend(endpoint_steps(context, facts));
    }
    steps.extend(kubernetes.into_iter().map(Step::Kubernetes));
    Ok(Plan { steps })
}

/// Whether kubeadm is yet to begin. Where it is through, the node's drift holds nothing up: its Kubernetes serves, and what is
/// left is better done than not.
fn begins(steps: &[KubernetesStep]) -> bool {
    steps
        .iter()
        .any(|step| matches!(step, KubernetesStep::Preflight(_)))
}

/// This node's part of the endpoint. Once the cluster's CA is here, back ends are verified with it.
fn endpoint_steps(context: &NodeContext, facts: &Facts) -> Vec<Step> {
    let verification = if facts.endpoint.cluster_ca {
        Verification::ClusterCa
    } else {
        Verification::NoCaYet
    };
    endpoint::steps(context, &facts.endpoint, verification)
}
