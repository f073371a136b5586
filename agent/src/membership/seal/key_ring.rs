//! The gossip keys of a cluster, and the keys of senders that come from them.

use hactl_proto::name::ClusterId;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use zeroize::Zeroizing;

use super::Epoch;
use crate::membership::identity::NodeId;

/// Why keys do not make a ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// There is no key to seal with.
    #[error("use the gossip keys: there is none")]
    Empty,
    /// Two keys have one id.
    #[error("use the gossip keys: id {0} is there twice")]
    Twice(u8),
    /// A key is not 64 hexadecimal digits.
    #[error("use the gossip keys: key {0} is not 64 hexadecimal digits")]
    NotHex(u8),
}

/// One key of the ring: the id that datagrams name, and 32 secret bytes.
pub struct RingKey {
    id: u8,
    prk: Prk,
}

/// Several keys: the first seals, all open, so that a rotation needs no moment at which all nodes switch.
pub struct KeyRing(Vec<RingKey>);

impl KeyRing {
    /// From ids and hexadecimal keys, as a bundle holds them, first sealing.
    pub fn new<'a>(
        cluster: ClusterId,
        keys: impl IntoIterator<Item = (u8, &'a str)>,
    ) -> Result<Self, KeyRingError> {
        let salt = Salt::new(HKDF_SHA256, cluster.as_bytes());
        let mut ring: Vec<RingKey> = Vec::new();
        for (id, text) in keys {
            let mut key = Zeroizing::new([0; 32]);
            hex::decode_to_slice(text, key.as_mut()).map_err(|_| KeyRingError::NotHex(id))?;
            if ring.iter().any(|known| known.id == id) {
                return Err(KeyRingError::Twice(id));
            }
            let prk = salt.extract(key.as_ref());
            ring.push(RingKey { id, prk });
        }
        if ring.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(Self(ring))
    }

    /// Id of the key that seals.
    pub(super) fn first(&self) -> u8 {
        self.0.first().map_or(0, |key| key.id)
    }

    /// Ids, the sealing one first.
    pub fn ids(&self) -> impl Iterator<Item = u8> {
        self.0.iter().map(|key| key.id)
    }

    /// The key of one sender in one epoch; `None` where the ring has no key of that id.
    pub(super) fn derive(&self, id: u8, sender: NodeId, epoch: Epoch) -> Option<LessSafeKey> {
        let key = self.0.iter().find(|key| key.id == id)?;
        let epoch = epoch.to_bytes();
        let info: [&[u8]; 3] = [b"hactl gossip 1", &sender.0, &epoch];
        let okm = key.prk.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(okm)))
    }
}
