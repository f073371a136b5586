//! A simulated host: a file tree in memory and a table of programs, for the demo, the crash matrix and the simulator.
//!
//! [`World`] holds machines, their disks and the clusters that run on them; a [`SimulatedHost`] is one machine as its agent
//! sees it. Programs are modelled after what the real ones were seen to do (`reference` of the lab): each of their effects is a
//! place at which the agent can be killed or the power cut.

mod boot;
mod cluster;
mod crash;
mod etcd;
mod host;
mod machine;
mod mishap;
/// Programs as functions of the world.
mod pki;
mod program;
mod question;
mod snapshot;
/// A file tree that knows what a power cut would take.
pub mod tree;
mod trust;
mod watch;
mod world;

pub use cluster::{Cluster, Member};
pub use crash::{Crash, Cut, Harm, Wire};
pub use host::SimulatedHost;
pub use machine::{Clock, Machine, Service};
pub use mishap::Mishap;
pub use program::{ProgramModel, etcd_of};
pub use watch::{Event, Watcher};
pub use world::{State, World};
