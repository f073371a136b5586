//! etcd, asked by itself: its view of its members, through [`Host::etcd`](crate::host::Host::etcd).
//!
//! What is decided on it (quorum, who may go) is computed in `hactl_node_plan::etcd`.

/// Generated from `agent/etcd/rpc.proto`; committed, and checked by `tests/etcd_generated.rs`.
#[allow(
    missing_docs,
    unreachable_pub,
    rustdoc::all,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used
)]
mod rpc {
    include!("etcd/gen/etcdserverpb.rs");
}

pub mod client;
pub mod marker;
pub mod snapshot;
pub mod view;
