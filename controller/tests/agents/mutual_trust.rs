//! A made-up agent's gossip keys: what it is given it has.

use std::sync::PoisonError;

use hactl_agent::api::Failure;
use hactl_agent::api::duties::MutualTrust;
use hactl_proto::Timestamp;
use hactl_proto::gossip::{GossipRing, KeyRingSeen};

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
}
