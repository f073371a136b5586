//! The gossip key ring: what seals datagrams between agents, and what is told of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::bundle::GossipKey;
use crate::name::NodeName;
use crate::rotation::Fingerprint;

/// The keys of one cluster at one revision. It holds secrets: its `Debug` names keys and tells none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GossipRing {
    /// Raised by the operator's controller at each change: of two rings the higher one is in force, also of one that lies on a node and one
    /// of a bundle. Zero until the first rotation.
    pub revision: u64,
    /// The sealing one first; any of them opens.
    pub keys: Vec<GossipKey>,
}

/// The ring that a node has in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRingSeen {
    /// The node.
    pub node: NodeName,
    /// When, by its clock.
    pub at: Timestamp,
    /// Its revision.
    pub revision: u64,
    /// The sealing one first.
    pub keys: Vec<GossipKeySeen>,
}

/// A key, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GossipKeySeen {
    /// Named in each datagram.
    pub id: u8,
    /// Of the key.
    pub fingerprint: Fingerprint,
}

impl GossipKey {
    /// What may be told of it. Of 32 random bytes nobody finds the key by its hash.
    pub fn seen(&self) -> GossipKeySeen {
        GossipKeySeen {
            id: self.id,
            fingerprint: Fingerprint::of(format!("hactl gossip key {}", self.key).as_bytes()),
        }
    }
}

impl GossipRing {
    /// What may be told of its keys.
    pub fn seen(&self) -> Vec<GossipKeySeen> {
        self.keys.iter().map(GossipKey::seen).collect()
    }
}

impl fmt::Debug for GossipRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u8> = self.keys.iter().map(|key| key.id).collect();
        f.debug_struct("GossipRing")
            .field("revision", &self.revision)
            .field("ids", &ids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_tells_its_keys_apart_and_tells_none() {
        let key = |id, digit: &str| GossipKey {
            id,
            key: digit.repeat(64),
        };
        let ring = GossipRing {
            revision: 3,
            keys: vec![key(1, "a"), key(2, "b")],
        };
        let seen = ring.seen();
        assert_ne!(seen[0].fingerprint, seen[1].fingerprint);
        assert_eq!(seen[0], key(1, "a").seen());
        for text in [format!("{ring:?}"), serde_json::to_string(&seen).unwrap()] {
            assert!(!text.contains("aaaa") && !text.contains("bbbb"), "{text}");
        }
    }
}
