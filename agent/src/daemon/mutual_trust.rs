//! The duty of mutual trust: gossip keys, and hactl's own CA.

use hactl_proto::gossip::{GossipRing, KeyRingSeen};
use hactl_proto::rotation::Fingerprint;
use hactl_proto::trust::OwnTrustSeen;

use crate::api::{Failure, duties};
use crate::host::Host;
use crate::membership::key_rings::KeyRings;
use crate::trust::OwnTrust;

/// Gives and takes it on this node.
pub(super) struct MutualTrust<H> {
    pub(super) key_rings: KeyRings<H>,
    pub(super) own_trust: OwnTrust<H>,
}

#[tonic::async_trait]
impl<H: Host> duties::MutualTrust for MutualTrust<H> {
    async fn key_ring(&self) -> Result<KeyRingSeen, Failure> {
        self.key_rings.seen().await
    }

    async fn put_key_ring(&self, ring: GossipRing) -> Result<(), Failure> {
        self.key_rings.put(ring).await
    }

    async fn own_trust(&self) -> Result<OwnTrustSeen, Failure> {
        self.own_trust.seen().await
    }

    async fn put_roots(&self, revision: u64, roots: &str) -> Result<(), Failure> {
        self.own_trust.put_roots(revision, roots).await
    }

    async fn request_issuer(&self) -> Result<String, Failure> {
        self.own_trust.request_issuer().await
    }

    async fn put_issuer(&self, revision: u64, certificate: &str) -> Result<(), Failure> {
        self.own_trust.put_issuer(revision, certificate).await
    }

    async fn renew_identity(&self, to: &Fingerprint) -> Result<(), Failure> {
        self.own_trust.renew(to).await
    }
}
