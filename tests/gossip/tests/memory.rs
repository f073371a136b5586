//! What a node holds of five thousand members. A program of its own, with one test: what others allocate meanwhile would count.

#![allow(
    clippy::unwrap_used,
    reason = "a cluster that cannot be made fails the test"
)]

use std::alloc::System;
use std::time::Duration;

use hactl_gossip::alone::alone;
use hactl_gossip::cluster;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn five_thousand_members_fit_into_a_megabyte_their_names_and_digests_apart() {
    let tape = cluster::told(5000).unwrap();
    let held = alone(&tape, Duration::ZERO).unwrap();
    println!("{held:?}");
    assert!(held.memory - held.records <= 1_000_000, "{held:?}");
    assert!(held.records > 100_000, "{held:?}");
}
