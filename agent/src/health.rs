//! Health: this node's digest, made from facts, given to the gossip.

/// The soonest end of a certificate.
pub mod certificates;
/// How containerd, kubelet, API server, etcd and the endpoint are.
pub mod components;
