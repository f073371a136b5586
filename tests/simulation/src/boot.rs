//! What a machine does by itself: it boots, and its kubelet keeps static pods and its Node.

use hactl_node_plan::etcd::guard::{GuardFacts, read_marker, reasons_to_hold};
use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::rollout::images::of_manifest;
use hactl_proto::name::NodeName;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::cluster::{Cluster, Member};
use crate::machine::{Machine, machine_id};
use crate::world::State;

/// Stands for etcd's write-ahead log: holds the cluster's id and the member's.
pub(crate) const WAL: &str = "/var/lib/etcd/member/wal/0.wal";
/// Where kubeadm puts the kubelet's arguments, the Node's labels among them.
pub(crate) const KUBELET_FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";

impl State {
    /// The machine boots: what it lost is lost, what is enabled starts.
    pub(crate) fn boot(&mut self, name: &NodeName, lose: bool) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.tree.power_cycle(lose);
        for (program, version) in [
            ("kubeadm", &mut machine.version),
            ("kubelet", &mut machine.kubelet),
            ("kubectl", &mut machine.kubectl),
        ] {
            let installed = machine.tree.text(format!("/usr/bin/{program}"));
            if !installed.is_empty() {
                *version = installed;
            }
        }
        machine.units.clear();
        // What an admin socket was told is not kept.
        machine.released.clear();
        machine.started = None;
        machine.etcd = None;
        machine.pods.clear();
        machine.took.clear();
        machine.powered = true;
        let configured = machine.tree.exists(layout::KUBELET_CONFIG);
        for (name, service) in &mut machine.services {
            service.active = service.enabled && (name != "kubelet" || configured);
        }
        if machine.runs("kubelet") {
            machine.kubelet_running.clone_from(&machine.kubelet);
            guard(machine);
        }
        self.settle();
    }

    /// Lets every kubelet do what it does by itself, until nothing changes.
    pub(crate) fn settle(&mut self) {
        let names: Vec<NodeName> = self.machines.keys().cloned().collect();
        for _ in 0..2 {
            for name in &names {
                self.start_pods(name);
                self.start_etcd(name);
                self.restart_etcd(name);
                self.run_pods(name);
                self.register(name);
            }
        }
        self.machines
            .values_mut()
            .for_each(crate::trust::begin_services);
        self.elect();
        self.publish();
        self.give_root_authority();
    }

    /// Notes since when the static pods run.
    fn start_pods(&mut self, name: &NodeName) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let up = machine.runs("kubelet") && machine.tree.exists(layout::MANIFESTS);
        if !up {
            machine.started = None;
        } else if machine.started.is_none() {
            machine.started = Some(Instant::now());
        }
    }

    /// A kubelet that runs runs what the manifests say.
    fn run_pods(&mut self, name: &NodeName) {
        let known = self.machine(name);
        // Once heard of it is known: who serves is dear to find out.
        let asks = known.started.is_some() && known.heard_api.is_none();
        let api = asks && self.reached(name, &self.endpoint).is_some();
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if machine.started.is_none() {
            machine.heard_api = None;
            if !machine.powered || !machine.tree.exists(layout::MANIFESTS) {
                machine.pods.clear();
            }
            return;
        }
        machine.heard_api = machine.heard_api.or_else(|| api.then(Instant::now));
        for file in layout::STATIC_PODS {
            let component = file.trim_end_matches(".yaml");
            let text = machine.tree.text(format!("{}/{file}", layout::MANIFESTS));
            match of_manifest(&text, component) {
                Some(tag) => {
                    // Whatever else changes in the manifest, the kubelet begins it anew.
                    let began = machine.manifests.get(component);
                    let signs_anew = component == "kube-controller-manager"
                        && began.is_some_and(|began| *began != text);
                    if machine.pods.get(component) != Some(&tag) || signs_anew {
                        if component == "kube-controller-manager"
                            && !crate::trust::signs(machine, &text)
                        {
                            // It ends at once, and is begun again.
                            machine.pods.remove(component);
                            continue;
                        }
                        let held = machine.tree.text(certificate_of(component));
                        machine.holds.insert(component.to_owned(), held);
                        *machine.begun.entry(component.to_owned()).or_default() += 1;
                        crate::trust::begins(machine, component);
                        machine.manifests.insert(component.to_owned(), text);
                    }
                    machine.pods.insert(component.to_owned(), tag);
                }
                None if machine.heard_api.is_some() => {
                    machine.pods.remove(component);
                }
                None => {}
            }
        }
    }

    /// etcd starts where its manifest is. Without data it is what its manifest says: a new cluster, or a member that was added.
    fn start_etcd(&mut self, name: &NodeName) {
        let machine = self.machine(name);
        let manifest = machine.tree.text(layout::ETCD_MANIFEST);
        // A process that runs keeps its open files: it does not begin anew because its folder is gone.
        let runs = machine.etcd.is_some() || machine.etcd_data().is_some();
        if machine.started.is_none() || manifest.is_empty() || runs {
            return;
        }
        let address = machine.address;
        if manifest.contains("--initial-cluster-state=existing") {
            let found = self.clusters.values_mut().find_map(|cluster| {
                let member = cluster.members.iter_mut();
                let member = member
                    .into_iter()
                    .find(|one| one.address == address && one.name.is_empty())?;
                member.name = name.to_string();
                Some((cluster.id, member.id))
            });
            if let Some((cluster, member)) = found {
                self.write_wal(name, cluster, member);
            }
            return;
        }
        // The rogue empty etcd is this very branch, on a node that had data before.
        let ca = machine.tree.text(layout::CA);
        let pin = pin(&ca);
        let (id, member) = (self.number(), self.number());
        let first = Member {
            id: member,
            name: name.to_string(),
            address,
            learner: false,
        };
        self.clusters.insert(id, Cluster::new(id, ca, pin, first));
        self.inits.push(name.clone());
        self.write_wal(name, id, member);
    }

    /// The kubelet starts etcd anew when its manifest has changed.
    fn restart_etcd(&mut self, name: &NodeName) {
        let machine = self.machine(name);
        let manifest = machine.tree.text(layout::ETCD_MANIFEST);
        let data = machine.etcd_data().is_some();
        let process = match &machine.etcd {
            _ if machine.started.is_none() || manifest.is_empty() => None,
            Some((began_with, number)) if *began_with == manifest => Some((manifest, *number)),
            _ if !data => None,
            ended => {
                if ended.is_some() {
                    self.step_down(name);
                }
                Some((manifest, self.number()))
            }
        };
        if let Some(machine) = self.machines.get_mut(name) {
            machine.etcd = process;
        }
    }

    /// A member's process ended, and the next one begins at once: meanwhile the others, if they are a quorum, elected another.
    fn step_down(&mut self, name: &NodeName) {
        let Some((cluster, member)) = self.member_running(self.machine(name)) else {
            return;
        };
        let (cluster, id) = (cluster.id, member.id);
        let Some(found) = self.clusters.get(&cluster).filter(|one| one.leader == id) else {
            return;
        };
        let mut heirs = found.members.iter().filter(|one| {
            one.id != id
                && !one.learner
                && self.runs_member(one)
                && self.quorum_at(found, one.address)
        });
        let heir = heirs.next().map(|one| one.id);
        if let (Some(heir), Some(cluster)) = (heir, self.clusters.get_mut(&cluster)) {
            cluster.leader = heir;
        }
    }

    /// etcd fsyncs what it writes.
    fn write_wal(&mut self, name: &NodeName, cluster: u64, member: u64) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine
                .tree
                .write_durably(WAL, format!("{cluster} {member}"));
        }
    }

    /// The kubelet registers its Node, with the labels of its flags.
    fn register(&mut self, name: &NodeName) {
        let machine = self.machine(name);
        let config = machine.tree.text(layout::KUBELET_CONF);
        if !machine.runs("kubelet") || config.is_empty() {
            return;
        }
        let key = Cluster::key("node", "", name.as_str());
        let told = |cluster: &Cluster| {
            let object = cluster.objects.get(&key);
            object.is_some_and(|node| {
                node["status"]["nodeInfo"]["kubeletVersion"] == machine.kubelet_running.as_str()
            })
        };
        // Whichever it reaches: there is nothing to tell.
        if self.clusters.values().all(told) {
            return;
        }
        let Some(reached) = server_host(&config).and_then(|host| self.reached(name, &host)) else {
            return;
        };
        let mut labels = Map::new();
        labels.insert("kubernetes.io/hostname".to_owned(), json!(name.as_str()));
        for pair in machine.tree.text(KUBELET_FLAGS).split(',') {
            if let Some((label, value)) = pair.trim().split_once('=') {
                labels.insert(label.to_owned(), json!(value));
            }
        }
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": name.as_str(), "labels": Value::Object(labels) },
            "status": {
                "addresses": [{ "type": "InternalIP", "address": machine.address.to_string() }],
                "nodeInfo": {
                    "machineID": machine_id(name.as_str()),
                    "kubeletVersion": machine.kubelet_running,
                },
            },
        });
        let Some(cluster) = self.clusters.get_mut(&reached) else {
            return;
        };
        match cluster.objects.get_mut(&key) {
            None => cluster.put(key, node),
            Some(known) => {
                known["status"]["nodeInfo"]["kubeletVersion"] =
                    node["status"]["nodeInfo"]["kubeletVersion"].clone();
            }
        }
    }
}

/// The agent's guard, hooked into the kubelet's start where its drop-in lies.
pub(crate) fn guard(machine: &mut Machine) {
    if machine.tree.exists(layout::GUARD_DROP_IN) {
        guard_now(machine);
    }
}

/// The guard looks, whoever asks it to.
pub(crate) fn guard_now(machine: &mut Machine) {
    let marker = match machine.tree.read("/var/lib/hactl/etcd-member.json") {
        None => Known::Is(None),
        Some(bytes) => match read_marker(&String::from_utf8_lossy(bytes)) {
            Ok(marker) => Known::Is(Some(marker)),
            Err(reason) => Known::Unknown(reason),
        },
    };
    let facts = GuardFacts {
        marker,
        data: Known::Is(machine.tree.exists(WAL)),
        mounted: Known::Is(false),
        machine_id: Known::Is(machine.tree.text(layout::MACHINE_ID).trim().to_owned()),
    };
    let manifest = machine.tree.text(layout::ETCD_MANIFEST);
    if !manifest.is_empty() && !reasons_to_hold(&facts).is_empty() {
        machine.tree.remove_durably(layout::ETCD_MANIFEST);
        machine
            .tree
            .write_durably("/var/lib/hactl/held/etcd.yaml", manifest);
    }
}

/// The file whose certificate a process of a control plane takes up when it begins.
pub(crate) fn certificate_of(component: &str) -> &'static str {
    match component {
        "etcd" => "/etc/kubernetes/pki/etcd/server.crt",
        "kube-apiserver" => "/etc/kubernetes/pki/apiserver.crt",
        "kube-controller-manager" => "/etc/kubernetes/controller-manager.conf",
        _ => "/etc/kubernetes/scheduler.conf",
    }
}

/// Host and port of a kubeconfig's `server:` line.
pub(crate) fn server_of(kubeconfig: &str) -> Option<String> {
    let url = kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: https://"))?;
    Some(url.to_owned())
}

/// The host of a kubeconfig's `server:` line.
pub(crate) fn server_host(kubeconfig: &str) -> Option<String> {
    let url = kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: "))?;
    host_of(url)
}

/// The host of `https://host:port` or `host:port`.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let rest = url.trim().trim_start_matches("https://");
    let rest = rest.split('/').next()?;
    let (host, _) = rest.rsplit_once(':')?;
    Some(host.to_owned())
}

/// kubeadm's pin of a CA: SHA-256 over its public key. Empty for what is no certificate.
pub(crate) fn pin(pem: &str) -> String {
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(pem.as_bytes()) else {
        return String::new();
    };
    let Ok(certificate) = pem.parse_x509() else {
        return String::new();
    };
    let hash = ring::digest::digest(&ring::digest::SHA256, certificate.public_key().raw);
    format!("sha256:{}", hex::encode(hash))
}
