//! etcd, asked by itself: its view of its members, through [`Host::etcd`](crate::host::Host::etcd).
//!
//! What is decided on it (quorum, who may go) is computed in `hactl_node_plan::etcd`.

pub mod view;
