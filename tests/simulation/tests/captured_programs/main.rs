//! apt, dpkg, ctr, HAProxy and etcd of the model held against what the real ones said (`captured/`): the same questions, read by
//! the agent's own parsers. The model has another version than the captured one, so what is compared is what a version is to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test: one transcript, told in one piece"
)]

mod etcd;
mod node;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use hactl_node_plan::command::Output;
use support::captured::captured;

fn real() -> BTreeMap<String, Output> {
    captured(include_str!("../../captured/v1.20.2-cluster"))
}
