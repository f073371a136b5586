//! The gossip key ring in the operator's folder.

use std::collections::BTreeMap;

use hactl_proto::bundle::GossipKey;
use hactl_proto::gossip::GossipRing;
use hactl_proto::rotation::Fingerprint;
use serde::Deserialize;

use super::authority::{Authority, random};
use super::error::AuthorityError;
use crate::succession::Held;

/// As it lies on disk: the keys alone until the first rotation.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Keys(Vec<GossipKey>),
    Ring(GossipRing),
}

impl Authority {
    /// Which keys there are.
    pub fn gossip_keys(&self) -> Held {
        let name = |key: &GossipKey| key.seen().fingerprint;
        match self.gossip().keys.as_slice() {
            [one, two] if two.id == after(one.id) => Held::Two {
                older: name(one),
                newer: name(two),
            },
            [one, two] => Held::Two {
                older: name(two),
                newer: name(one),
            },
            // `read` and `keep_gossip` take one or two.
            keys => Held::One(keys.first().map_or_else(|| Fingerprint::of(b""), name)),
        }
    }

    /// The revision that bundles are made with.
    pub const fn gossip_revision(&self) -> u64 {
        self.gossip().revision
    }

    /// The numbers that datagrams name the keys by.
    pub fn gossip_key_ids(&self) -> BTreeMap<Fingerprint, String> {
        let keys = self.gossip().seen().into_iter();
        keys.map(|key| (key.fingerprint, key.id.to_string()))
            .collect()
    }

    /// Makes the successor of the one key that there is, and keeps it behind that.
    pub fn begin_gossip_key(&mut self) -> Result<(), AuthorityError> {
        let mut keys = self.gossip().keys.clone();
        let last = keys.last().map_or(0, |key| key.id);
        keys.push(fresh(after(last))?);
        self.raise(keys)
    }

    /// A ring of these keys in this order, of a revision that no node has seen: raised and kept before it is given to anybody. Keys that the
    /// folder does not hold are left out.
    pub fn gossip_ring(&mut self, order: &[Fingerprint]) -> Result<GossipRing, AuthorityError> {
        let mut kept = self.gossip().keys.clone();
        let place = |key: &GossipKey| {
            let name = key.seen().fingerprint;
            order.iter().position(|one| *one == name)
        };
        // What a new bundle is made with; a key that is about to go stays until all nodes have given it up.
        kept.sort_by_key(|key| place(key).unwrap_or(usize::MAX));
        let given = kept.iter().filter(|key| place(key).is_some()).cloned();
        let keys = given.collect();
        self.raise(kept)?;
        Ok(GossipRing {
            revision: self.gossip().revision,
            keys,
        })
    }

    /// Keeps this key alone.
    pub fn settle_gossip_key(&mut self, only: &Fingerprint) -> Result<(), AuthorityError> {
        let mut keys = self.gossip().keys.clone();
        keys.retain(|key| key.seen().fingerprint == *only);
        if keys.len() == self.gossip().keys.len() {
            return Ok(());
        }
        self.raise(keys)
    }

    fn raise(&mut self, keys: Vec<GossipKey>) -> Result<(), AuthorityError> {
        let revision = self.gossip().revision + 1;
        self.keep_gossip(GossipRing { revision, keys })
    }
}

/// The number of the key after one: never zero.
const fn after(id: u8) -> u8 {
    match id.checked_add(1) {
        Some(next) => next,
        None => 1,
    }
}

pub(super) fn fresh(id: u8) -> Result<GossipKey, AuthorityError> {
    Ok(GossipKey {
        id,
        key: hex::encode(random::<32>()?),
    })
}

pub(super) fn read(text: &str) -> Result<GossipRing, String> {
    // Of an untagged enum serde tells nothing that stands in the text.
    let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let ring = match written {
        Written::Keys(keys) => GossipRing { revision: 0, keys },
        Written::Ring(ring) => ring,
    };
    if !(1..=2).contains(&ring.keys.len()) {
        return Err(format!(
            "it holds {} keys, one or two are wanted",
            ring.keys.len()
        ));
    }
    Ok(ring)
}

pub(super) fn written(ring: &GossipRing) -> String {
    // Plain owned data: serializing it to JSON cannot fail.
    let json = if ring.revision == 0 {
        serde_json::to_string_pretty(&ring.keys)
    } else {
        serde_json::to_string_pretty(ring)
    };
    json.unwrap_or_default()
}
