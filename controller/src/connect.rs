//! The way to the agents: gRPC over mutual TLS, with the operator's certificate.
//!
//! [`Credentials`] are a person's files; [`Agent`] is one node's agent, its calls typed in the contract's own words. What to
//! ask whom, and what to make of the answers, does not belong here.

mod agent;
mod credentials;
mod endpoint;
mod error;

pub use agent::{Agent, Story};
pub use credentials::Credentials;
pub use endpoint::{Endpoint, EndpointError};
pub use error::CallError;
