//! What an agent decides, as pure functions: facts and an instruction in, findings or steps out.
//!
//! Cargo keeps tokio, nix, procfs and tonic out of here; clippy bans the clock, files, processes, the environment and
//! randomness. Time, facts and random bytes come in as arguments, so that a test, a simulator and the daemon run the
//! same code.

pub mod bootstrap;
pub mod certificate;
pub mod command;
pub mod containerd;
pub mod endpoint;
pub mod etcd;
#[cfg(test)]
mod example;
pub mod facts;
pub mod join;
pub mod kubeadm;
pub mod plan;
pub mod preflight;
pub mod prerequisite;
pub mod rollout;
pub mod run;
pub mod step;
pub mod systemd;
