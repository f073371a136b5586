//! The CA of Kubernetes itself: who asks API servers, the pods, and what nodes that join are told.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use hactl_node_plan::certificate::place::KUBELET_CLIENT;
use hactl_node_plan::kubeadm::layout;
use hactl_proto::name::NodeName;
use serde_json::json;

use super::{CONTROLLER_MANAGER, OF, SCHEDULER, believed};
use crate::cluster::Cluster;
use crate::machine::Machine;
use crate::world::State;

/// What controller managers give to pods.
const ROOT_CA: &str = "kube-root-ca.crt";
/// What a pod of the model was given of it when it began, in the object.
const GIVEN: &str = "hactl.dev/given";
/// Who speaks to API servers: the process, where it has its CA and its client certificate from.
const CLIENTS: [(&str, &str, &str); 3] = [
    ("kubelet", layout::KUBELET_CONF, KUBELET_CLIENT),
    ("kube-controller-manager", CONTROLLER_MANAGER, ""),
    ("kube-scheduler", SCHEDULER, ""),
];

impl State {
    /// The controller manager that leads gives what it believes to every namespace.
    pub(crate) fn give_root_authority(&mut self) {
        let now = self.now().to_string();
        let mut given = BTreeMap::new();
        for machine in self.machines.values() {
            let text = machine.took_up("kube-controller-manager", "ca.crt");
            if let (Some(text), Some((cluster, _))) = (text, machine.etcd_data()) {
                given.entry(cluster).or_insert_with(|| text.to_owned());
            }
        }
        for (cluster, text) in given {
            let Some(cluster) = self.clusters.get_mut(&cluster) else {
                continue;
            };
            for namespace in ["default", "kube-system"] {
                let key = Cluster::key("configmap", namespace, ROOT_CA);
                let before = cluster.objects.get(&key);
                if before.is_none_or(|object| object["data"]["ca.crt"] != text.as_str()) {
                    let object = json!({
                        "kind": "ConfigMap",
                        "metadata": { "name": ROOT_CA, "namespace": namespace, "managedFields": [{ "time": now }] },
                        "data": { "ca.crt": text },
                    });
                    cluster.put(key, object);
                }
            }
        }
    }

    /// A pod that uses the API begins, in the place of one of that name: it is given what its namespace has now.
    pub fn begin_pod(&mut self, namespace: &str, name: &str, owner: &serde_json::Value) {
        let now = self.now().to_string();
        for cluster in self.clusters.values_mut() {
            let map = cluster
                .objects
                .get(&Cluster::key("configmap", namespace, ROOT_CA));
            let given = map.map_or(serde_json::Value::Null, |map| map["data"]["ca.crt"].clone());
            let pod = json!({
                "kind": "Pod",
                "metadata": {
                    "name": name, "namespace": namespace, "ownerReferences": [owner],
                    "annotations": { GIVEN: given },
                },
                "spec": { "containers": [{ "volumeMounts": [{
                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                }] }] },
                "status": { "phase": "Running", "containerStatuses": [{ "state": { "running": { "startedAt": now } } }] },
            });
            cluster.put(Cluster::key("pod", namespace, name), pod);
        }
    }

    /// Kubelets, what runs beside an API server, load balancers, pods, and nodes that join: each against that API server.
    pub(super) fn clients_refuse(&self, name: &NodeName, machine: &Machine) -> Vec<String> {
        let api = |file| machine.took_up("kube-apiserver", file);
        let (Some(server), Some(clients), Some(to_kubelets)) = (
            api("apiserver.crt"),
            api("ca.crt"),
            api("apiserver-kubelet-client.crt"),
        ) else {
            return Vec::new();
        };
        let mut wrong = Vec::new();
        for (other, peer) in &self.machines {
            for (process, config, certificate) in CLIENTS {
                let [own, client] =
                    OF.map(|part| peer.took_up(process, &format!("{config}{part}")));
                let client = if certificate.is_empty() {
                    client
                } else {
                    peer.took_up(process, certificate)
                };
                if own.is_some_and(|own| !believed(own, server)) {
                    wrong.push(format!(
                        "{process} of {other} refuses the API server of {name}"
                    ));
                }
                if client.is_some_and(|client| !believed(clients, client)) {
                    wrong.push(format!(
                        "the API server of {name} refuses {process} of {other}"
                    ));
                }
            }
            if peer
                .took_up("kubelet", "ca.crt")
                .is_some_and(|own| !believed(own, to_kubelets))
            {
                wrong.push(format!(
                    "the kubelet of {other} refuses the API server of {name}"
                ));
            }
            // One that verifies nothing yet began before there was a CA.
            let proxy = peer
                .took_up("haproxy", "ca.crt")
                .filter(|own| !own.is_empty());
            if proxy.is_some_and(|own| !believed(own, server)) {
                wrong.push(format!(
                    "the load balancer of {other} lets the API server of {name} go"
                ));
            }
        }
        let cluster = machine
            .etcd_data()
            .and_then(|(id, _)| self.clusters.get(&id));
        for (key, object) in cluster.into_iter().flat_map(|one| &one.objects) {
            let given = object["metadata"]["annotations"][GIVEN].as_str();
            if key.starts_with("pod/") && given.is_some_and(|own| !believed(own, server)) {
                wrong.push(format!("{key} refuses the API server of {name}"));
            }
        }
        let info = cluster.map(cluster_info).filter(|text| !text.is_empty());
        if info.is_some_and(|own| !believed(&own, server)) {
            wrong.push(format!("whoever joins refuses the API server of {name}"));
        }
        wrong
    }

    /// What nodes that join are told, as PEM.
    pub fn cluster_info(&self) -> String {
        self.clusters.values().map(cluster_info).collect()
    }
}

/// The object `cluster-info` as kubeadm makes it.
pub(crate) fn info_of(authorities: &str) -> serde_json::Value {
    let data = BASE64.encode(authorities.as_bytes());
    let text = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {data}\n    server: https://endpoint\n  name: \"\"\n"
    );
    json!({
        "kind": "ConfigMap",
        "metadata": { "name": "cluster-info", "namespace": "kube-public" },
        "data": { "kubeconfig": text },
    })
}

fn cluster_info(cluster: &Cluster) -> String {
    let found = cluster.objects.get("configmap/kube-public/cluster-info");
    let text = found.and_then(|object| object["data"]["kubeconfig"].as_str());
    let line = text.and_then(|text| {
        let mut lines = text.lines();
        lines.find_map(|line| line.trim().strip_prefix("certificate-authority-data: "))
    });
    let bytes = line.and_then(|data| BASE64.decode(data.as_bytes()).ok());
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}
