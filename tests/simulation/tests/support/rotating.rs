//! Rotations as a controller drives them, and what has to hold meanwhile and at their end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hactl_agent::api::duties::Rollouts as _;
use hactl_cluster_plan::observed::{Answer, Silence};
use hactl_controller::rotation::{Agents, End, Told, Wish, rotate};
use hactl_node_plan::certificate::kubeconfig::{self, Source};
use hactl_node_plan::certificate::place::{KUBELET_CLIENT, KUBELET_SERVER};
use hactl_node_plan::certificate::trust::certificates;
use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::LeaseAnswer;
use hactl_proto::rotation::{Authority, RotationTurn, TrustSeen};
use hactl_simulation::{Event, State, Watcher, World};

use super::renewing::{Leases, Renewing, agents_and_leases};
use super::{name, through};

pub(crate) const CONTROL_PLANES: [&str; 3] = ["cp1", "cp2", "cp3"];
pub(crate) const WORKER: &str = "w1";
const RETRY: Duration = Duration::from_secs(5);

/// The agents, those that live.
pub(crate) struct Fleet {
    world: World,
    pub(crate) agents: BTreeMap<NodeName, Renewing>,
    leases: BTreeMap<NodeName, Leases>,
}

impl Fleet {
    pub(crate) async fn start(world: &World) -> Self {
        let nodes = [&CONTROL_PLANES[..], &[WORKER]].concat();
        let (agents, leases) = agents_and_leases(world, &nodes).await;
        Self {
            world: world.clone(),
            agents,
            leases,
        }
    }

    /// The control planes' words about the lease: that of the first that lives and knows.
    fn living(&self) -> impl Iterator<Item = &Leases> {
        let living = CONTROL_PLANES.iter().map(|node| name(node));
        living
            .filter(|node| self.lives(node))
            .map(|node| &self.leases[&node])
    }

    async fn lease(&self, who: &str) -> Fence {
        loop {
            for one in self.living() {
                if let Ok(LeaseAnswer::Taken(fence)) = one.take_lease(who).await {
                    return fence;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// A worker's turn, the lease held for it.
    async fn workers_turn(&self, node: &NodeName, turn: RotationTurn) -> Outcome {
        let who = format!("rotation-{node}");
        let fence = self.lease(&who).await;
        let turn = self.agents[node].rotate(RotationTurn {
            fence: Some(fence),
            ..turn
        });
        tokio::pin!(turn);
        let outcome = loop {
            match tokio::time::timeout(RETRY, &mut turn).await {
                Ok(outcome) => break outcome,
                Err(_) => {
                    for one in self.living() {
                        if one.renew_lease(&who, fence).await.is_ok() {
                            break;
                        }
                    }
                }
            }
        };
        for one in self.living() {
            if one.release_lease(&who, fence).await.is_ok() {
                break;
            }
        }
        outcome
    }

    fn lives(&self, node: &NodeName) -> bool {
        let state = self.world.state();
        let machine = &state.machines[node];
        machine.powered && !machine.crash.fired
    }

    pub(crate) async fn run(&self, authority: Authority, wish: Wish) -> End {
        let now = || self.world.state().now();
        through::within(rotate(self, authority, wish, now, |_: Told<'_>| {})).await
    }
}

impl Agents for Fleet {
    fn nodes(&self) -> Vec<(NodeName, NodeRole)> {
        let control_planes = CONTROL_PLANES.map(|node| (name(node), NodeRole::ControlPlane));
        let mut nodes = control_planes.to_vec();
        nodes.push((name(WORKER), NodeRole::Worker));
        nodes
    }

    async fn trust(&self, node: &NodeName, authority: Authority) -> Answer<TrustSeen> {
        if !self.lives(node) {
            return Answer::Silent(Silence {
                since: self.world.state().now(),
                tried_ms: 1,
                reason: "connection refused".to_owned(),
            });
        }
        // It crosses the wire as JSON.
        let text = serde_json::to_string(&self.agents[node].trust(authority).await).unwrap();
        Answer::Said(serde_json::from_str(&text).unwrap())
    }

    async fn rotate(
        &self,
        node: &NodeName,
        turn: RotationTurn,
        _: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, String> {
        Ok(if node.as_str() == WORKER {
            self.workers_turn(node, turn).await
        } else {
            self.agents[node].rotate(turn).await
        })
    }
}

/// Remembers the first moment at which somebody was not understood, or two API servers were away at once.
#[derive(Default)]
pub(crate) struct Understanding {
    pub(crate) wrong: Option<String>,
    looks: u64,
}

impl Watcher for Understanding {
    fn saw(&mut self, state: &State, node: &NodeName, event: Event<'_>) {
        self.looks += 1;
        let wrong = state.misunderstood();
        if self.wrong.is_none() && !wrong.is_empty() {
            self.wrong = Some(format!("{} after {event:?} on {node}", wrong.join(", ")));
        }
    }
}

pub(crate) fn watched(world: &World) -> Arc<Mutex<Understanding>> {
    let watcher = Arc::new(Mutex::new(Understanding::default()));
    world.watched_by(watcher.clone());
    watcher
}

pub(crate) fn understood(watcher: &Mutex<Understanding>) {
    let seen = watcher.lock().unwrap();
    assert_eq!(seen.wrong, None);
    assert!(
        seen.looks > 50,
        "{} looks are too few to be true",
        seen.looks
    );
}

pub(crate) const fn bundle(authority: Authority) -> &'static str {
    match authority {
        Authority::Kubernetes => "ca",
        Authority::Etcd => "etcd/ca",
        Authority::FrontProxy => "front-proxy-ca",
    }
}

/// The CAs that a control plane's file holds.
pub(crate) fn in_file(world: &World, node: &str, authority: Authority) -> Vec<String> {
    let file = format!("/etc/kubernetes/pki/{}.crt", bundle(authority));
    let text = world.state().machines[&name(node)].tree.text(file);
    let all = certificates(text.as_bytes()).unwrap();
    all.into_iter().map(|one| one.sha256).collect()
}

/// The CAs of a PEM file.
pub(crate) fn names(pem: &str) -> Vec<String> {
    let all = certificates(pem.as_bytes()).unwrap();
    all.into_iter().map(|one| one.sha256).collect()
}

/// The CA of Kubernetes on every node: whom each kubeconfig believes (in this order), who signed what it and the kubelet present, and
/// with which file the controller manager signs.
pub(crate) fn cluster_is(world: &World, believed: &[&str], signer: &str) {
    let state = world.state();
    for node in CONTROL_PLANES.iter().chain(&[WORKER]) {
        let tree = &state.machines[&name(node)].tree;
        let bundle = tree.text("/etc/kubernetes/pki/ca.crt");
        assert_eq!(names(&bundle), believed, "{node}");
        let all = certificates(bundle.as_bytes()).unwrap();
        let by = |pem: &str| {
            let leaf = &certificates(pem.as_bytes()).unwrap()[0];
            let by = all.iter().find(|one| leaf.signed_by(one));
            by.map(|one| one.sha256.clone()).unwrap_or_default()
        };
        let files = ["admin", "controller-manager", "scheduler", "kubelet"];
        for file in files.map(|file| format!("/etc/kubernetes/{file}.conf")) {
            let text = tree.text(&file);
            if text.is_empty() && *node == WORKER {
                continue;
            }
            let held = kubeconfig::read(text.as_bytes()).unwrap();
            let Some(Source::Embedded(own)) = held.authority else {
                panic!("{file} of {node}");
            };
            assert_eq!(
                names(&String::from_utf8_lossy(&own)),
                believed,
                "{file} of {node}"
            );
            if let Some(Source::Embedded(client)) = held.certificate {
                assert_eq!(
                    by(&String::from_utf8_lossy(&client)),
                    signer,
                    "{file} of {node}"
                );
            }
        }
        for file in [KUBELET_CLIENT, KUBELET_SERVER] {
            let text = tree.text(file);
            assert!(text.is_empty() || by(&text) == signer, "{file} of {node}");
        }
        let ready = ["kubelet-client.pem", "kubelet-server.pem"];
        for file in ready.map(|file| format!("/var/lib/hactl/certificates/{file}")) {
            assert!(!tree.exists(&file), "{file} of {node}");
        }
        let manifest = tree.text("/etc/kubernetes/manifests/kube-controller-manager.yaml");
        let own = manifest.contains("--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt");
        let signing = tree.text("/etc/kubernetes/pki/signing-ca.pem");
        let alone = believed.len() == 1;
        assert_eq!(own, alone && *node != WORKER, "{node}: {manifest}");
        assert_eq!(signing.is_empty(), alone || *node == WORKER, "{node}");
        assert!(signing.is_empty() || names(&signing) == [signer], "{node}");
    }
}

/// That CA alone, on all of them; nothing lies aside, nobody is let go, the lease is free, all run.
pub(crate) fn alone(world: &World, authority: Authority, ca: &str) {
    for node in CONTROL_PLANES {
        assert_eq!(in_file(world, node, authority), [ca], "{node}");
    }
    let state = world.state();
    assert_eq!(state.misunderstood(), Vec::<String>::new());
    for node in CONTROL_PLANES {
        let machine = &state.machines[&name(node)];
        let aside = format!("/var/lib/hactl/certificates/authorities/{authority}");
        assert!(!machine.tree.exists(aside), "{node}");
        assert!(machine.released.is_empty(), "{node}");
        assert!(state.served_by(machine).is_some(), "{node} does not serve");
        let kept = machine.tree.text("/var/lib/hactl/journal/journal");
        assert!(!kept.contains("PRIVATE KEY"), "a key is in the journal");
    }
    let [of_proxies, of_clients] = state.published();
    match authority {
        Authority::FrontProxy => assert_eq!(names(&of_proxies), [ca], "published"),
        Authority::Kubernetes => {
            assert_eq!(names(&of_clients), [ca], "published");
            assert_eq!(names(&state.cluster_info()), [ca], "cluster-info");
        }
        Authority::Etcd => {}
    }
    let cluster = state.clusters.values().next().unwrap();
    let holder = &cluster.objects["lease/kube-system/hactl"]["spec"]["holderIdentity"];
    // A controller that was cut off leaves a worker's to run out.
    assert!(
        *holder == "" || *holder == "rollout/rotation-w1",
        "{holder}"
    );
}
