//! Gossip keys over the wire.

use super::{WireError, list, v1};
use crate::bundle::GossipKey;
use crate::gossip::GossipRing;

impl From<GossipRing> for v1::PutKeyRingRequest {
    fn from(ring: GossipRing) -> Self {
        let keys = ring.keys.into_iter().map(|key| v1::GossipKey {
            id: key.id.into(),
            key: key.key,
        });
        Self {
            revision: ring.revision,
            keys: keys.collect(),
        }
    }
}

impl TryFrom<v1::PutKeyRingRequest> for GossipRing {
    type Error = WireError;
    fn try_from(request: v1::PutKeyRingRequest) -> Result<Self, WireError> {
        Ok(Self {
            revision: request.revision,
            keys: list("keys", request.keys)?,
        })
    }
}

impl TryFrom<v1::GossipKey> for GossipKey {
    type Error = WireError;
    fn try_from(key: v1::GossipKey) -> Result<Self, WireError> {
        let id = u8::try_from(key.id).map_err(|error| WireError::wrong("id", error))?;
        Ok(Self { id, key: key.key })
    }
}
