//! Callers with certificates: who gets through, and what both sides say of who does not.

use hactl_controller::connect::CallError;
use hactl_proto::instruction::{Instruction, OperationId, Order};
use hactl_proto::mtls::{Credential, Dialer, Limits, Trust};
use hactl_proto::role::CallerRole;
use hactl_proto::secret::Secret;
use hactl_proto::wire::v1;
use hactl_proto::wire::v1::node_service_client::NodeServiceClient;
use std::sync::Arc;
use tonic::Code;

use hactl_agent::api::server::Limits as ServerLimits;

use crate::cluster::{Cluster, agent as agent_at, cluster_with, days, name};

fn instruction() -> Instruction {
    Instruction {
        id: OperationId::new("op-1").unwrap(),
        generation: 1,
        fence: None,
        order: Order::Prepare,
    }
}

#[tokio::test]
async fn an_operator_gets_through_to_the_service() {
    let (cluster, agent) = cluster_with("cp1").await;
    let operator = cluster.operator();
    let called = operator.connect(&name("cp1"), agent.address).await;
    let (observer, members) = called.unwrap().members().await.unwrap();
    assert_eq!((observer, members.len()), (name("cp1"), 0));
    agent.stop().await;
}

#[tokio::test]
async fn an_operator_of_another_cluster_is_told_so_and_so_is_the_agent() {
    let (cluster, mut agent) = cluster_with("cp1").await;
    let other = Cluster::new(1);
    let refused = other.operator().connect(&name("cp1"), agent.address).await;
    let told = refused.unwrap_err().to_string();
    let wanted = format!(
        "trust the agent of cp1 at {}: its certificate is of cluster {}, this side is of cluster {}: one of the two holds \
         the bundle of another cluster",
        agent.address,
        cluster.authority.cluster(),
        other.authority.cluster()
    );
    assert_eq!(told, wanted);
    let line = agent.refusal().await;
    assert!(
        line.ends_with(
            "which does not trust this agent: it does not know the CA of this side's certificate: one of the two is of \
             another cluster"
        ),
        "{line}"
    );
}

/// The CA is this cluster's, the certificate another's.
#[tokio::test]
async fn a_certificate_of_another_cluster_is_refused_by_its_cluster() {
    let (cluster, mut agent) = cluster_with("cp1").await;
    let other = Cluster::new(1);
    let read = |file: &str| std::fs::read_to_string(other.folder.path().join(file)).unwrap();
    let key = Secret::new(read("operator.key"));
    let foreign = Credential::new(&read("operator.crt"), &key).unwrap();
    let ca = std::fs::read_to_string(cluster.folder.path().join("ca.crt")).unwrap();
    let trust = Arc::new(Trust::new(cluster.authority.cluster(), &ca).unwrap());
    let dialer = Dialer::new(trust, Some(Arc::new(foreign)), Limits::default());
    let told = dialer.connect(&name("cp1"), agent.address).await;
    assert_eq!(
        told.unwrap_err().to_string(),
        format!(
            "be trusted by the agent of cp1 at {}: it does not know the CA of this side's certificate: one of the two is \
             of another cluster",
            agent.address
        )
    );
    let line = agent.refusal().await;
    let wanted = format!(
        "its certificate is of cluster {}, this side is of cluster {}",
        other.authority.cluster(),
        cluster.authority.cluster()
    );
    assert!(line.contains(&wanted), "{line}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_its_end() {
    let (cluster, mut agent) = cluster_with("cp1").await;
    let late = cluster.person(CallerRole::Operator, "late", days(-500));
    let told = late.connect(&name("cp1"), agent.address).await;
    let told = told.unwrap_err().to_string();
    assert!(
        told.ends_with("by its clock this side's certificate has expired, or has not begun"),
        "{told}"
    );
    let line = agent.refusal().await;
    let end = late.certified().ends;
    assert!(
        line.contains(&format!("its certificate expired at {end}")),
        "{line}"
    );
}

#[tokio::test]
async fn a_certificate_that_has_not_begun_blames_the_clocks() {
    let (cluster, mut agent) = cluster_with("cp1").await;
    let early = cluster.person(CallerRole::Operator, "early", days(2));
    let told = early.connect(&name("cp1"), agent.address).await;
    assert!(matches!(told, Err(CallError::Connect(_))));
    let line = agent.refusal().await;
    assert!(line.contains("the clocks of the two differ"), "{line}");
}

#[tokio::test]
async fn a_viewer_looks_and_gives_no_orders() {
    let (cluster, mut agent) = cluster_with("cp1").await;
    let viewer = cluster.person(CallerRole::Viewer, "vera", days(0));
    let viewer = viewer.connect(&name("cp1"), agent.address).await.unwrap();
    assert!(viewer.members().await.is_ok());
    let refused = viewer.execute(instruction()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "have the operation of cp1: /hactl.v1.OperationService/Execute is for operator; the caller is viewer"
    );
    let line = agent.refusal().await;
    assert!(
        line.ends_with(
            "(viewer vera): /hactl.v1.OperationService/Execute is for operator; the caller is viewer"
        ),
        "{line}"
    );
}

#[tokio::test]
async fn without_a_certificate_nothing_but_enrol_is_open() {
    let (cluster, mut agent) = cluster_with("cp1").await;
    let ca = std::fs::read_to_string(cluster.folder.path().join("ca.crt")).unwrap();
    let trust = Arc::new(Trust::new(cluster.authority.cluster(), &ca).unwrap());
    let dialer = Dialer::new(trust, None, Limits::default());
    let channel = dialer.connect(&name("cp1"), agent.address).await.unwrap();
    let refused = NodeServiceClient::new(channel)
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let wanted = "/hactl.v1.NodeService/GetStatus wants a client certificate of this cluster; only Enrol is open without one";
    assert_eq!(refused.message(), wanted);
    let line = agent.refusal().await;
    assert!(
        line.ends_with(&format!("(no certificate): {wanted}")),
        "{line}"
    );
}

#[tokio::test]
async fn an_agent_is_verified_by_its_name_and_not_by_its_address() {
    let (cluster, agent) = cluster_with("cp1").await;
    let told = cluster
        .operator()
        .connect(&name("cp2"), agent.address)
        .await;
    let told = told.unwrap_err().to_string();
    assert!(
        told.ends_with("its certificate is of control-plane cp1, not of the agent of cp2"),
        "{told}"
    );
}

#[tokio::test]
async fn nobody_there_is_told_from_nobody_trusted() {
    let (cluster, agent) = cluster_with("cp1").await;
    let address = agent.address;
    agent.stop().await;
    let told = cluster.operator().connect(&name("cp1"), address).await;
    assert_eq!(
        told.unwrap_err().to_string(),
        format!("connect to the agent of cp1 at {address}")
    );
}

#[tokio::test]
async fn a_channel_finds_an_agent_again_and_says_when_it_does_not() {
    let (cluster, agent) = cluster_with("cp1").await;
    let address = agent.address;
    let operator = cluster.operator();
    let channel = operator.connect(&name("cp1"), address).await.unwrap();
    assert!(channel.members().await.is_ok());
    agent.stop().await;
    let lost = channel.members().await.unwrap_err();
    assert_eq!(
        lost.to_string(),
        format!(
            "keep the connection to the agent of cp1: failed to connect to the agent of cp1 at {address}"
        )
    );
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let again = agent_at(&cluster, "cp1", listener, ServerLimits::default()).await;
    assert!(channel.members().await.is_ok());
    again.stop().await;
}
