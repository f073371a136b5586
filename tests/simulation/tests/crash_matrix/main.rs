//! Every plan cut at every place, before, during and after each effect: the next life reaches the goal, never by a second
//! cluster.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod first_boot;
mod goal;
mod life;
mod rollouts;
mod scenario;
#[path = "../support/mod.rs"]
mod support;
