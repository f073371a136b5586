//! Execute: a step becomes effects on the host. One match; what each step does is in its own file.
//!
//! No decision lives here: which steps, and in which order, is the plan's. A step that finds its effect there already
//! is done (I13), and a step is done only when the state is there, never because a program exited with 0.

/// Steps of a renewal of certificates.
mod certificates;
mod context;
/// Steps of the managed endpoint.
mod endpoint;
/// Steps that change Kubernetes.
mod kubernetes;
/// Steps that put a prerequisite right.
mod machine;
mod progress;
/// Steps of a rolling upgrade.
mod rollout;

pub use certificates::put_back_manifests;
pub use context::{Condition, ExecuteContext, StepError};
pub(crate) use context::{last_lines, unit_name};
pub use machine::Mender;
pub use progress::Progress;

use hactl_node_plan::step::Step;

use crate::host::{Host, HostError};
use crate::paths::Paths;

/// Removes what an operation's steps may have left on tmpfs, secrets among it: whatever way it ended, and after a restart.
pub async fn clear<H: Host>(host: &H, paths: &Paths) -> Result<(), HostError> {
    host.remove(&kubernetes::config_file(paths)).await
}

/// Carries one step out. Safe to repeat, and safe to drop at any await: what a program began goes on in its own
/// transient unit and is found again by its name.
pub async fn execute<H: Host>(step: &Step, cx: &ExecuteContext<H>) -> Result<(), StepError> {
    match step {
        Step::Machine(step) => machine::execute(step, cx).await,
        Step::Kubernetes(step) => kubernetes::execute(step, cx).await,
        Step::Endpoint(step) => endpoint::execute(step, cx).await,
        Step::Rollout(step) => rollout::execute(*step, cx).await,
        Step::Certificate(step) => certificates::execute(*step, cx).await,
    }
}
