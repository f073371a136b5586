//! What the services themselves refuse, and how stories are told.

use hactl_agent::api::failure::RUNNING_OPERATION;
use hactl_controller::connect::CallError;
use hactl_proto::instruction::{Instruction, OperationId, Order};
use hactl_proto::mtls::Limits;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::rollout::agent::PackageDigest;
use hactl_proto::wire::v1;
use hactl_proto::wire::v1::join_service_client::JoinServiceClient;
use hactl_proto::wire::v1::membership_service_client::MembershipServiceClient;
use hactl_proto::wire::v1::put_package_request::Part;
use hactl_proto::wire::v1::rollout_service_client::RolloutServiceClient;
use tonic::Code;
use tonic::transport::Channel;

use crate::cluster::{Agent, Cluster, cluster_with, name};

fn instruction(order: Order) -> Instruction {
    Instruction {
        id: OperationId::new("op-2").unwrap(),
        generation: 1,
        fence: None,
        order,
    }
}

/// The agent of cp1 calls itself: a caller with a node's certificate.
async fn node_channel(agent: &Agent) -> Channel {
    agent
        .identity
        .dialer(Limits::default())
        .connect(&name("cp1"), agent.address)
        .await
        .unwrap()
}

async fn operator(cluster: &Cluster, agent: &Agent) -> hactl_controller::connect::Agent {
    let operator = cluster.operator();
    operator.connect(&name("cp1"), agent.address).await.unwrap()
}

#[tokio::test]
async fn an_operation_tells_its_story_to_the_end() {
    let (cluster, agent) = cluster_with("cp1").await;
    let operator = operator(&cluster, &agent).await;
    let mut story = operator.execute(instruction(Order::Prepare)).await.unwrap();
    let steps = vec!["prepare".to_owned()];
    assert_eq!(
        story.next().await.unwrap(),
        Some(ReportEvent::Planned { steps })
    );
    assert_eq!(
        story.next().await.unwrap(),
        Some(ReportEvent::Ended(Outcome::Succeeded))
    );
    assert_eq!(story.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_second_instruction_is_refused_with_the_first_ones_id() {
    let (cluster, agent) = cluster_with("cp1").await;
    *agent.stub.running.lock().unwrap() = Some(OperationId::new("op-1").unwrap());
    let operator = operator(&cluster, &agent).await;
    let refused = operator.execute(instruction(Order::Prepare)).await;
    let CallError::Refused { code, message, .. } = refused.unwrap_err() else {
        panic!("the agent itself refuses");
    };
    assert_eq!(code, Code::FailedPrecondition);
    assert_eq!(message, "operation op-1 is under way; it has to end first");
    assert_eq!(RUNNING_OPERATION, "hactl-running-operation");
}

#[tokio::test]
async fn nobody_orders_an_init() {
    let (cluster, agent) = cluster_with("cp1").await;
    let operator = operator(&cluster, &agent).await;
    let refused = operator.execute(instruction(Order::Init)).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("init is not an order to give"), "{text}");
}

#[tokio::test]
async fn a_node_joins_itself_only_and_as_what_it_is() {
    let (_cluster, agent) = cluster_with("cp1").await;
    let mut client = JoinServiceClient::new(node_channel(&agent).await);
    let request = |node: &str, role: v1::NodeRole| v1::AdmitRequest {
        node: node.to_owned(),
        role: role.into(),
        address: "10.0.0.1".to_owned(),
    };
    let other = client
        .admit(request("cp2", v1::NodeRole::ControlPlane))
        .await;
    let other = other.unwrap_err();
    assert_eq!(other.code(), Code::PermissionDenied);
    assert_eq!(
        other.message(),
        "the request is for cp2, the certificate is of cp1"
    );
    let worker = client.admit(request("cp1", v1::NodeRole::Worker)).await;
    assert_eq!(
        worker.unwrap_err().message(),
        "the request is to join as worker, the certificate is of a control-plane"
    );
}

#[tokio::test]
async fn an_admission_tells_what_it_waits_for_and_why_it_ended() {
    let (_cluster, agent) = cluster_with("cp1").await;
    let mut client = JoinServiceClient::new(node_channel(&agent).await);
    let request = v1::AdmitRequest {
        node: "cp1".to_owned(),
        role: v1::NodeRole::ControlPlane.into(),
        address: "10.0.0.1".to_owned(),
    };
    let mut answers = client.admit(request).await.unwrap().into_inner();
    let first = answers.message().await.unwrap().unwrap();
    let Some(v1::admit_response::Admission::Waiting(waiting)) = first.admission else {
        panic!("the stub waits first");
    };
    assert_eq!(waiting.condition, "the lease for cp1");
    let end = answers.message().await.unwrap_err();
    assert_eq!(
        (end.code(), end.message()),
        (Code::Unavailable, "this member stops")
    );
}

#[tokio::test]
async fn a_request_that_does_not_parse_names_its_field() {
    let (_cluster, agent) = cluster_with("cp1").await;
    let mut client = JoinServiceClient::new(node_channel(&agent).await);
    let refused = client.complete(v1::CompleteRequest {
        node: "cp1".to_owned(),
        outcome: None,
    });
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "read field outcome: it is absent");
}

#[tokio::test]
async fn a_request_beyond_the_limit_is_refused() {
    let (_cluster, agent) = cluster_with("cp1").await;
    let mut client = MembershipServiceClient::new(node_channel(&agent).await);
    let refused = client.exchange(v1::ExchangeRequest {
        version: 1,
        state: vec![0; (1 << 20) + 1],
    });
    assert_eq!(refused.await.unwrap_err().code(), Code::OutOfRange);
    assert!(agent.stub.peers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_package_arrives_whole_however_large_and_from_the_operator_alone() {
    let (cluster, agent) = cluster_with("cp1").await;
    let operator = operator(&cluster, &agent).await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let digest = PackageDigest::from_bytes([7; 32]);
    operator.bring_package(digest, &bytes).await.unwrap();
    assert_eq!(*agent.stub.packages.lock().unwrap(), [(digest, bytes)]);

    let mut client = RolloutServiceClient::new(node_channel(&agent).await);
    let part = |part| v1::PutPackageRequest { part: Some(part) };
    let parts = tonic::codegen::tokio_stream::iter([part(Part::Digest("00".repeat(32)))]);
    let refused = client.put_package(parts).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(agent.stub.packages.lock().unwrap().len(), 1);
}
