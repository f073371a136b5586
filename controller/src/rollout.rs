//! Driving a rollout: what `hactl_cluster_plan::rollout` decides is ordered from agents, under the cluster's lease, until the plan
//! is there. Nothing is kept between two decisions but the plan, so that a killed controller costs nothing.
//!
//! Printing is `present`'s; how agents are reached is behind [`Agents`].

mod agents;
mod drive;
mod endpoint;
mod grpc;
mod hold;
mod keep;
mod mend;
mod packages;
mod replace;
mod tale;
mod turn;

pub use agents::{Agents, OrderError};
pub use drive::{DriveError, End, drive};
pub use endpoint::{EndpointSeen, EndpointWatch, Missed};
pub use grpc::Fleet;
pub use keep::{KeepError, newest, put, wish};
pub use mend::{GivenUp, give_up};
pub use packages::{Package, Packages, PackagesError};
pub use replace::replace_agents;
pub use tale::{Line, Tale, Told};
