//! Who believes whom: a process refuses a certificate of a CA that it did not take up when it began, as the real ones do.

mod kubernetes;

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};

use foldhash::fast::FixedState;
use hactl_node_plan::certificate::key::belongs;
use hactl_node_plan::certificate::kubeconfig::{self, Source};
use hactl_node_plan::certificate::pem::written_as;
use hactl_node_plan::certificate::place::KUBELET_CLIENT;
use hactl_node_plan::certificate::trust::certificates;
use hactl_node_plan::kubeadm::layout;
use hactl_proto::certificate::KeySeen;
use hactl_proto::name::NodeName;
use serde_json::json;

pub(crate) use kubernetes::info_of;

use crate::cluster::Cluster;
use crate::machine::Machine;
use crate::world::State;

/// Files that a process takes up when it begins, below `/etc/kubernetes/pki` or whole. Of a kubeconfig it takes up the CA and the client.
fn files_of(component: &str) -> &'static [&'static str] {
    match component {
        "etcd" => &["etcd/ca.crt", "etcd/server.crt", "etcd/peer.crt"],
        "kube-apiserver" => &[
            "ca.crt",
            "apiserver.crt",
            "apiserver-kubelet-client.crt",
            "etcd/ca.crt",
            "apiserver-etcd-client.crt",
            "front-proxy-ca.crt",
            "front-proxy-client.crt",
        ],
        "kube-controller-manager" => &["ca.crt", "front-proxy-ca.crt", CONTROLLER_MANAGER],
        "kube-scheduler" => &[SCHEDULER],
        "kubelet" => &["ca.crt", layout::KUBELET_CONF, KUBELET_CLIENT],
        "haproxy" => &["ca.crt"],
        _ => &[],
    }
}

const CONTROLLER_MANAGER: &str = "/etc/kubernetes/controller-manager.conf";
const SCHEDULER: &str = "/etc/kubernetes/scheduler.conf";
/// Of a kubeconfig: whom it believes, and what it presents.
const OF: [&str; 2] = ["#ca", "#client"];

/// A process begins: what its files hold now is what it knows from now on.
pub(crate) fn begins(machine: &mut Machine, component: &str) {
    let mut took = BTreeMap::new();
    for file in files_of(component) {
        let path = if file.starts_with('/') {
            (*file).to_owned()
        } else {
            format!("{}/{file}", layout::PKI)
        };
        let text = machine.tree.text(path);
        let conf = std::path::Path::new(file);
        if conf.extension().is_some_and(|end| end == "conf") {
            let parts = of_kubeconfig(&text);
            for (part, text) in OF.iter().zip(parts) {
                took.insert(format!("{file}{part}"), text);
            }
        } else {
            took.insert((*file).to_owned(), text);
        }
    }
    machine.took.insert(component.to_owned(), took);
}

/// Services that began since this was called last take up their files.
pub(crate) fn begin_services(machine: &mut Machine) {
    for service in ["kubelet", "haproxy"] {
        if !machine.runs(service) {
            machine.took.remove(service);
        } else if !machine.took.contains_key(service) {
            begins(machine, service);
        }
    }
}

/// CA and client certificate of a kubeconfig, PEM; empty where a file is named, or it can't be read.
fn of_kubeconfig(text: &str) -> [String; 2] {
    let Ok(held) = kubeconfig::read(text.as_bytes()) else {
        return Default::default();
    };
    [held.authority, held.certificate].map(|source| match source {
        Some(Source::Embedded(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Source::File(_)) | None => String::new(),
    })
}

/// Whether a controller manager of this manifest begins: what it signs with is one CA alone, and its key's.
pub(crate) fn signs(machine: &Machine, manifest: &str) -> bool {
    let flag = "--cluster-signing-cert-file=";
    let Some(file) = manifest.lines().find_map(|line| line.split_once(flag)) else {
        return true;
    };
    let all = certificates(machine.tree.text(file.1.trim()).as_bytes()).unwrap_or_default();
    let key = machine.tree.text("/etc/kubernetes/pki/ca.key");
    let key = hactl_node_plan::certificate::pem::blocks(key.as_bytes()).unwrap_or_default();
    match (all.as_slice(), key.first()) {
        ([one], Some(key)) => belongs(key, one) == KeySeen::Belongs,
        _ => false,
    }
}

/// Where API servers publish whom extension API servers believe.
const PUBLISHED: &str = "extension-apiserver-authentication";
/// What is published, and where API servers have it from.
const FIELDS: [(&str, &str); 2] = [
    ("requestheader-client-ca-file", "front-proxy-ca.crt"),
    ("client-ca-file", "ca.crt"),
];

/// Whether a certificate of that bundle signed the first one of `leaf`. Answers are kept: the same is asked all the time.
fn believed(bundle: &str, leaf: &str) -> bool {
    static KNOWN: LazyLock<Mutex<HashMap<u64, bool, FixedState>>> = LazyLock::new(Mutex::default);
    let asked = FixedState::default().hash_one((bundle, leaf));
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(asked).or_insert_with(|| {
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
        if !matches!(component, "kubelet" | "haproxy") {
            self.pods.get(component)?;
        }
        all.get(file).map(String::as_str)
    }

    /// Whether an API server and the holder of a kubeconfig take each other; one that can't be read is looked at by whoever reads it.
    pub(crate) fn admits(&self, asker: &Self, config: &str) -> bool {
        let [authority, client] = of_kubeconfig(config);
        let authority = if authority.is_empty() {
            asker.file("ca.crt")
        } else {
            authority
        };
        let client = if client.is_empty() {
            asker.tree.text(KUBELET_CLIENT)
        } else {
            client
        };
        let api = |file| self.took_up("kube-apiserver", file);
        let (Some(server), Some(clients)) = (api("apiserver.crt"), api("ca.crt")) else {
            return true;
        };
        config.is_empty() || (believed(&authority, server) && believed(clients, &client))
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
        let mut wanted: BTreeMap<u64, Vec<(&str, String)>> = BTreeMap::new();
        for machine in self.machines.values() {
            let Some((cluster, _)) = machine.etcd_data() else {
                continue;
            };
            for (field, file) in FIELDS {
                if let Some(text) = machine.took_up("kube-apiserver", file) {
                    let all = wanted.entry(cluster).or_default();
                    all.push((field, text.to_owned()));
                }
            }
        }
        for (cluster, texts) in wanted {
            let Some(cluster) = self.clusters.get_mut(&cluster) else {
                continue;
            };
            let mut data = json!({});
            for (field, _) in FIELDS {
                let mut all = published(cluster, field);
                for (_, text) in texts.iter().filter(|(of, _)| *of == field) {
                    let new = split(text).into_iter().filter(|one| !all.contains(one));
                    let new: String = new.collect();
                    all.push_str(&new);
                }
                data[field] = all.into();
            }
            if cluster
                .objects
                .get(&key())
                .is_none_or(|now| now["data"] != data)
            {
                let object = json!({
                    "kind": "ConfigMap",
                    "metadata": { "name": PUBLISHED, "namespace": "kube-system" },
                    "data": data,
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
            wrong.extend(self.clients_refuse(name, machine));
        }
        wrong
    }

    /// Extension API servers believe what is published.
    fn extensions_refuse(&self, name: &NodeName, machine: &Machine) -> Option<String> {
        let leaf = machine.took_up("kube-apiserver", "front-proxy-client.crt")?;
        let (cluster, _) = machine.etcd_data()?;
        let all = published(self.clusters.get(&cluster)?, FIELDS[0].0);
        // Withdrawn for a moment: they keep what they know.
        (!all.is_empty() && !believed(&all, leaf))
            .then(|| format!("front proxy of {name} at extension API servers"))
    }

    /// What is published of front proxies, and of clients, as PEM.
    pub fn published(&self) -> [String; 2] {
        let of = |field: &str| {
            self.clusters
                .values()
                .map(|one| published(one, field))
                .collect()
        };
        FIELDS.map(|(field, _)| of(field))
    }
}

fn key() -> String {
    Cluster::key("configmap", "kube-system", PUBLISHED)
}

fn published(cluster: &Cluster, field: &str) -> String {
    let found = cluster.objects.get(&key());
    let text = found.and_then(|object| object["data"][field].as_str());
    text.unwrap_or_default().to_owned()
}

fn split(text: &str) -> Vec<String> {
    let blocks = hactl_node_plan::certificate::pem::blocks(text.as_bytes()).unwrap_or_default();
    blocks.iter().map(|block| written_as(&block.der)).collect()
}
