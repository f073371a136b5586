//! Steps: effects as data. The executor is one `match`, in `hactl-agent`.
//!
//! Each step is safe to repeat: after a crash the facts are read again and the plan is computed again.

/// Steps of a renewal of certificates.
pub mod certificates;
/// Steps of the managed endpoint.
pub mod endpoint;
/// Steps that change Kubernetes on this node.
pub mod kubernetes;
/// Steps that put a prerequisite right.
pub mod machine;
/// Steps of a rolling upgrade.
pub mod rollout;

use certificates::CertificateStep;
use endpoint::EndpointStep;
use kubernetes::KubernetesStep;
use machine::MachineStep;
use rollout::RolloutStep;

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Put a prerequisite right.
    Machine(MachineStep),
    /// Change Kubernetes on this node.
    Kubernetes(KubernetesStep),
    /// Set HAProxy or keepalived up.
    Endpoint(EndpointStep),
    /// Carry a rolling upgrade one step on.
    Rollout(RolloutStep),
    /// Carry a renewal of certificates one step on.
    Certificate(CertificateStep),
}

impl Step {
    /// The step's name in the journal, in unit names and reports: kebab case, no secrets, stable across versions.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Machine(step) => step.name(),
            Self::Kubernetes(step) => step.name(),
            Self::Endpoint(step) => step.name(),
            Self::Rollout(step) => step.name(),
            Self::Certificate(step) => step.name(),
        }
    }
}
