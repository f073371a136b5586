//! The state exchange of two memberships over mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use hactl_agent::api::{Duties, Server};
use hactl_agent::membership::core::Seed;
use hactl_agent::membership::grpc::GrpcExchange;
use hactl_agent::membership::{Exchange, ExchangeError, Membership, Start, repair};
use hactl_agent::paths::Paths;
use hactl_agent::trust::Identity;
use hactl_proto::Timestamp;
use hactl_proto::health::HealthDigest;
use hactl_proto::mtls::Limits;
use tokio::net::TcpListener;

use crate::cluster::{Cluster, name, port};
use crate::memory_host::MemoryHost;
use crate::stub::Stub;

/// A node with its membership and its server at one port.
struct Node {
    membership: Membership,
    exchange: GrpcExchange,
    seed: Seed,
}

/// Makes the rounds of its own fail, so that only the test exchanges.
struct Never;

impl Exchange for Never {
    async fn exchange(&self, _: &Seed, _: Vec<u8>) -> Result<Vec<u8>, ExchangeError> {
        Err(ExchangeError::Stopped)
    }
}

async fn node(cluster: &Cluster, text: &str, listener: TcpListener) -> Node {
    let address: SocketAddr = listener.local_addr().unwrap();
    let host = Arc::new(MemoryHost::new(Timestamp::now()));
    let (bundle, paths) = (cluster.bundle(text), Paths::system());
    let identity = Identity::establish(&*host, &paths, &bundle, &name(text)).await;
    let identity = identity.map_err(|error| error.to_string()).unwrap();
    let mut start = Start::from_bundle(&bundle, name(text), address).unwrap();
    // The spec has one port for all; on one machine they can't share it.
    start.declared.clear();
    let seed = start.node.clone();
    let membership = Membership::start(start, host, &paths, Never).await.unwrap();
    let duties = Duties {
        membership: Arc::new(membership.clone()),
        ..Arc::new(Stub::default()).duties(None)
    };
    let (trust, credential) = (identity.trust().clone(), identity.credential().clone());
    let server = Server::new(trust, credential, &duties);
    tokio::spawn(server.serve(listener, std::future::pending()));
    Node {
        membership,
        exchange: GrpcExchange::new(identity.dialer(Limits::default())),
        seed,
    }
}

#[tokio::test]
async fn two_memberships_exchange_states_over_mutual_tls() {
    let (listener, number) = port().await;
    let cluster = Cluster::new(number);
    let one = node(&cluster, "cp1", listener).await;
    let two = node(&cluster, "cp2", port().await.0).await;
    let digest = HealthDigest {
        agent_version: "9.9.9".into(),
        ..HealthDigest::default()
    };
    one.membership.publish(digest).await.unwrap();

    repair::once(&two.membership, &two.exchange, &one.seed)
        .await
        .unwrap();
    let seen = two.membership.members().await.unwrap();
    let names: Vec<_> = seen.iter().map(|view| view.node.as_str()).collect();
    assert_eq!(names, ["cp1", "cp2"]);
    assert_eq!(seen[0].health.as_ref().unwrap().agent_version, "9.9.9");
    let told = one.membership.members().await.unwrap();
    assert_eq!(told.len(), 2, "what it lacked was given to it");
}

#[tokio::test]
async fn a_peer_of_another_cluster_or_name_exchanges_nothing() {
    let (listener, number) = port().await;
    let (cluster, other) = (Cluster::new(number), Cluster::new(number));
    let one = node(&cluster, "cp1", listener).await;
    let stranger = node(&other, "cp2", port().await.0).await;
    let error = repair::once(&stranger.membership, &stranger.exchange, &one.seed).await;
    assert!(
        matches!(error, Err(ExchangeError::Peer { .. })),
        "{error:?}"
    );
    let mistaken = Seed {
        node: name("cp3"),
        ..one.seed.clone()
    };
    let two = node(&cluster, "cp2", port().await.0).await;
    let error = repair::once(&two.membership, &two.exchange, &mistaken).await;
    assert!(
        matches!(error, Err(ExchangeError::Peer { .. })),
        "{error:?}"
    );
    assert_eq!(one.membership.members().await.unwrap().len(), 1);
}

#[tokio::test]
async fn states_that_do_not_read_are_refused_as_malformed() {
    let (listener, number) = port().await;
    let cluster = Cluster::new(number);
    let one = node(&cluster, "cp1", listener).await;
    let two = node(&cluster, "cp2", port().await.0).await;
    let error = two.exchange.exchange(&one.seed, vec![1, 9, 9]).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("state") && error.contains("kind"), "{error}");
}
