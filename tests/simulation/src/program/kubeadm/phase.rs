//! Single phases of init and join: create-or-update, through the API.

use hactl_node_plan::command::Output;
use serde_json::{Value, json};

use super::super::{Run, failed, said};
use super::document;
use crate::cluster::Cluster;
use crate::crash::Interrupted;

const SYSTEM: &str = "kube-system";

impl Run<'_> {
    pub(super) fn init_phase(
        &mut self,
        words: &[&str],
        documents: &[Value],
    ) -> Result<Output, Interrupted> {
        let phase: Vec<&str> = words
            .iter()
            .copied()
            .take_while(|word| !word.starts_with("--"))
            .collect();
        if phase == ["etcd", "local"] {
            let existing = document(documents, "ClusterConfiguration").is_some_and(says_existing);
            self.etcd_manifest(existing);
            self.place("phase: etcd's manifest is written")?;
            return Ok(said(""));
        }
        if self.own_cluster().is_none() {
            return Ok(failed(format!(
                "error execution phase {}: the connection to the server was refused\n",
                phase.join("/")
            )));
        }
        match phase.as_slice() {
            ["upload-config", which] => {
                let version = self.machine().version.clone();
                let config = document(documents, "ClusterConfiguration").map(|config| {
                    format!("{}kubernetesVersion: {version}\n", kubeadm_config(config))
                });
                self.put(
                    "configmap",
                    "kubeadm-config",
                    json!({ "data": { "ClusterConfiguration": config } }),
                );
                self.place("upload-config: kubeadm-config is there")?;
                if *which == "all" {
                    let kept = json!({ "data": { "kubelet": "kind: KubeletConfiguration\n" } });
                    self.put("configmap", "kubelet-config", kept);
                    // The name that kubeadm gave it before 1.24.
                    let minor = self
                        .machine()
                        .version
                        .split('.')
                        .nth(1)
                        .unwrap_or("0")
                        .to_owned();
                    self.put("configmap", &format!("kubelet-config-1.{minor}"), json!({}));
                }
            }
            ["mark-control-plane"] => return self.mark(),
            ["bootstrap-token"] => {
                let description = document(documents, "InitConfiguration")
                    .and_then(|init| init["bootstrapTokens"][0]["description"].as_str())
                    .unwrap_or_default()
                    .to_owned();
                self.new_token(&description);
                self.place("bootstrap-token: the token is there")?;
                self.put_public("cluster-info");
            }
            ["upload-certs"] => {
                let key = document(documents, "InitConfiguration")
                    .map(|init| init["certificateKey"].clone());
                self.put("secret", "kubeadm-certs", json!({ "key": key }));
                self.new_token("Proxy for managing TTL for the kubeadm-certs secret");
            }
            ["kubelet-finalize", _] => {}
            ["addon", "all"] => {
                self.put("deployment.apps", "coredns", json!({}));
                self.place("addon: coredns is there")?;
                self.put("daemonset.apps", "kube-proxy", json!({}));
            }
            other => return Ok(failed(format!("error: unknown phase {other:?}\n"))),
        }
        self.place("phase: its objects are there")?;
        Ok(said(""))
    }

    pub(super) fn join_phase(&mut self, words: &[&str]) -> Result<Output, Interrupted> {
        match words {
            ["control-plane-join", "mark-control-plane", ..] => self.mark(),
            ["control-plane-join", "update-status", ..] => Ok(said("")),
            other => Ok(failed(format!("error: unknown phase {other:?}\n"))),
        }
    }

    fn mark(&mut self) -> Result<Output, Interrupted> {
        let key = Cluster::key("node", "", self.name.as_str());
        let Some(node) = self
            .own_cluster()
            .and_then(|cluster| cluster.objects.get_mut(&key))
        else {
            return Ok(failed(
                "error applying control-plane label and taints: timed out waiting for the condition\n",
            ));
        };
        node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] = json!("");
        self.place("mark-control-plane: the Node is labelled")?;
        Ok(said(""))
    }

    /// The cluster of this machine's own API server, or of the endpoint.
    pub(super) fn own_cluster(&mut self) -> Option<&mut Cluster> {
        let machine = self.state.machine(&self.name);
        let own = self.state.served_by(machine).map(|cluster| cluster.id)?;
        self.state.clusters.get_mut(&own)
    }

    pub(super) fn put(&mut self, kind: &str, name: &str, object: Value) {
        let key = Cluster::key(kind, SYSTEM, name);
        if let Some(cluster) = self.own_cluster() {
            cluster.put(key, object);
        }
    }

    fn put_public(&mut self, name: &str) {
        if let Some(cluster) = self.own_cluster() {
            let info = crate::trust::info_of(&cluster.ca);
            cluster.put(Cluster::key("configmap", "kube-public", name), info);
        }
    }
}

/// Whether kubeadm-config, as [`kubeadm_config`] wrote it, has etcd begin as a member of a cluster that is there.
pub(super) fn keeps_existing(config: &Value) -> bool {
    let text = config["data"]["ClusterConfiguration"].as_str();
    text.is_some_and(|text| text.contains("name: initial-cluster-state"))
}

/// The argument in either of kubeadm's two shapes.
fn says_existing(config: &Value) -> bool {
    match &config["etcd"]["local"]["extraArgs"] {
        Value::Array(list) => list
            .iter()
            .any(|one| one["name"] == "initial-cluster-state" && one["value"] == "existing"),
        map => map["initial-cluster-state"] == "existing",
    }
}

/// `ClusterConfiguration` as kubeadm writes it back, in its own YAML.
fn kubeadm_config(config: &Value) -> String {
    let endpoint = config["controlPlaneEndpoint"].as_str().unwrap_or_default();
    let mut text = format!("controlPlaneEndpoint: {endpoint}\netcd:\n  local:\n");
    if says_existing(config) {
        text.push_str("    extraArgs:\n    - name: initial-cluster-state\n      value: existing\n");
    }
    text
}
