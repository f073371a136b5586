//! Agents that renew certificates, as they reach each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hactl_agent::operation::Operations;
use hactl_agent::paths::Paths;
use hactl_agent::renewal::{Peers, Renewals};
use hactl_agent::rollout::Rollouts;
use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;
use hactl_proto::rotation::{Authority, Fingerprint};
use hactl_proto::secret::Secret;
use hactl_proto::spec::DeclaredNode;
use hactl_simulation::{SimulatedHost, World};

use super::{context, name};

pub(crate) type Renewing = Renewals<SimulatedHost, Neighbours>;

pub(crate) type Leases = Rollouts<SimulatedHost>;

/// The other agents, as long as they live.
pub(crate) struct Neighbours {
    own: NodeName,
    all: Arc<Mutex<BTreeMap<NodeName, Renewing>>>,
}

impl Peers for Neighbours {
    async fn yield_backend(
        &self,
        peer: &DeclaredNode,
        fence: Option<Fence>,
        release: bool,
    ) -> Result<(), String> {
        let found = self.all.lock().unwrap().get(&peer.name).cloned();
        let found = found.ok_or("connect: no route to host")?;
        found.yield_backend(&self.own, fence, release).await
    }

    async fn sign_kubelet(
        &self,
        peer: &DeclaredNode,
        request: &str,
        serving: bool,
    ) -> Result<String, String> {
        let found = self.all.lock().unwrap().get(&peer.name).cloned();
        let found = found.ok_or("connect: no route to host")?;
        found.sign_kubelet(&self.own, request, serving).await
    }

    async fn give_pair(
        &self,
        peer: &DeclaredNode,
        authority: Authority,
        of: &Fingerprint,
        fence: Fence,
    ) -> Result<(String, Secret), String> {
        let found = self.all.lock().unwrap().get(&peer.name).cloned();
        let found = found.ok_or("connect: no route to host")?;
        found.give_pair(&self.own, authority, of, fence).await
    }
}

/// The agents of these nodes, in their next lives.
pub(crate) async fn agents(world: &World, nodes: &[&str]) -> BTreeMap<NodeName, Renewing> {
    agents_and_leases(world, nodes).await.0
}

/// The same, and what each has to do with the cluster's lease.
pub(crate) async fn agents_and_leases(
    world: &World,
    nodes: &[&str],
) -> (BTreeMap<NodeName, Renewing>, BTreeMap<NodeName, Leases>) {
    let mut leases = BTreeMap::new();
    let all = Arc::new(Mutex::new(BTreeMap::new()));
    for node in nodes {
        let host = Arc::new(world.host(&name(node)));
        let paths = Arc::new(Paths::system());
        hactl_agent::execute::put_back_manifests(&*host, &paths)
            .await
            .unwrap();
        let operations = Operations::open(Arc::clone(&host), Paths::system(), context(node))
            .await
            .unwrap();
        operations.recover().await;
        let rollouts = Rollouts::new(Arc::clone(&host), Arc::clone(&paths), operations.clone());
        leases.insert(name(node), rollouts.clone());
        let peers = Neighbours {
            own: name(node),
            all: Arc::clone(&all),
        };
        let renewals = Renewals::new(host, paths, operations, rollouts, Arc::new(peers), 1);
        all.lock().unwrap().insert(name(node), renewals);
    }
    let all = all.lock().unwrap().clone();
    (all, leases)
}
