//! A made-up agent's gossip keys: what it is given it has. Its part in hactl's own CA is a real agent's.

use std::sync::PoisonError;

use hactl_agent::api::Failure;
use hactl_agent::api::duties::MutualTrust;
use hactl_proto::Timestamp;
use hactl_proto::gossip::{GossipRing, KeyRingSeen};
use hactl_proto::rotation::Fingerprint;
use hactl_proto::trust::OwnTrustSeen;

use crate::duties::Made;

#[tonic::async_trait]
impl MutualTrust for Made {
    async fn key_ring(&self) -> Result<KeyRingSeen, Failure> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(KeyRingSeen {
            node: self.node.clone(),
            at: Timestamp::now(),
            revision: ring.revision,
            keys: ring.seen(),
        })
    }

    async fn put_key_ring(&self, ring: GossipRing) -> Result<(), Failure> {
        let mut held = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.deaf.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(Failure::Unavailable("its disk is full".to_owned()));
        }
        if ring.revision <= held.revision {
            return Err(Failure::Refused("an older ring".to_owned()));
        }
        *held = ring;
        Ok(())
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
        if *self.deaf.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(Failure::Unavailable("its disk is full".to_owned()));
        }
        self.own_trust.put_issuer(revision, certificate).await
    }

    async fn renew_identity(&self, to: &Fingerprint) -> Result<(), Failure> {
        self.own_trust.renew(to).await
    }
}
