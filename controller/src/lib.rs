//! The controller as a library: the shell around `hactl-cluster-plan`.
//!
//! It holds no state that the cluster needs. `cli` reads the operator's wish, `trust` makes keys and bundles, `connect`
//! reaches the agents, `observe` asks them all, `present` prints. Nothing else prints; nothing here decides what
//! `hactl-cluster-plan` can decide from facts.

pub mod cli;
pub mod connect;
pub mod exit;
pub mod observe;
pub mod present;
pub mod rollout;
pub mod rotation;
pub mod state;
pub mod succession;
pub mod trust;
