//! Health: this node's digest, made from facts, given to the gossip.
//!
//! Read every few seconds for as long as the node lives, so it starts no process in the steady state.

/// The soonest end of a certificate.
pub mod certificates;
/// The loop that makes digests.
pub mod collect;
/// How containerd, kubelet, API server, etcd and the endpoint are.
pub mod components;

use hactl_proto::finding::Finding;
use hactl_proto::health::HealthDigest;
use hactl_proto::status::InstalledVersions;

/// What is known of this node now: the digest that is gossiped, and what is too long for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// What the others hear.
    pub digest: HealthDigest,
    /// The findings behind the digest's names.
    pub findings: Vec<Finding>,
    /// What is installed.
    pub versions: InstalledVersions,
}
