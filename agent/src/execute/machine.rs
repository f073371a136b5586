//! Effects of the steps that put a prerequisite right.

use hactl_node_plan::step::machine::MachineStep;

use super::{ExecuteContext, StepError};
use crate::host::Host;

/// Carries one of these steps out.
#[allow(clippy::unused_async, reason = "the steps are not there yet")]
pub(super) async fn execute<H: Host>(
    step: &MachineStep,
    _cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    match *step {}
}
