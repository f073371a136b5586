//! The seeded simulator: agents, controllers and operators of the product over simulated machines, in virtual time, on one thread,
//! with faults; every rule of the product looked at after every event.
//!
//! Everything that is left to chance comes from one seed, so a run that went wrong goes wrong again. Nothing here knows how the
//! product decides: rules are judged by the state of the simulated world.

pub mod chance;
pub mod condition;
mod controller;
mod goal;
pub mod invariant;
pub mod log;
pub mod mutant;
pub mod network;
mod operator;
mod overruler;
mod peers;
pub mod play;
pub mod replay;
pub mod run;
pub mod scratch;
pub mod silence;
mod spec;
pub mod storm;
pub mod story;
pub mod town;
