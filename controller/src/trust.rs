//! The cluster's own CA, keys, the operator's certificate and the bundles.
//!
//! [`Authority`] is the operator's folder: it signs and it hands out, and nothing of it is on a node but what a bundle
//! carries. The CA's key never leaves it. Reading the spec does not belong here, nor printing.

mod authority;
mod bundle;
mod error;
mod folder;
mod gossip;
mod profile;
mod roots;

pub use authority::Authority;
pub use error::AuthorityError;
pub use folder::{OPERATOR, Person};
