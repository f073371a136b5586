//! Failure detection around foca: whom to probe when, when a silent member is suspected and when it is down, and how far this
//! node trusts itself. Pure: times and members come in, decisions go out; `core` does what is decided.
//!
//! foca spreads states, refutes and rejoins; it does not probe here. Its own probing has one probe at a time, at random, cannot
//! wait longer when this node itself is slow, and tells healthy members that they are down when the timer of a refuted suspicion
//! fires (1.0.0 and 2.0.0). On the wire the probes are foca's all the same.

pub mod awareness;
pub mod flight;
pub mod paths;
pub mod profile;
pub mod schedule;
pub mod suspicion;
pub mod zones;

pub use profile::Profile;
