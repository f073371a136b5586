//! The duty of mutual trust: gossip keys.

use hactl_proto::gossip::{GossipRing, KeyRingSeen};

use crate::api::{Failure, duties};
use crate::host::Host;
use crate::membership::key_rings::KeyRings;

/// Gives and takes it on this node.
pub(super) struct MutualTrust<H> {
    pub(super) key_rings: KeyRings<H>,
}

#[tonic::async_trait]
impl<H: Host> duties::MutualTrust for MutualTrust<H> {
    async fn key_ring(&self) -> Result<KeyRingSeen, Failure> {
        self.key_rings.seen().await
    }

    async fn put_key_ring(&self, ring: GossipRing) -> Result<(), Failure> {
        self.key_rings.put(ring).await
    }
}
