//! The gRPC services of the agent: parse into domain types, check the caller's role, hand on.
//!
//! Services are thin. What they hand on to are the [`duties`], traits that the parts of the daemon implement; who may call
//! what is one table, [`permission`]; how a failure becomes a gRPC status is one file, [`failure`]. No decision about the
//! node belongs here.

pub mod caller;
pub mod duties;
pub mod failure;
pub mod permission;
pub mod server;
pub mod service;

pub use caller::Caller;
pub use duties::Duties;
pub use failure::Failure;
pub use server::Server;
