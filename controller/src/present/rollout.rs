//! Rollouts: the plan or the reasons against it, the live table, the report of the end.

mod agents;
mod given_up;
mod live;
mod page;
mod plan;
mod report;

pub use agents::{AgentsRun, AgentsView};
pub use given_up::GivenUpView;
pub use live::Live;
pub(super) use live::bar;
pub use plan::{PlanView, WishView};
pub use report::{ReportView, Run};
