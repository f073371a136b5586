//! The membership's shell on real sockets: three of them on loopback in one process, with their files in folders of their own.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use hactl_agent::host::RealHost;
use hactl_agent::membership::core::Seed;
use hactl_agent::membership::detect::Profile;
use hactl_agent::membership::seal::KeyRing;
use hactl_agent::membership::table::Change;
use hactl_agent::membership::{Exchange, ExchangeError, Membership, Start, repair};
use hactl_agent::paths::Paths;
use hactl_proto::health::HealthDigest;
use hactl_proto::member::MemberState;
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use tempfile::TempDir;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Stands for gRPC: calls the peer's membership in this process.
#[derive(Clone, Default)]
struct Direct(Arc<Mutex<BTreeMap<NodeName, Membership>>>);

impl Exchange for Direct {
    async fn exchange(&self, peer: &Seed, message: Vec<u8>) -> Result<Vec<u8>, ExchangeError> {
        let known = self.0.lock().unwrap().get(&peer.node).cloned();
        let refused = |reason: &str| ExchangeError::Peer {
            peer: peer.node.to_string(),
            reason: reason.to_owned(),
        };
        let peer = known.ok_or_else(|| refused("not started"))?;
        peer.answer(message)
            .await
            .map_err(|_| ExchangeError::Stopped)?
            .map_err(|_| refused("malformed"))
    }
}

struct Cluster {
    folder: TempDir,
    seeds: Vec<Seed>,
    peers: Direct,
}

impl Cluster {
    fn new() -> Self {
        let sockets: Vec<UdpSocket> = (0..3)
            .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
            .collect();
        let seed = |(index, socket): (usize, &UdpSocket)| Seed {
            node: NodeName::new(format!("n{index}")).unwrap(),
            zone: ZoneName::new("a").unwrap(),
            role: NodeRole::ControlPlane,
            address: socket.local_addr().unwrap(),
        };
        Self {
            folder: TempDir::new().unwrap(),
            seeds: sockets.iter().enumerate().map(seed).collect(),
            peers: Direct::default(),
        }
    }

    fn paths(&self, index: usize) -> Paths {
        Paths::under(&self.folder.path().join(index.to_string()))
    }

    async fn start(&self, index: usize) -> Membership {
        let cluster = ClusterId::from_bytes([3; 16]);
        let node = self.seeds[index].clone();
        let start = Start {
            cluster,
            ring: KeyRing::new(cluster, [(1, KEY)]).unwrap(),
            bind: node.address,
            node,
            declared: self.seeds.clone(),
            zones: vec![ZoneName::new("a").unwrap()],
            profile: Profile::lan(),
            member_limit: 10,
        };
        let host = Arc::new(RealHost::new(self.folder.path().join("run")));
        let paths = self.paths(index);
        let started = Membership::start(start, host, &paths, self.peers.clone());
        let membership = started.await.unwrap();
        let mut peers = self.peers.0.lock().unwrap();
        peers.insert(self.seeds[index].node.clone(), membership.clone());
        membership
    }
}

/// Waits for the change; what else happens meanwhile is passed over.
async fn await_change(
    membership: &Membership,
    node: &NodeName,
    change: Change,
    state: MemberState,
) {
    let mut events = membership.events();
    let members = membership.members().await.unwrap();
    let mut there = members.iter();
    if there.any(|view| view.node == *node && view.state == state) {
        return;
    }
    loop {
        let event = events.recv().await.unwrap();
        if event.node == *node && event.change == change {
            return;
        }
    }
}

#[tokio::test]
async fn three_members_meet_exchange_and_part_on_real_sockets() {
    let cluster = Cluster::new();
    let mut members = Vec::new();
    for index in 0..3 {
        members.push(cluster.start(index).await);
    }
    for membership in &members {
        for seed in &cluster.seeds {
            await_change(membership, &seed.node, Change::Up, MemberState::Alive).await;
        }
    }
    let digest = HealthDigest {
        findings: vec!["swap-off".into()],
        ..HealthDigest::default()
    };
    members[0].publish(digest).await.unwrap();
    repair::once(&members[1], &cluster.peers, &cluster.seeds[0])
        .await
        .unwrap();
    assert!(members[1].status().await.unwrap().synced);
    let views = members[1].members().await.unwrap();
    let health = views[0].health.as_ref().unwrap();
    assert_eq!(health.findings, ["swap-off"]);

    members[2].leave().await.unwrap();
    let gone = &cluster.seeds[2].node;
    await_change(&members[0], gone, Change::Down, MemberState::Down).await;
}

#[tokio::test]
async fn each_start_raises_the_epoch_and_a_port_in_use_is_an_error() {
    let cluster = Cluster::new();
    let read = || {
        let text = std::fs::read_to_string(cluster.paths(0).boot_epoch()).unwrap();
        text.trim().parse::<u32>().unwrap()
    };
    let first = cluster.start(0).await;
    let (epoch, views) = (read(), first.members().await.unwrap());
    assert_eq!(views[0].boot_epoch, u64::from(epoch));
    let address: SocketAddr = cluster.seeds[0].address;
    let second = UdpSocket::bind(address);
    assert!(second.is_err(), "the port is held");
    let start = Start {
        cluster: ClusterId::from_bytes([3; 16]),
        ring: KeyRing::new(ClusterId::from_bytes([3; 16]), [(1, KEY)]).unwrap(),
        node: cluster.seeds[0].clone(),
        bind: address,
        declared: Vec::new(),
        zones: Vec::new(),
        profile: Profile::lan(),
        member_limit: 10,
    };
    let host = Arc::new(RealHost::new(cluster.folder.path().join("run")));
    let paths = cluster.paths(0);
    let again = Membership::start(start, host, &paths, cluster.peers.clone());
    let error = again.await.err().unwrap().to_string();
    assert_eq!(error, format!("bind UDP {address}"));
    assert!(read() > epoch, "raised before the port is bound");
}

#[tokio::test]
async fn a_membership_that_nobody_holds_lets_its_port_go() {
    let cluster = Cluster::new();
    let membership = cluster.start(0).await;
    let mut events = membership.events();
    cluster.peers.0.lock().unwrap().clear();
    drop(membership);
    // The channel closes when the thread ends; the port is free from then on.
    while events.recv().await.is_ok() {}
    UdpSocket::bind(cluster.seeds[0].address).unwrap();
}
