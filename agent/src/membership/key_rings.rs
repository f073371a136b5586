//! The ring that this node was given after its bundle: on disk before it is used, and in force until a bundle brings a newer one.

use std::path::PathBuf;
use std::sync::Arc;

use hactl_proto::bundle::Bundle;
use hactl_proto::gossip::{GossipRing, KeyRingSeen};
use hactl_proto::name::ClusterId;
use tokio::sync::Mutex;

use super::seal::{KeyRing, KeyRingError};
use super::{Membership, MembershipError};
use crate::api::Failure;
use crate::causes::chain;
use crate::host::{Host, HostError};
use crate::paths::Paths;

/// The agent alone reads it.
const PRIVATE: u32 = 0o600;

/// The bundle with the ring in force: the higher revision is. A file that can't be used is told of and passed over, so that the agent comes up
/// and can be given another: without gossip it still answers.
pub async fn in_force<H: Host>(host: &H, paths: &Paths, mut bundle: Bundle) -> Bundle {
    let file = paths.gossip_ring();
    let kept = match host.read(&file).await {
        Ok(None) => return bundle,
        Ok(Some(bytes)) => read(bundle.cluster_id, &bytes),
        Err(error) => Err(chain(&error)),
    };
    match kept {
        Ok(ring) if ring.revision >= bundle.gossip_revision => {
            bundle.gossip_revision = ring.revision;
            bundle.gossip_keys = ring.keys;
        }
        // Keys that are out of use lie nowhere.
        Ok(_) => {
            if let Err(error) = host.remove(&file).await {
                tracing::warn!(error = chain(&error), "failed to remove old gossip keys");
            }
        }
        Err(reason) => tracing::error!(
            file = %file.display(),
            reason,
            "the kept gossip keys can't be used, the bundle's are: `hactl-controller certs rotate-gossip-key` gives others"
        ),
    }
    bundle
}

fn read(cluster: ClusterId, bytes: &[u8]) -> Result<GossipRing, String> {
    // serde_json tells of a place, never of what stands there in a text.
    let ring: GossipRing = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    sealing(cluster, &ring).map_err(|error| error.to_string())?;
    Ok(ring)
}

fn sealing(cluster: ClusterId, ring: &GossipRing) -> Result<KeyRing, KeyRingError> {
    KeyRing::new(
        cluster,
        ring.keys.iter().map(|key| (key.id, key.key.as_str())),
    )
}

/// Gives the membership another ring.
pub struct KeyRings<H> {
    host: Arc<H>,
    file: PathBuf,
    cluster: ClusterId,
    membership: Membership,
    held: Mutex<GossipRing>,
}

impl<H: Host> KeyRings<H> {
    /// Of a membership that was started with the ring of this bundle.
    pub fn new(host: Arc<H>, paths: &Paths, bundle: &Bundle, membership: Membership) -> Self {
        Self {
            host,
            file: paths.gossip_ring(),
            cluster: bundle.cluster_id,
            membership,
            held: Mutex::new(GossipRing {
                revision: bundle.gossip_revision,
                keys: bundle.gossip_keys.clone(),
            }),
        }
    }

    /// What the membership has in use, by its own word.
    pub async fn seen(&self) -> Result<KeyRingSeen, Failure> {
        let held = self.held.lock().await;
        let ids = self.membership.status().await.map_err(stopped)?.key_ids;
        let known = held.seen();
        Ok(KeyRingSeen {
            node: self.membership.node().clone(),
            at: self.host.now(),
            revision: held.revision,
            keys: ids
                .iter()
                .filter_map(|id| known.iter().find(|key| key.id == *id).cloned())
                .collect(),
        })
    }

    /// Takes a ring of a higher revision; the same once more is taken too, for whoever did not hear the answer.
    pub async fn put(&self, ring: GossipRing) -> Result<(), Failure> {
        let mut held = self.held.lock().await;
        if ring.revision < held.revision || (ring.revision == held.revision && ring != *held) {
            return Err(Failure::Refused(format!(
                "the gossip keys here are of revision {}, the order is of {}: another state folder of this cluster has rotated them since; \
                 use that one",
                held.revision, ring.revision
            )));
        }
        let sealing = sealing(self.cluster, &ring)
            .map_err(|error| Failure::Refused(format!("failed to {error}")))?;
        let json = serde_json::to_vec(&ring)
            .map_err(|source| Failure::internal("write the gossip keys", source))?;
        let kept = self.host.replace(&self.file, &json, PRIVATE).await;
        kept.map_err(|source: HostError| Failure::internal("keep the gossip keys", source))?;
        self.membership.rotate(sealing).await.map_err(stopped)?;
        tracing::info!(?ring, "took another gossip key ring");
        *held = ring;
        Ok(())
    }
}

fn stopped(error: MembershipError) -> Failure {
    Failure::internal("exchange the gossip keys", error)
}
