//! Rotations as a controller drives them, and what has to hold meanwhile and at their end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hactl_cluster_plan::observed::{Answer, Silence};
use hactl_controller::rotation::{Agents, End, Told, Wish, rotate};
use hactl_node_plan::certificate::trust::certificates;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::rotation::{Authority, Fingerprint, Stage, TrustSeen};
use hactl_simulation::{Event, State, Watcher, World};

use super::renewing::{Renewing, agents};
use super::{name, through};

pub(crate) const CONTROL_PLANES: [&str; 3] = ["cp1", "cp2", "cp3"];

/// The agents, those that live.
pub(crate) struct Fleet {
    world: World,
    pub(crate) agents: BTreeMap<NodeName, Renewing>,
}

impl Fleet {
    pub(crate) async fn start(world: &World) -> Self {
        Self {
            world: world.clone(),
            agents: agents(world, &CONTROL_PLANES).await,
        }
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
    fn control_planes(&self) -> Vec<NodeName> {
        CONTROL_PLANES.map(name).to_vec()
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
        authority: Authority,
        stage: Stage,
        to: Option<&Fingerprint>,
        _: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, String> {
        Ok(self.agents[node]
            .rotate(authority, stage, to.cloned())
            .await)
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
    if authority == Authority::FrontProxy {
        let published = state.published_front_proxy();
        let all = certificates(published.as_bytes()).unwrap();
        let all: Vec<&str> = all.iter().map(|one| one.sha256.as_str()).collect();
        assert_eq!(all, [ca], "published");
    }
    let cluster = state.clusters.values().next().unwrap();
    assert_eq!(
        cluster.objects["lease/kube-system/hactl"]["spec"]["holderIdentity"],
        ""
    );
}
