//! Callers that speak no TLS, or nothing: each is told in its own words, and has its line.

use std::time::Duration;

use hactl_agent::api::server::Limits;
use hactl_proto::mtls::Limits as CallerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::{Cluster, agent, cluster_with, name, port, short_handshake};

async fn say(address: std::net::SocketAddr, words: &[u8]) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(words).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_bare_tcp_client_is_told_what_is_spoken_here() {
    let (_cluster, mut agent) = cluster_with("cp1").await;
    let answer = say(agent.address, b"hello\n").await;
    assert!(answer.contains("gRPC over mutual TLS"), "{answer}");
    let line = agent.refusal().await;
    assert!(
        line.ends_with(": it speaks no TLS; this port speaks gRPC over mutual TLS"),
        "{line}"
    );
}

#[tokio::test]
async fn a_plain_http_client_gets_an_http_answer() {
    let (_cluster, mut agent) = cluster_with("cp1").await;
    for words in [
        "GET / HTTP/1.1\r\nHost: cp1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = say(agent.address, words.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        assert!(answer.contains("mutual TLS"), "{answer}");
        let line = agent.refusal().await;
        assert!(line.contains("it speaks plain HTTP"), "{line}");
    }
}

#[tokio::test]
async fn garbage_that_begins_like_tls_ends_in_the_handshake() {
    let (_cluster, mut agent) = cluster_with("cp1").await;
    let mut tcp = TcpStream::connect(agent.address).await.unwrap();
    tcp.write_all(&[0x16, 0xff, 0xff, 0x00, 0x05, 1, 2, 3, 4, 5])
        .await
        .unwrap();
    let line = agent.refusal().await;
    assert!(line.contains("the TLS handshake ended"), "{line}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let (listener, port) = port().await;
    let cluster = Cluster::new(port);
    let mut agent = agent(&cluster, "cp1", listener, short_handshake()).await;
    let silent = TcpStream::connect(agent.address).await.unwrap();
    let line = agent.refusal().await;
    assert!(line.ends_with("no TLS handshake within 0.1 s"), "{line}");
    drop(silent);
}

#[tokio::test]
async fn a_full_server_closes_the_next_connection() {
    let (listener, port) = port().await;
    let cluster = Cluster::new(port);
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let mut agent = agent(&cluster, "cp1", listener, limits).await;
    let operator = cluster.operator();
    let first = operator.connect(&name("cp1"), agent.address).await.unwrap();
    assert!(operator.connect(&name("cp1"), agent.address).await.is_err());
    let line = agent.refusal().await;
    assert!(line.ends_with("1 connections are open already"), "{line}");
    assert!(first.members().await.is_ok());
}

/// The other direction: what answers at the address is no agent.
#[tokio::test]
async fn a_caller_says_when_it_reached_no_agent() {
    let (_listener, port) = port().await;
    let cluster = Cluster::new(port);
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut tcp, _) = elsewhere.accept().await.unwrap();
        tcp.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        tcp
    });
    let told = cluster.operator().connect(&name("cp1"), address).await;
    assert_eq!(
        told.unwrap_err().to_string(),
        format!("speak TLS with the agent of cp1 at {address}: is it an hactl agent?")
    );
    drop(server.await.unwrap());
}

#[tokio::test]
async fn a_caller_says_what_it_waited_for() {
    let (_listener, port) = port().await;
    let cluster = Cluster::new(port);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let limits = CallerLimits {
        connect: Duration::from_millis(100),
        ..CallerLimits::default()
    };
    let operator = hactl_controller::connect::Credentials::in_folder(
        cluster.folder.path(),
        &name("operator"),
        limits,
    );
    let told = operator.unwrap().connect(&name("cp1"), address).await;
    assert_eq!(
        told.unwrap_err().to_string(),
        format!("connect to the agent of cp1 at {address} within 0.1 s: the TLS handshake")
    );
    drop(silent);
}
