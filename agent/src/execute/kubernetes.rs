//! Effects of the steps that change Kubernetes on this node.

use hactl_node_plan::step::kubernetes::KubernetesStep;

use super::{ExecuteContext, StepError};
use crate::host::Host;

/// Carries one of these steps out.
#[allow(clippy::unused_async, reason = "the steps are not there yet")]
pub(super) async fn execute<H: Host>(
    step: &KubernetesStep,
    _cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    match *step {}
}
