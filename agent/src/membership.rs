//! Membership: who lives, by SWIM (foca) over sealed datagrams, and how they are, by versioned health digests.
//!
//! Gossip is for health, never for truth: what must be exclusive is decided by grants, leases and etcd. The core (`core`)
//! has no socket, clock or randomness of its own, so that the simulator runs the very code that the daemon runs; the shell is
//! the thin task around it. Nothing here may start, stop or configure anything on the node.

pub mod clock;
pub mod codec;
pub mod core;
pub mod counters;
pub mod detect;
pub mod digest;
pub mod epoch;
pub mod exchange;
pub mod flat;
pub mod fuzz;
pub mod grpc;
pub mod handle;
pub mod identity;
pub mod key_rings;
pub mod name_plate;
pub mod record;
pub mod remembered;
pub mod repair;
pub mod seal;
pub mod shell;
mod streams;
pub mod table;
pub mod timers;
pub mod wire;

pub use handle::{Membership, MembershipError, Start};
pub use repair::{Exchange, ExchangeError};
