//! The membership under faults, in virtual time.

mod datagrams;
mod faults;
mod spread;
mod world;
