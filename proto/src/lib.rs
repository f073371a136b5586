//! The contract between nodes and the controller.
//!
//! Domain types that both sides use: names, versions, the cluster spec, instructions, reports, findings, health.
//! Each makes a wrong state impossible and parses at the border. The prost/tonic half is behind the feature `wire`.
//! No decision lives here: share the language, not the logic. The one I/O is `mtls` (a feature of its own): how an agent is
//! reached and who is believed has to be one thing on both sides.

pub mod bundle;
pub mod certificate;
pub mod enrolment;
pub mod finding;
pub mod gossip;
pub mod health;
pub mod identity;
pub mod instruction;
pub mod join;
pub mod journal;
pub mod member;
#[cfg(feature = "mtls")]
pub mod mtls;
pub mod name;
pub mod prerequisite;
pub mod report;
pub mod role;
pub mod rollout;
pub mod rotation;
pub mod secret;
pub mod spec;
pub mod standing;
pub mod status;
pub mod subject;
pub mod trust;
pub mod version;
#[cfg(feature = "wire")]
pub mod wire;

pub use jiff::Timestamp;
