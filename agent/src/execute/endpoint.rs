//! Effects of the steps of the managed endpoint.

use hactl_node_plan::step::endpoint::EndpointStep;

use super::{ExecuteContext, StepError};
use crate::host::Host;

/// Carries one of these steps out.
#[allow(clippy::unused_async, reason = "the steps are not there yet")]
pub(super) async fn execute<H: Host>(
    step: &EndpointStep,
    _cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    match *step {}
}
