//! The agent's shell: everything that touches the node, the network or the clock. What it decides is computed in
//! `hactl-node-plan`.

pub mod api;
pub mod bundle;
mod causes;
pub mod certificates;
pub mod cli;
pub mod daemon;
pub mod doctor;
pub mod etcd;
pub mod execute;
pub mod first_boot;
pub mod guard_etcd;
pub mod health;
pub mod host;
pub mod inspect;
pub mod join;
pub mod journal;
pub mod log;
pub mod membership;
pub mod metrics;
pub mod notify;
pub mod operation;
pub mod paths;
pub mod renewal;
pub mod rollout;
pub mod standing;
pub mod trust;
