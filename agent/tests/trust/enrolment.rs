//! Workers: from a token to a certificate and to the next one, and every token that brings none.

use hactl_agent::paths::Paths;
use hactl_agent::trust::{Identity, IdentityError};
use hactl_proto::Timestamp;
use hactl_proto::bundle::{Admission, Bundle};
use hactl_proto::enrolment::ShownToken;
use hactl_proto::mtls::Limits;
use hactl_proto::role::CallerRole;
use hactl_proto::secret::Secret;
use hactl_proto::wire::v1;
use hactl_proto::wire::v1::membership_service_client::MembershipServiceClient;

use crate::cluster::{Cluster, cluster_with, days, name, zone};
use crate::memory_host::MemoryHost;

async fn establish(bundle: &Bundle, node: &str) -> Result<Identity, IdentityError> {
    let host = MemoryHost::new(Timestamp::now());
    Identity::establish(&host, &Paths::system(), bundle, &name(node)).await
}

/// The one reason of the only control plane that is there.
async fn refused(bundle: &Bundle, node: &str) -> String {
    match establish(bundle, node).await {
        Err(IdentityError::NoIssuer { reasons }) => reasons[0].clone(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{node} was enrolled"),
    }
}

fn token(bundle: &Bundle) -> String {
    match &bundle.admission {
        Admission::Token { token } => token.clone(),
        Admission::Issuer { .. } => panic!("a worker's bundle has a token"),
    }
}

fn with_token(mut bundle: Bundle, token: String) -> Bundle {
    bundle.admission = Admission::Token { token };
    bundle
}

#[tokio::test]
async fn a_declared_worker_enrols_and_calls_by_its_name() {
    let (cluster, agent) = cluster_with("cp1").await;
    let worker = establish(&cluster.bundle("w1"), "w1").await.unwrap();
    assert_eq!(worker.certified().subject.role, CallerRole::Worker);
    assert_eq!(worker.certified().issuer, "hactl issuer cp1");
    let channel = worker
        .dialer(Limits::default())
        .connect(&name("cp1"), agent.address)
        .await
        .unwrap();
    let request = v1::ExchangeRequest {
        version: 1,
        state: vec![1],
    };
    MembershipServiceClient::new(channel)
        .exchange(request)
        .await
        .unwrap();
    assert_eq!(*agent.stub.peers.lock().unwrap(), [name("w1")]);
}

#[tokio::test]
async fn any_worker_enrols_under_its_own_name_and_renews_with_its_certificate() {
    let (cluster, agent) = cluster_with("cp1").await;
    let (host, paths) = (MemoryHost::new(Timestamp::now()), Paths::system());
    let bundle = cluster.any_worker(days(1));
    let worker = Identity::establish(&host, &paths, &bundle, &name("w7"))
        .await
        .unwrap();
    let first = worker.certified();
    // The issuer's clock goes on; the caller's certificate is good still.
    agent.host.turn(days(60));
    host.turn(days(60));
    worker.renew(&host, &paths).await.unwrap();
    let second = worker.certified();
    assert_eq!(second.subject, first.subject);
    assert_eq!(second.key, first.key);
    assert!(second.ends > first.ends);
    agent.stop().await;
}

#[tokio::test]
async fn an_expired_token_says_when_and_what_to_do() {
    let (cluster, _agent) = cluster_with("cp1").await;
    let ended = days(-1);
    let reason = refused(&cluster.any_worker(ended), "w7").await;
    assert_eq!(
        reason,
        format!(
            "cp1: the enrolment token expired at {ended}; make a new one with `hactl-controller bundle`"
        )
    );
}

#[tokio::test]
async fn a_token_of_one_worker_is_of_no_other() {
    let (cluster, _agent) = cluster_with("cp1").await;
    let token = token(&cluster.bundle("w1"));
    let bundle = with_token(cluster.any_worker(days(1)), token);
    let reason = refused(&bundle, "w7").await;
    assert_eq!(
        reason,
        "cp1: the enrolment token is of w1, the request is for w7"
    );
}

#[tokio::test]
async fn a_changed_token_and_a_strange_one_are_refused() {
    let (cluster, _agent) = cluster_with("cp1").await;
    let good = token(&cluster.any_worker(days(1)));
    let shown = ShownToken::parse(&Secret::new(good.clone())).unwrap();
    let mut longer = shown.claim.clone();
    longer.expires = days(1000);
    let forged = longer.token(&shown.mac).expose().to_owned();
    let other = token(&Cluster::new(1).any_worker(days(1)));
    for changed in [forged, other] {
        let bundle = with_token(cluster.any_worker(days(1)), changed);
        let reason = refused(&bundle, "w7").await;
        assert_eq!(
            reason,
            "cp1: the enrolment token was not made by this cluster's operator"
        );
    }
    let truncated = with_token(
        cluster.any_worker(days(1)),
        good[..good.len() - 3].to_owned(),
    );
    let reason = refused(&truncated, "w7").await;
    assert!(reason.contains("it is not of the form"), "{reason}");
}

#[tokio::test]
async fn a_token_makes_no_control_plane() {
    let (cluster, _agent) = cluster_with("cp1").await;
    // Signed rightly, for any name: the name itself is refused.
    let mut bundle = cluster.any_worker(days(1));
    bundle.node = Some(name("cp2"));
    let reason = refused(&bundle, "cp2").await;
    assert_eq!(
        reason,
        "cp1: cp2 is a declared control plane; it is not enrolled by a token"
    );
}

#[tokio::test]
async fn a_token_for_any_worker_gets_nobody_a_declared_workers_name() {
    let (cluster, _agent) = cluster_with("cp1").await;
    let mut bundle = cluster.any_worker(days(1));
    bundle.node = Some(name("w1"));
    let reason = refused(&bundle, "w1").await;
    assert_eq!(
        reason,
        "cp1: w1 is a declared worker; it enrols with the bundle that was made for it"
    );
    assert!(establish(&cluster.bundle("w1"), "w1").await.is_ok());
}

#[tokio::test]
async fn a_worker_that_the_spec_gained_later_enrols_with_its_own_token() {
    let (listener, port) = crate::cluster::port().await;
    let mut cluster = Cluster::new(port);
    let gained = cluster.bundle("w1");
    cluster.spec.workers.clear();
    cluster.spec.policies.worker_enrolment = false;
    let limits = hactl_agent::api::server::Limits::default();
    let _agent = crate::cluster::agent(&cluster, "cp1", listener, limits).await;
    assert!(establish(&gained, "w1").await.is_ok());
}

#[tokio::test]
async fn where_enrolment_is_off_only_declared_workers_enrol() {
    let (listener, port) = crate::cluster::port().await;
    let mut cluster = Cluster::new(port);
    let open = cluster.any_worker(days(1));
    cluster.spec.policies.worker_enrolment = false;
    let limits = hactl_agent::api::server::Limits::default();
    let _agent = crate::cluster::agent(&cluster, "cp1", listener, limits).await;
    let reason = refused(&open, "w7").await;
    assert_eq!(
        reason,
        "cp1: w7 is not declared in the spec, and its policy workerEnrolment is off"
    );
    assert!(establish(&cluster.bundle("w1"), "w1").await.is_ok());
    let made = cluster
        .authority
        .worker_bundle(&cluster.spec, None, &zone("a"), days(1));
    assert!(made.is_err());
}

#[tokio::test]
async fn a_bundle_of_another_cluster_reaches_nobody() {
    let (cluster, mut agent) = cluster_with("cp1").await;
    let other = Cluster::new(agent.address.port());
    let reason = refused(&other.bundle("w1"), "w1").await;
    let wanted = format!(
        "its certificate is of cluster {}",
        cluster.authority.cluster()
    );
    assert!(reason.contains(&wanted), "{reason}");
    let line = agent.refusal().await;
    assert!(line.contains("which does not trust this agent"), "{line}");
}

#[tokio::test]
async fn a_worker_whose_certificate_and_token_ended_is_told_to_get_a_new_bundle() {
    let (cluster, agent) = cluster_with("cp1").await;
    let (host, paths) = (MemoryHost::new(Timestamp::now()), Paths::system());
    let bundle = cluster.any_worker(days(1));
    let worker = name("w7");
    let establish = || Identity::establish(&host, &paths, &bundle, &worker);
    establish().await.unwrap();
    agent.host.turn(days(120));
    host.turn(days(120));
    let text = establish().await.err().unwrap().to_string();
    assert!(
        text.starts_with("get a certificate in place of the one that expired at"),
        "{text}"
    );
    assert!(text.contains("the enrolment token expired at"), "{text}");
    assert!(
        text.ends_with("make a new bundle with `hactl-controller bundle`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_worker_gives_out_no_certificates() {
    let (cluster, agent) = cluster_with("cp1").await;
    let worker = establish(&cluster.bundle("w1"), "w1").await.unwrap();
    let (listener, _) = crate::cluster::port().await;
    let address = listener.local_addr().unwrap();
    let duties = agent.stub.duties(None);
    let server =
        hactl_agent::api::Server::new(worker.trust().clone(), worker.credential().clone(), &duties);
    let task = tokio::spawn(server.serve(listener, std::future::pending()));
    let channel = hactl_proto::mtls::Dialer::new(worker.trust().clone(), None, Limits::default())
        .connect(&name("w1"), address)
        .await
        .unwrap();
    let refused = v1::enrolment_service_client::EnrolmentServiceClient::new(channel)
        .enrol(v1::EnrolRequest {
            token: token(&cluster.any_worker(days(1))),
            csr: String::new(),
            node: "w7".to_owned(),
        })
        .await
        .unwrap_err();
    assert_eq!(
        refused.message(),
        "a worker gives out no certificates; ask the agent of a control plane"
    );
    task.abort();
}
