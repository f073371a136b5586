//! The membership under faults, in virtual time.

#![allow(
    clippy::unwrap_used,
    reason = "a world that is not as it says fails its test"
)]

mod datagrams;
mod faults;
mod sight;
mod spread;
mod world;
