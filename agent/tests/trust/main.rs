//! Trust over real sockets: bundles as the controller makes them, the agent's own server, callers of every kind.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod callers;
mod cluster;
mod enrolment;
mod forged;
mod gossip_keys;
mod identity;
mod memory_host;
mod own_trust;
mod services;
mod states;
mod strangers;
mod stub;
