//! The node's identity on disk: made once, kept, renewed in use, and never mixed with another's.

use std::sync::Arc;

use hactl_agent::paths::Paths;
use hactl_agent::trust::{Identity, IdentityError, keep_renewed};
use hactl_proto::Timestamp;
use hactl_proto::bundle::Bundle;

use crate::cluster::{Cluster, cluster_with, days, name};
use crate::memory_host::MemoryHost;

async fn establish(
    host: &MemoryHost,
    bundle: &Bundle,
    node: &str,
) -> Result<Identity, IdentityError> {
    Identity::establish(host, &Paths::system(), bundle, &name(node)).await
}

fn host() -> MemoryHost {
    MemoryHost::new(Timestamp::now())
}

#[tokio::test]
async fn a_control_plane_makes_its_key_once_and_keeps_it_private() {
    let (cluster, host) = (Cluster::new(1), host());
    let bundle = cluster.bundle("cp1");
    let first = establish(&host, &bundle, "cp1").await.unwrap();
    let (key, mode) = host.file(&Paths::system().node_key()).unwrap();
    assert_eq!(mode, 0o600);
    assert!(!serde_json::to_string(&bundle).unwrap().contains(key.trim()));
    let again = establish(&host, &bundle, "cp1").await.unwrap();
    assert_eq!(again.certified(), first.certified());
    assert_eq!(first.certified().subject.to_string(), "control-plane cp1");
}

#[tokio::test]
async fn a_wiped_node_is_another_key() {
    let (cluster, host) = (Cluster::new(1), host());
    let bundle = cluster.bundle("cp1");
    let first = establish(&host, &bundle, "cp1").await.unwrap();
    host.files.lock().unwrap().clear();
    let second = establish(&host, &bundle, "cp1").await.unwrap();
    assert_ne!(first.certified().key, second.certified().key);
}

#[tokio::test]
async fn the_state_of_another_cluster_is_refused() {
    let (cluster, other, host) = (Cluster::new(1), Cluster::new(1), host());
    establish(&host, &cluster.bundle("cp1"), "cp1")
        .await
        .unwrap();
    let refused = establish(&host, &other.bundle("cp1"), "cp1").await;
    let text = refused.err().unwrap().to_string();
    let wanted = format!(
        "be a node of cluster {}: this node's state is of cluster {};",
        other.authority.cluster(),
        cluster.authority.cluster()
    );
    assert!(text.starts_with(&wanted), "{text}");
}

#[tokio::test]
async fn the_state_of_another_node_is_refused() {
    let (cluster, host) = (Cluster::new(1), host());
    establish(&host, &cluster.bundle("cp1"), "cp1")
        .await
        .unwrap();
    let refused = establish(&host, &cluster.bundle("cp2"), "cp2").await;
    let text = refused.err().unwrap().to_string();
    assert!(
        text.starts_with("be control-plane cp2: this node's state is of control-plane cp1;"),
        "{text}"
    );
}

#[tokio::test]
async fn a_damaged_certificate_is_replaced_and_a_damaged_key_is_named() {
    let (cluster, host) = (Cluster::new(1), host());
    let (bundle, paths) = (cluster.bundle("cp1"), Paths::system());
    let first = establish(&host, &bundle, "cp1").await.unwrap();
    for damage in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        host.put(&paths.node_certificate(), damage);
        let again = establish(&host, &bundle, "cp1").await.unwrap();
        assert_eq!(again.certified().key, first.certified().key);
    }
    host.put(&paths.node_key(), "garbage");
    let refused = establish(&host, &bundle, "cp1").await.err().unwrap();
    assert!(matches!(refused, IdentityError::DamagedKey { .. }));
}

#[tokio::test]
async fn a_certificate_that_ended_while_the_node_was_off_is_replaced() {
    let (cluster, host) = (Cluster::new(1), host());
    let bundle = cluster.bundle("cp1");
    let first = establish(&host, &bundle, "cp1").await.unwrap().certified();
    host.turn(days(120));
    let second = establish(&host, &bundle, "cp1").await.unwrap().certified();
    assert_eq!(second.key, first.key);
    assert!(second.begins > first.ends);
}

/// In virtual time: the loop looks each hour, and renews when it is due.
#[tokio::test(start_paused = true)]
async fn a_certificate_renews_itself_when_it_is_due() {
    let (cluster, host) = (Cluster::new(1), Arc::new(host()));
    let identity = establish(&host, &cluster.bundle("cp1"), "cp1")
        .await
        .unwrap();
    let identity = Arc::new(identity);
    let first = identity.certified();
    let paths = Paths::system();
    let loop_ = tokio::spawn(keep_renewed(host.clone(), paths, identity.clone()));
    let pass = |hours| tokio::time::sleep(std::time::Duration::from_hours(hours));
    pass(3).await;
    assert_eq!(identity.certified(), first);
    host.turn(first.renew_at());
    pass(2).await;
    assert!(identity.certified().ends > first.ends);
    loop_.abort();
}

/// The server swaps its certificate while it serves: the connection that stands goes on, the next one sees the new one.
#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let (cluster, agent) = cluster_with("cp1").await;
    let operator = cluster.operator();
    let before = operator.connect(&name("cp1"), agent.address).await.unwrap();
    let old = agent.identity.certified();
    // A minute after it was signed, and so within what certificates are backdated by: the callers' clock stands still.
    let soon = old.begins.as_second() + 61 * 60;
    agent.host.turn(Timestamp::from_second(soon).unwrap());
    agent
        .identity
        .renew(&*agent.host, &Paths::system())
        .await
        .unwrap();
    let new = agent.identity.certified();
    assert!(new.ends > old.ends && new.key == old.key);
    assert!(before.members().await.is_ok());
    let after = operator.connect(&name("cp1"), agent.address).await.unwrap();
    assert!(after.members().await.is_ok());
    let on_disk = agent
        .host
        .file(&Paths::system().node_certificate())
        .unwrap();
    let read = hactl_proto::mtls::Certified::read_pem(&on_disk.0).unwrap();
    assert_eq!(read, new);
    agent.stop().await;
}
