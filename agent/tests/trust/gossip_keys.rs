//! Gossip keys that are rotated between two agents whose gossip runs on real sockets, with an agent that dies meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hactl_agent::api::Failure;
use hactl_agent::membership::core::Seed;
use hactl_agent::membership::key_rings::{self, KeyRings};
use hactl_agent::membership::{Exchange, ExchangeError, Membership, MembershipError, Start};
use hactl_agent::paths::Paths;
use hactl_proto::Timestamp;
use hactl_proto::bundle::{Bundle, GossipKey};
use hactl_proto::gossip::GossipRing;
use hactl_proto::member::MemberState;
use hactl_proto::role::NodeRole;

use crate::cluster::{Cluster, name, port, zone};
use crate::memory_host::MemoryHost;

/// Gossip alone counts here.
struct Never;

impl Exchange for Never {
    async fn exchange(&self, _: &Seed, _: Vec<u8>) -> Result<Vec<u8>, ExchangeError> {
        Err(ExchangeError::Stopped)
    }
}

struct Node {
    host: Arc<MemoryHost>,
    bundle: Bundle,
    membership: Membership,
    keys: KeyRings<MemoryHost>,
}

impl Node {
    /// As the daemon starts: what was kept over what the bundle brings.
    async fn start(host: Arc<MemoryHost>, bundle: Bundle, at: SocketAddr, other: Seed) -> Self {
        loop {
            let (host, bundle) = (host.clone(), bundle.clone());
            match Self::try_start(host, bundle, at, other.clone()).await {
                Ok(node) => return node,
                // The one that died lets its socket go when its thread has ended.
                Err(MembershipError::Bind { .. }) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn try_start(
        host: Arc<MemoryHost>,
        bundle: Bundle,
        at: SocketAddr,
        other: Seed,
    ) -> Result<Self, MembershipError> {
        let paths = Paths::system();
        let in_force = key_rings::in_force(&*host, &paths, bundle.clone()).await;
        let node = bundle.node.clone().unwrap();
        let mut start = Start::from_bundle(&in_force, node, at).unwrap();
        start.declared = vec![start.node.clone(), other];
        let membership = Membership::start(start, host.clone(), &paths, Never).await?;
        let keys = KeyRings::new(host.clone(), &paths, &in_force, membership.clone());
        Ok(Self {
            host,
            bundle,
            membership,
            keys,
        })
    }

    async fn again(self, at: SocketAddr, other: Seed) -> Self {
        let (host, bundle) = (self.host.clone(), self.bundle.clone());
        drop(self);
        Self::start(host, bundle, at, other).await
    }

    async fn ids(&self) -> Vec<u8> {
        let seen = self.keys.seen().await.unwrap();
        seen.keys.iter().map(|key| key.id).collect()
    }

    /// Until it has heard the other some more, alive all the while.
    async fn hears(&self, other: &str) {
        let probes = self.membership.status().await.unwrap().counters.probes;
        loop {
            let members = self.membership.members().await.unwrap();
            let state = members.iter().find(|view| view.node == name(other));
            let state = state.map(|view| view.state);
            let counters = self.membership.status().await.unwrap().counters;
            if state == Some(MemberState::Alive) && counters.probes > probes + 2 {
                assert_eq!(counters.probes_failed, 0, "{counters:?}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn seed(text: &str, at: SocketAddr) -> Seed {
    Seed {
        node: name(text),
        zone: zone("a"),
        role: NodeRole::ControlPlane,
        address: at,
    }
}

fn ring(revision: u64, keys: &[&GossipKey]) -> GossipRing {
    GossipRing {
        revision,
        keys: keys.iter().copied().cloned().collect(),
    }
}

async fn free() -> SocketAddr {
    port().await.0.local_addr().unwrap()
}

#[tokio::test]
async fn nobody_is_lost_while_keys_are_rotated_and_an_agent_dies() {
    let (first, second) = (free().await, free().await);
    let cluster = Cluster::new(first.port());
    let host = || Arc::new(MemoryHost::new(Timestamp::now()));
    let start = |host, text: &'static str, at, other, whom| {
        Node::start(host, cluster.bundle(text), at, seed(other, whom))
    };
    let one = start(host(), "cp1", first, "cp2", second).await;
    let mut two = start(host(), "cp2", second, "cp1", first).await;
    let old = one.bundle.gossip_keys[0].clone();
    let new = GossipKey {
        id: 2,
        key: "7".repeat(64),
    };
    one.hears("cp2").await;
    for order in [
        ring(1, &[&old, &new]),
        ring(2, &[&new, &old]),
        ring(3, &[&new]),
    ] {
        let ids: Vec<u8> = order.keys.iter().map(|key| key.id).collect();
        one.keys.put(order.clone()).await.unwrap();
        // Between two nodes' orders, and after an agent's death behind its order.
        one.hears("cp2").await;
        two.keys.put(order.clone()).await.unwrap();
        two = two.again(second, seed("cp1", first)).await;
        assert_eq!(two.ids().await, ids);
        two.hears("cp1").await;
        one.hears("cp2").await;
        // The same once more, by whoever did not hear the answer.
        one.keys.put(order).await.unwrap();
        assert_eq!(one.ids().await, ids);
    }
    for node in [&one, &two] {
        let rejected = node.membership.status().await.unwrap().counters.rejected;
        assert_eq!((rejected.unknown_key, rejected.foreign), (0, 0));
    }
    let (kept, mode) = two.host.file(&Paths::system().gossip_ring()).unwrap();
    assert!(mode == 0o600 && !kept.contains(&old.key), "{mode:o}");
}

#[tokio::test]
async fn an_older_ring_is_refused_and_a_newer_bundle_is_in_force() {
    let (at, away) = (free().await, free().await);
    let cluster = Cluster::new(at.port());
    let host = Arc::new(MemoryHost::new(Timestamp::now()));
    let (bundle, paths) = (cluster.bundle("cp1"), Paths::system());
    let node = Node::start(host.clone(), bundle.clone(), at, seed("cp2", away)).await;
    let old = bundle.gossip_keys[0].clone();
    let key = |digit: &str| GossipKey {
        id: 2,
        key: digit.repeat(64),
    };
    node.keys.put(ring(4, &[&old, &key("7")])).await.unwrap();
    for wrong in [
        ring(3, &[&old]),
        ring(4, &[&old]),
        ring(5, &[]),
        ring(5, &[&old, &old]),
        ring(5, &[&key("x")]),
    ] {
        let refused = node.keys.put(wrong).await;
        assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    }
    assert_eq!(node.ids().await, [1, 2]);

    let in_force = |bundle| key_rings::in_force(&*host, &paths, bundle);
    let newer = Bundle {
        gossip_revision: 9,
        gossip_keys: vec![key("8")],
        ..bundle.clone()
    };
    let of = |bundle: Bundle| (bundle.gossip_revision, bundle.gossip_keys.len());
    assert_eq!(of(in_force(bundle.clone()).await), (4, 2));
    assert_eq!(of(in_force(newer).await), (9, 1));
    // What it brought was given up with it.
    assert_eq!(of(in_force(bundle.clone()).await), (0, 1));
    host.put(&paths.gossip_ring(), "{\"revision\": 9");
    assert_eq!(of(in_force(bundle).await), (0, 1));
}
