//! What a control plane whose issuer was stolen can't do: name a person, or another control plane.

use std::sync::Arc;

use hactl_proto::bundle::Admission;
use hactl_proto::mtls::{Credential, Dialer, Limits, Trust};
use hactl_proto::role::CallerRole;
use hactl_proto::secret::Secret;
use hactl_proto::subject::{Subject, dns_name};
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};

use crate::cluster::{Cluster, cluster_with, name};

/// A certificate for that role and name, signed by cp1's issuer.
fn forged(cluster: &Cluster, role: CallerRole, text: &str) -> Credential {
    let Admission::Issuer {
        certificate, key, ..
    } = cluster.bundle("cp1").admission
    else {
        panic!("a control plane's bundle has an issuer");
    };
    let key = KeyPair::from_pem(&key).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&certificate, key).unwrap();
    let subject = Subject {
        cluster: cluster.authority.cluster(),
        role,
        name: name(text),
    };
    let dns = dns_name(&subject.name, subject.cluster);
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![
        SanType::URI(subject.uri().try_into().unwrap()),
        SanType::DnsName(dns.try_into().unwrap()),
    ];
    let own = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&own, &issuer).unwrap();
    let chain = format!("{}{certificate}", leaf.pem());
    Credential::new(&chain, &Secret::new(own.serialize_pem())).unwrap()
}

fn trust(cluster: &Cluster) -> Arc<Trust> {
    let ca = std::fs::read_to_string(cluster.folder.path().join("ca.crt")).unwrap();
    Arc::new(Trust::new(cluster.authority.cluster(), &ca).unwrap())
}

async fn refused(role: CallerRole, text: &str) -> (String, String) {
    let (cluster, mut agent) = cluster_with("cp3").await;
    let own = Arc::new(forged(&cluster, role, text));
    let dialer = Dialer::new(trust(&cluster), Some(own), Limits::default());
    let told = dialer.connect(&name("cp3"), agent.address).await;
    (told.unwrap_err().to_string(), agent.refusal().await)
}

#[tokio::test]
async fn a_control_plane_names_no_operator() {
    let (told, line) = refused(CallerRole::Operator, "mallory").await;
    assert!(
        told.ends_with(
            "this side's certificate was issued by somebody who may not name its holder"
        ),
        "{told}"
    );
    assert!(
        line.ends_with(
            "its certificate calls it operator mallory, but was issued by \"hactl issuer cp1\", which may not"
        ),
        "{line}"
    );
}

#[tokio::test]
async fn a_control_plane_names_no_other_control_plane() {
    let (_, line) = refused(CallerRole::ControlPlane, "cp2").await;
    assert!(line.contains("calls it control-plane cp2"), "{line}");
}

#[tokio::test]
async fn a_control_plane_names_itself_and_workers() {
    let (cluster, agent) = cluster_with("cp3").await;
    for (role, text) in [
        (CallerRole::ControlPlane, "cp1"),
        (CallerRole::Worker, "w9"),
    ] {
        let own = Arc::new(forged(&cluster, role, text));
        let dialer = Dialer::new(trust(&cluster), Some(own), Limits::default());
        assert!(dialer.connect(&name("cp3"), agent.address).await.is_ok());
    }
}

/// An agent that shows another control plane's forged certificate is not believed either.
#[tokio::test]
async fn a_forged_agent_is_not_believed() {
    let cluster = Cluster::new(1);
    let forged = forged(&cluster, CallerRole::ControlPlane, "cp2");
    assert_eq!(forged.certified().issuer, "hactl issuer cp1");
    let (listener, _) = crate::cluster::port().await;
    let address = listener.local_addr().unwrap();
    let stub = Arc::new(crate::stub::Stub::default());
    let duties = stub.duties(Some(Arc::new(crate::stub::Unreached)));
    let server = hactl_agent::api::Server::new(trust(&cluster), Arc::new(forged), &duties);
    let task = tokio::spawn(server.serve(listener, std::future::pending()));
    let told = cluster.operator().connect(&name("cp2"), address).await;
    let told = told.unwrap_err().to_string();
    assert!(
        told.ends_with(
            "its certificate calls it control-plane cp2, but was issued by \"hactl issuer cp1\", which may not"
        ),
        "{told}"
    );
    task.abort();
}
