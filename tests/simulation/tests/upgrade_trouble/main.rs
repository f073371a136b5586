//! What goes wrong in rolling upgrades of a simulated cluster: agents, plans and the controller's loop are the real ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    reason = "all of this is test code"
)]

mod abandoned;
mod cluster;
#[path = "../support/mod.rs"]
mod support;
