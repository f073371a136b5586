//! The agent's command line. One file a verb; the daemon is `run`.

/// `guard-etcd`, `doctor` and `run` live beside what they do; here is what belongs to nothing else.
mod measure_fsync;
mod probe_haproxy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps this node fit for Kubernetes, knows who lives, and carries out instructions on it.
#[derive(Debug, Parser)]
#[command(name = "hactl-agent", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon (what hactl-agent.service starts).
    Run,
    /// Check this node's prerequisites, without a daemon, and say what to do.
    Doctor(crate::doctor::DoctorArgs),
    /// Hold etcd's manifest back where its data was lost (what runs before each start of the kubelet).
    GuardEtcd(crate::guard_etcd::GuardArgs),
    /// Measure how quick a folder's disk is for etcd: at most 200 writes with fdatasync, within two seconds.
    #[command(hide = true)]
    MeasureFsync {
        /// The folder, or one that is to be made.
        folder: PathBuf,
    },
    /// Ask the HAProxy on this node whether it works; exit status 0 if so (what keepalived runs).
    #[command(hide = true)]
    ProbeHaproxy {
        /// Loopback port of HAProxy's health front end.
        port: u16,
    },
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Run => crate::daemon::main(),
        Verb::Doctor(args) => crate::doctor::main(&args),
        Verb::GuardEtcd(args) => crate::guard_etcd::main(&args),
        Verb::MeasureFsync { folder } => measure_fsync::run(&folder),
        Verb::ProbeHaproxy { port } => probe_haproxy::run(port),
    }
}
