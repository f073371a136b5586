//! Clusters of thousands of members in virtual time: the agent's own core and, beside it, foca as it comes.
//!
//! `node` is what a member is to the world, `world` the event queue around them, `network` and `stream` the ways between them;
//! `scenario`, `spread` and `stalls` do something to a cluster and read off what came of it; `alone` plays what one node took in to it
//! again, without the cluster. Nothing here decides anything
//! about membership.

pub mod alone;
pub mod bound;
pub mod cluster;
#[cfg(test)]
mod goals;
pub mod happening;
pub mod measure;
pub mod network;
pub mod node;
pub mod picture;
pub mod plain;
pub mod row;
pub mod scenario;
pub mod spread;
pub mod stalls;
pub mod stream;
pub mod table;
pub mod watch;
pub mod world;
