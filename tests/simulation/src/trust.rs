//! Who believes whom: a process refuses a certificate of a CA that it did not take up when it began, as the real ones do.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};

use hactl_node_plan::certificate::pem::written_as;
use hactl_node_plan::certificate::trust::certificates;
use hactl_proto::name::NodeName;
use serde_json::json;

use crate::cluster::Cluster;
use crate::machine::Machine;
use crate::world::State;

/// Files that a process takes up when it begins, below `/etc/kubernetes/pki`.
pub(crate) fn files_of(component: &str) -> &'static [&'static str] {
    match component {
        "etcd" => &["etcd/ca.crt", "etcd/server.crt", "etcd/peer.crt"],
        "kube-apiserver" => &[
            "etcd/ca.crt",
            "apiserver-etcd-client.crt",
            "front-proxy-ca.crt",
            "front-proxy-client.crt",
        ],
        "kube-controller-manager" => &["front-proxy-ca.crt"],
        _ => &[],
    }
}

/// Where API servers publish whom extension API servers believe.
const PUBLISHED: &str = "extension-apiserver-authentication";
const FIELD: &str = "requestheader-client-ca-file";

/// Whether a certificate of that bundle signed the first one of `leaf`. Answers are kept: the same is asked all the time.
fn believed(bundle: &str, leaf: &str) -> bool {
    static KNOWN: LazyLock<Mutex<HashMap<u64, bool>>> = LazyLock::new(Mutex::default);
    let mut hasher = DefaultHasher::new();
    (bundle, leaf).hash(&mut hasher);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(hasher.finish()).or_insert_with(|| {
        let all = certificates(bundle.as_bytes()).unwrap_or_default();
        let leaf = certificates(leaf.as_bytes()).unwrap_or_default();
        leaf.first()
            .is_some_and(|leaf| all.iter().any(|one| leaf.signed_by(one)))
    })
}

impl Machine {
    /// What a running process took up of a file; `None`: it does not run.
    fn took_up(&self, component: &str, file: &str) -> Option<&str> {
        let all = self.took.get(component)?;
        self.pods.get(component)?;
        all.get(file).map(String::as_str)
    }

    fn file(&self, file: &str) -> String {
        self.tree.text(format!("/etc/kubernetes/pki/{file}"))
    }
}

/// Whether `of` shows to `to` what that one believes; a process that does not run is nobody's stranger.
fn shows(of: (&Machine, &str, &str), to: (&Machine, &str, &str)) -> bool {
    let leaf = of.0.took_up(of.1, of.2);
    let bundle = to.0.took_up(to.1, to.2);
    match (leaf, bundle) {
        (Some(leaf), Some(bundle)) => believed(bundle, leaf),
        _ => true,
    }
}

/// Whether two members take each other's connections.
pub(crate) fn peers(one: &Machine, other: &Machine) -> bool {
    let way = |from, to| shows((from, "etcd", "etcd/peer.crt"), (to, "etcd", "etcd/ca.crt"));
    way(one, other) && way(other, one)
}

/// Whether an API server and the etcd beside it take each other.
pub(crate) fn stores(machine: &Machine) -> bool {
    let (api, etcd) = ("kube-apiserver", "etcd");
    shows(
        (machine, api, "apiserver-etcd-client.crt"),
        (machine, etcd, "etcd/ca.crt"),
    ) && shows(
        (machine, etcd, "etcd/server.crt"),
        (machine, api, "etcd/ca.crt"),
    )
}

/// Why an agent and an etcd don't take each other: the agent reads its files at each call.
pub(crate) fn asked_by(agent: &Machine, etcd: &Machine) -> Option<&'static str> {
    let server = etcd.took_up("etcd", "etcd/server.crt")?;
    let bundle = etcd.took_up("etcd", "etcd/ca.crt")?;
    if !believed(&agent.file("etcd/ca.crt"), server) {
        return Some("x509: certificate signed by unknown authority");
    }
    let client = agent.file("etcd/healthcheck-client.crt");
    (!believed(bundle, &client)).then_some("remote error: tls: bad certificate")
}

impl State {
    /// Whether the members at two addresses take each other's connections.
    pub(crate) fn peers(&self, one: IpAddr, other: IpAddr) -> bool {
        match (self.at(one), self.at(other)) {
            (Some((_, one)), Some((_, other))) => peers(one, other),
            _ => true,
        }
    }

    /// Every API server adds to what is published what it believes itself.
    pub(crate) fn publish(&mut self) {
        let mut wanted: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for machine in self.machines.values() {
            if let Some(text) = machine.took_up("kube-apiserver", "front-proxy-ca.crt")
                && let Some((cluster, _)) = machine.etcd_data()
            {
                wanted.entry(cluster).or_default().push(text.to_owned());
            }
        }
        for (cluster, texts) in wanted {
            let Some(cluster) = self.clusters.get_mut(&cluster) else {
                continue;
            };
            let before = published(cluster);
            let mut all = before.clone();
            for text in texts {
                let new = split(&text).into_iter().filter(|one| !all.contains(one));
                all.push_str(&new.collect::<String>());
            }
            if all != before {
                let object = json!({
                    "kind": "ConfigMap",
                    "metadata": { "name": PUBLISHED, "namespace": "kube-system" },
                    "data": { FIELD: all },
                });
                cluster.put(key(), object);
            }
        }
    }

    /// Pairs of running processes of which one refuses the other's certificate. Empty: everybody understands everybody.
    pub fn misunderstood(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, machine) in &self.machines {
            if !stores(machine) {
                wrong.push(format!("API server and etcd of {name}"));
            }
            for (other, peer) in &self.machines {
                if name < other && !peers(machine, peer) {
                    wrong.push(format!("etcd of {name} and {other}"));
                }
                let proxy = (machine, "kube-apiserver", "front-proxy-client.crt");
                if !shows(proxy, (peer, "kube-apiserver", "front-proxy-ca.crt")) {
                    wrong.push(format!("front proxy of {name} at {other}"));
                }
            }
            wrong.extend(self.extensions_refuse(name, machine));
        }
        wrong
    }

    /// Extension API servers believe what is published.
    fn extensions_refuse(&self, name: &NodeName, machine: &Machine) -> Option<String> {
        let leaf = machine.took_up("kube-apiserver", "front-proxy-client.crt")?;
        let (cluster, _) = machine.etcd_data()?;
        let all = published(self.clusters.get(&cluster)?);
        // Withdrawn for a moment: they keep what they know.
        (!all.is_empty() && !believed(&all, leaf))
            .then(|| format!("front proxy of {name} at extension API servers"))
    }

    /// What is published, as PEM.
    pub fn published_front_proxy(&self) -> String {
        self.clusters.values().map(published).collect()
    }
}

fn key() -> String {
    Cluster::key("configmap", "kube-system", PUBLISHED)
}

fn published(cluster: &Cluster) -> String {
    let found = cluster.objects.get(&key());
    let text = found.and_then(|object| object["data"][FIELD].as_str());
    text.unwrap_or_default().to_owned()
}

fn split(text: &str) -> Vec<String> {
    let blocks = hactl_node_plan::certificate::pem::blocks(text.as_bytes()).unwrap_or_default();
    blocks.iter().map(|block| written_as(&block.der)).collect()
}
