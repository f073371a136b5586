//! A map by node in one sorted allocation: thousands of members in the bytes that they need, and no more.
//!
//! A hash table keeps up to half of its places empty. Members come rarely and are looked up often, so shifting on insertion is
//! cheap where it counts; many at once are sorted once ([`Flat::absorb`]).

use super::identity::NodeId;

/// Values by node, in the order of node ids.
#[derive(Debug, Clone)]
pub struct Flat<V>(Vec<(NodeId, V)>);

impl<V> Default for Flat<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Flat<V> {
    /// The value of a node.
    pub fn get(&self, node: NodeId) -> Option<&V> {
        let at = self.place(node).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The value of a node, to be changed.
    pub fn get_mut(&mut self, node: NodeId) -> Option<&mut V> {
        let at = self.place(node).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Sets a node's value; the one before.
    pub fn insert(&mut self, node: NodeId, value: V) -> Option<V> {
        match self.place(node) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.make_room(1);
                self.0.insert(at, (node, value));
                None
            }
        }
    }

    /// Takes a node's value out.
    pub fn remove(&mut self, node: NodeId) -> Option<V> {
        let at = self.place(node).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Takes many nodes in that are not here yet.
    pub fn absorb(&mut self, fresh: Vec<(NodeId, V)>) {
        self.make_room(fresh.len());
        self.0.extend(fresh);
        self.0.sort_unstable_by_key(|(node, _)| *node);
    }

    /// Keeps those that `keep` names.
    pub fn retain(&mut self, mut keep: impl FnMut(NodeId, &V) -> bool) {
        self.0.retain(|(node, value)| keep(*node, value));
    }

    /// All, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (NodeId, &V)> {
        self.0.iter().map(|(node, value)| (*node, value))
    }

    /// The one at that place in the order.
    pub fn at(&self, place: usize) -> Option<(NodeId, &V)> {
        self.0.get(place).map(|(node, value)| (*node, value))
    }

    /// Where the node is in the order, or where it would be.
    pub fn place(&self, node: NodeId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&node, |(known, _)| *known)
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Grows by an eighth, not by twice.
    fn make_room(&mut self, more: usize) {
        let wanted = self.0.len() + more;
        if wanted > self.0.capacity() {
            self.0.reserve_exact(more + wanted / 8 + 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in proptest::collection::vec((any::<u8>(), any::<bool>(), any::<u16>()), 0..80)) {
            let (mut flat, mut map) = (Flat::default(), BTreeMap::new());
            for (node, put, value) in steps {
                let node = NodeId([node; 8]);
                if put {
                    prop_assert_eq!(flat.insert(node, value), map.insert(node, value));
                } else {
                    prop_assert_eq!(flat.remove(node), map.remove(&node));
                }
                prop_assert_eq!(flat.get(node), map.get(&node));
            }
            let held: Vec<_> = flat.iter().map(|(node, value)| (node, *value)).collect();
            let wanted: Vec<_> = map.into_iter().collect();
            prop_assert_eq!(held, wanted);
        }
    }

    #[test]
    fn many_at_once_are_in_order_and_memory_is_near_what_they_need() {
        let mut flat = Flat::default();
        flat.insert(NodeId([5; 8]), 5);
        flat.absorb(
            (0..200)
                .filter(|n| *n != 5)
                .rev()
                .map(|n| (NodeId([n; 8]), n))
                .collect(),
        );
        assert_eq!(flat.place(NodeId([7; 8])), Ok(7));
        assert!(flat.0.capacity() < 240, "{}", flat.0.capacity());
    }
}
