//! hactl's own CA, rotated on a control plane and a worker that runs by its certificates, each begun anew from its files between any two orders.

use std::sync::Arc;

use hactl_agent::api::Failure;
use hactl_agent::paths::Paths;
use hactl_agent::trust::{Identity, OwnTrust, in_force};
use hactl_controller::connect::CallError;
use hactl_controller::succession::Held;
use hactl_proto::Timestamp;
use hactl_proto::bundle::Bundle;
use hactl_proto::rotation::Fingerprint;

use crate::cluster::{Agent, Cluster, cluster_with, name};
use crate::memory_host::MemoryHost;

/// A node's files, and what it makes of them.
struct Node {
    host: Arc<MemoryHost>,
    bundle: Bundle,
    own: OwnTrust<MemoryHost>,
    identity: Arc<Identity>,
}

impl Node {
    async fn start(host: Arc<MemoryHost>, bundle: Bundle) -> Self {
        let paths = Paths::system();
        let in_force = in_force(&*host, &paths, bundle.clone()).await;
        let node = bundle.node.clone().unwrap();
        let identity = Identity::establish(&*host, &paths, &in_force, &node).await;
        let identity = Arc::new(identity.map_err(|error| error.to_string()).unwrap());
        let own = OwnTrust::new(host.clone(), &paths, &in_force, identity.clone()).await;
        Self {
            host,
            bundle,
            own,
            identity,
        }
    }

    async fn again(self) -> Self {
        Self::start(self.host, self.bundle).await
    }

    /// What it believes and what it shows, by their first digits.
    async fn part(&self) -> (Vec<String>, Vec<String>) {
        let seen = self.own.seen().await.unwrap();
        let texts = |of: &std::collections::BTreeSet<Fingerprint>| {
            of.iter().map(ToString::to_string).collect()
        };
        (texts(&seen.believes), texts(&seen.shows))
    }
}

fn two(held: &Held) -> (Fingerprint, Fingerprint) {
    let Held::Two { older, newer } = held else {
        panic!("one root");
    };
    (older.clone(), newer.clone())
}

fn words(of: &[&Fingerprint]) -> Vec<String> {
    let mut words: Vec<String> = of.iter().map(ToString::to_string).collect();
    words.sort();
    words
}

async fn calls(cluster: &Cluster, at: &Agent, node: &str) -> Result<(), CallError> {
    let agent = cluster.operator().connect(&name(node), at.address).await?;
    agent.inspect().await.map(|_| ())
}

#[tokio::test]
async fn each_order_holds_over_a_restart_and_the_worker_follows() {
    let (mut cluster, served) = cluster_with("cp1").await;
    let (paths, bundle) = (Paths::system(), cluster.bundle("cp1"));
    let identity = served.identity.clone();
    let own = OwnTrust::new(served.host.clone(), &paths, &bundle, identity).await;
    let host = || Arc::new(MemoryHost::new(Timestamp::now()));
    let mut worker = Node::start(host(), cluster.bundle("w1")).await;

    cluster.authority.begin_own_root(Timestamp::now()).unwrap();
    let (old, new) = two(&cluster.authority.own_roots());
    let both = cluster
        .authority
        .give_own_roots(&[old.clone(), new.clone()]);
    let (both, revision) = (both.unwrap(), cluster.authority.trust_revision());
    own.put_roots(revision, &both).await.unwrap();
    // The worker believes the old one alone still, and is understood.
    let renewed = worker.identity.renew(&*worker.host, &paths).await;
    renewed.map_err(|error| error.to_string()).unwrap();
    worker.own.put_roots(revision, &both).await.unwrap();
    worker = worker.again().await;
    assert_eq!(worker.part().await, (words(&[&old, &new]), words(&[&old])));

    let order = [new.clone(), old.clone()];
    let given = cluster.authority.give_own_roots(&order).unwrap();
    assert!(given.contains("CERTIFICATE"));
    let revision = cluster.authority.trust_revision();
    let sign = |request: &str| {
        let signed = cluster
            .authority
            .sign_issuer(&name("cp1"), request, Timestamp::now());
        signed.unwrap()
    };
    let request = own.request_issuer().await.unwrap();
    assert_eq!(
        own.renew(&new).await.unwrap_err().to_string(),
        format!(
            "the next certificate is of root {old} still: a control plane that gave it out signs with that"
        )
    );
    let others = cluster
        .authority
        .sign_issuer(&name("cp2"), &request, Timestamp::now());
    let refused = own.put_issuer(revision, &others.unwrap()).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    own.put_issuer(revision, &sign(&request)).await.unwrap();
    let seen = own.seen().await.unwrap();
    assert_eq!(seen.shows, [new.clone()].into());
    worker.own.renew(&new).await.unwrap();
    worker = worker.again().await;
    assert_eq!(worker.part().await, (words(&[&old, &new]), words(&[&new])));
    // Over the bundle of before.
    let again = Node::start(served.host.clone(), cluster.bundle("cp1")).await;
    assert_eq!(again.part().await, (words(&[&old, &new]), words(&[&new])));
    let refused = worker.own.request_issuer().await;
    assert!(
        matches!(refused, Err(Failure::Unsupported(_))),
        "{refused:?}"
    );

    // A connection of the old operator stands until its root is given up.
    let before = cluster
        .operator()
        .connect(&name("cp1"), served.address)
        .await;
    let before = before.unwrap();
    before.inspect().await.unwrap();
    let people = cluster.authority.reissue_persons(Timestamp::now()).unwrap();
    assert_eq!(people, [name("operator")]);
    let alone = cluster
        .authority
        .give_own_roots(std::slice::from_ref(&new))
        .unwrap();
    let revision = cluster.authority.trust_revision();
    own.put_roots(revision, &alone).await.unwrap();
    let refused = loop {
        // It says farewell to the connection, and does not take its successor.
        if let Err(error) = before.inspect().await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert!(refused.to_string().contains("cp1"), "{refused}");
    calls(&cluster, &served, "cp1").await.unwrap();
    worker.own.put_roots(revision, &alone).await.unwrap();
    worker = worker.again().await;
    assert_eq!(worker.part().await, (words(&[&new]), words(&[&new])));
}

#[tokio::test]
async fn what_would_cut_a_node_off_is_refused_and_changes_nothing() {
    let (mut cluster, served) = cluster_with("cp1").await;
    let bundle = cluster.bundle("cp1");
    let identity = served.identity.clone();
    let own = OwnTrust::new(served.host.clone(), &Paths::system(), &bundle, identity).await;
    cluster.authority.begin_own_root(Timestamp::now()).unwrap();
    let (_, new) = two(&cluster.authority.own_roots());
    let alone = cluster
        .authority
        .give_own_roots(std::slice::from_ref(&new))
        .unwrap();
    let before = own.seen().await.unwrap();
    for wrong in [alone.as_str(), "", "garbage"] {
        let refused = own.put_roots(9, wrong).await;
        assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    }
    let refused = own.put_issuer(9, &alone).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    let both = cluster.authority.give_own_roots(&[new]).unwrap();
    let both = format!("{both}{}", bundle.ca_certificate);
    own.put_roots(9, &both).await.unwrap();
    let refused = own.put_roots(8, &bundle.ca_certificate).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    assert_eq!(own.seen().await.unwrap().shows, before.shows);

    // A bundle made anew is newer than what was kept.
    let newer = Bundle {
        trust_revision: 10,
        ..bundle.clone()
    };
    let in_force = in_force(&*served.host, &Paths::system(), newer).await;
    assert_eq!(in_force.ca_certificate, bundle.ca_certificate);
    assert!(served.host.file(&Paths::system().own_trust()).is_none());
}
