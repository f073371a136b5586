//! What planning an upgrade of 5,000 simulated nodes costs: `cargo bench -p hactl-cluster-plan --features samples`. Prints, and
//! fails where it takes a second or 200 MB.

#![allow(
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench looks at the clock and at its own memory"
)]

use std::process::ExitCode;
use std::time::Instant;

use hactl_cluster_plan::rollout::samples::{request, seen, version};
use hactl_cluster_plan::rollout::{Decision, Memory, decide, plan};

const WORKERS: usize = 4_997;

fn main() -> ExitCode {
    let seen = seen(WORKERS);
    let mut wanted = request(version(38, 0));
    wanted.policy.max_unavailable = 50;
    let start = Instant::now();
    let Ok(planned) = plan(&seen, &wanted, 1) else {
        println!("planning 5000 nodes: refused");
        return ExitCode::FAILURE;
    };
    let took = start.elapsed();
    let start = Instant::now();
    let staged = matches!(
        decide(&planned, &seen, &Memory::default()),
        Decision::Stage { .. }
    );
    let decided = start.elapsed();
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .and_then(|words| words.split_whitespace().next()?.parse().ok())
        .unwrap_or(u64::MAX);
    println!(
        "planning 5000 nodes over {} hops: {} ms, the next decision {} ms, {} MB at most",
        planned.hops.len(),
        took.as_millis(),
        decided.as_millis(),
        peak / 1024
    );
    if staged && took.as_secs_f64() < 1.0 && peak < 200 * 1024 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
