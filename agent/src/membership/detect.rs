//! Failure detection around foca: its timing, and what keeps a healthy member from being called down.
//!
//! foca probes, suspects and spreads; its timers pass through here. What a later layer adds (a local health score that stretches
//! the probe timers, confirmations that shorten a long suspicion, a stream probe, zones) belongs into this folder: every timer of
//! foca can be delayed, advanced or dropped before it fires, and [`Profile`] is the one place of its numbers.

pub mod profile;
pub mod stale;

pub use profile::Profile;
