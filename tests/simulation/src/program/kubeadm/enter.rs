//! `kubeadm init` and `kubeadm join`: how a node enters a cluster.

use hactl_node_plan::command::Output;
use hactl_node_plan::kubeadm::layout;
use serde_json::Value;

use super::super::{Run, etcd_of, failed, said};
use super::document;
use crate::boot::{KUBELET_FLAGS, WAL, host_of};
use crate::cluster::{Cluster, Member};
use crate::crash::Interrupted;
use crate::pki::kubelet_config;

impl Run<'_> {
    pub(super) fn init(&mut self, documents: &[Value]) -> Result<Output, Interrupted> {
        let (Some(init), Some(config)) = (
            document(documents, "InitConfiguration"),
            document(documents, "ClusterConfiguration"),
        ) else {
            return Ok(failed(
                "no kind \"InitConfiguration\" in the configuration\n",
            ));
        };
        if self.tree().exists(WAL) {
            return Ok(failed(
                "error execution phase etcd/local: data of an etcd is there\n",
            ));
        }
        self.place("init: certificates are to be made")?;
        self.authorities()?;
        self.certificates()?;
        let endpoint = config["controlPlaneEndpoint"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        self.kubeconfigs(&endpoint)?;
        let ca = self.tree().text(layout::CA);
        self.tree()
            .write(layout::KUBELET_CONF, kubelet_config(&endpoint, &ca));
        self.place("kubeconfigs: the kubelet's is written")?;
        self.etcd_manifest(false);
        self.place("init: etcd's manifest is written")?;
        self.control_plane_manifests()?;
        self.kubelet(&init["nodeRegistration"], &endpoint)?;
        // The kubelet starts the static pods, etcd makes its cluster, the API server answers.
        self.state.settle();
        self.serve_now();
        self.state.settle();
        self.place("init: the API server answers")?;
        for phase in [
            &["upload-config", "all"][..],
            &["mark-control-plane"],
            &["bootstrap-token"],
            &["kubelet-finalize", "enable-client-cert-rotation"],
            &["addon", "all"],
        ] {
            let output = self.init_phase(phase, documents)?;
            if !output.success() {
                return Ok(output);
            }
        }
        Ok(said(
            "Your Kubernetes control-plane has initialized successfully!\n",
        ))
    }

    pub(super) fn join(&mut self, documents: &[Value]) -> Result<Output, Interrupted> {
        let Some(join) = document(documents, "JoinConfiguration") else {
            return Ok(failed(
                "no kind \"JoinConfiguration\" in the configuration\n",
            ));
        };
        let bootstrap = &join["discovery"]["bootstrapToken"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (token, server) = (
            text(&bootstrap["token"]),
            text(&bootstrap["apiServerEndpoint"]),
        );
        let name = self.name.clone();
        let reached = host_of(&server).and_then(|host| self.state.reached(&name, &host));
        let Some(cluster) = reached.and_then(|id| self.state.clusters.get(&id)) else {
            return Ok(failed(format!(
                "error execution phase preflight: couldn't validate the identity of the API Server: Get \"https://{server}/api/v1/namespaces/kube-public/configmaps/cluster-info\": connection refused\n"
            )));
        };
        if !token_is_known(cluster, &token) {
            let id = token.split('.').next().unwrap_or_default();
            return Ok(failed(format!(
                "error execution phase preflight: couldn't validate the identity of the API Server: could not find a JWS signature in the cluster-info ConfigMap for token ID {id:?}\n"
            )));
        }
        if bootstrap["caCertHashes"][0] != cluster.ca_pin.as_str() {
            return Ok(failed(
                "error execution phase preflight: cluster CA found in cluster-info ConfigMap is invalid: none of the public keys are pinned\n",
            ));
        }
        let (cluster_id, certificate) = (cluster.id, cluster.ca.clone());
        let endpoint = endpoint_of(cluster).unwrap_or_else(|| server.clone());
        let control_plane = &join["controlPlane"];
        if control_plane.is_null() {
            self.tree().write(layout::CA, certificate);
            self.place("join: the CA is written")?;
            self.kubelet(&join["nodeRegistration"], &endpoint)?;
            self.state.settle();
            return Ok(said("This node has joined the cluster\n"));
        }
        let uploaded = cluster
            .objects
            .get("secret/kube-system/kubeadm-certs")
            .and_then(|secret| secret["key"].as_str());
        match uploaded {
            None => {
                return Ok(failed(
                    "error execution phase control-plane-prepare/download-certs: error downloading certs: error downloading the secret: Secret \"kubeadm-certs\" was not found in the \"kube-system\" Namespace. This Secret might have expired.\n",
                ));
            }
            Some(key) if control_plane["certificateKey"] != key => {
                return Ok(failed(
                    "error execution phase control-plane-prepare/download-certs: error downloading certs: error decoding secret data with provided key: cipher: message authentication failed\n",
                ));
            }
            Some(_) => {}
        }
        self.download(&certificate)?;
        self.certificates()?;
        self.kubeconfigs(&endpoint)?;
        self.control_plane_manifests()?;
        self.kubelet(&join["nodeRegistration"], &endpoint)?;
        self.state.settle();
        if let Some(refused) = self.add_member(cluster_id)? {
            return Ok(refused);
        }
        self.etcd_manifest(true);
        self.place("join: etcd's manifest is written")?;
        self.state.settle();
        self.serve_now();
        self.state.settle();
        self.place("join: the member has started")?;
        self.promote(cluster_id);
        self.place("join: the member votes")?;
        self.join_phase(&["control-plane-join", "mark-control-plane"])
    }

    /// Adds this machine's member as a learner, as kubeadm does from 1.29 on once every other member answers.
    fn add_member(&mut self, cluster: u64) -> Result<Option<Output>, Interrupted> {
        let address = self.machine().address;
        let id = self.state.number();
        let Some(found) = self.state.clusters.get(&cluster) else {
            return Ok(Some(failed(
                "error execution phase etcd-join: context deadline exceeded\n",
            )));
        };
        let unstarted = found
            .members
            .iter()
            .any(|member| member.name.is_empty() && member.address != address);
        if unstarted || !self.state.has_quorum(found) {
            return Ok(Some(failed(
                "error execution phase check-etcd: etcd cluster is not healthy: context deadline exceeded\n",
            )));
        }
        if let Some(cluster) = self.state.clusters.get_mut(&cluster)
            && cluster.member_at(address).is_none()
        {
            cluster.members.push(Member {
                id,
                name: String::new(),
                address,
                learner: true,
            });
        }
        self.place("join: the member is added")?;
        Ok(None)
    }

    /// The learner gets its vote.
    fn promote(&mut self, cluster: u64) {
        let address = self.machine().address;
        let members = self.state.clusters.get_mut(&cluster);
        let mut members = members.into_iter().flat_map(|found| &mut found.members);
        if let Some(member) = members.find(|member| member.address == address) {
            member.learner = false;
        }
    }

    fn control_plane_manifests(&mut self) -> Result<(), Interrupted> {
        for manifest in layout::STATIC_PODS
            .iter()
            .filter(|name| **name != "etcd.yaml")
        {
            let text = self.manifest(manifest);
            self.tree()
                .write(format!("{}/{manifest}", layout::MANIFESTS), text);
            self.place("manifests: one more is written")?;
        }
        Ok(())
    }

    /// A static pod of the installed kubeadm's version.
    pub(super) fn manifest(&mut self, file: &str) -> String {
        let component = file.trim_end_matches(".yaml");
        let version = &self.machine().version;
        let signs = if component == "kube-controller-manager" {
            "args:\n- --cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt\n"
        } else {
            ""
        };
        format!("kind: Pod\n{signs}image: registry.k8s.io/{component}:{version}\n")
    }

    pub(super) fn etcd_manifest(&mut self, existing: bool) {
        let state = if existing { "existing" } else { "new" };
        let tag = etcd_of(&self.machine().version);
        let text = format!(
            "kind: Pod\nargs:\n- --initial-cluster-state={state}\nimage: registry.k8s.io/etcd:{tag}\n"
        );
        self.tree().write(layout::ETCD_MANIFEST, text);
    }

    fn kubelet(&mut self, registration: &Value, endpoint: &str) -> Result<(), Interrupted> {
        self.tree()
            .write(layout::KUBELET_CONFIG, "kind: KubeletConfiguration\n");
        self.tree().write(KUBELET_FLAGS, labels(registration));
        self.place("kubelet: its configuration is written")?;
        let ca = self.tree().text(layout::CA);
        self.tree()
            .write(layout::KUBELET_CONF, kubelet_config(endpoint, &ca));
        self.kubelet_certificate();
        self.machine().service("kubelet").active = true;
        self.place("kubelet: it runs")
    }

    /// kubeadm waits until what it started answers; its whole run is one moment here.
    fn serve_now(&mut self) {
        let long_ago = tokio::time::Instant::now().checked_sub(std::time::Duration::from_mins(1));
        let machine = self.machine();
        if machine.started.is_some() {
            machine.started = long_ago.or(machine.started);
        }
    }
}

/// The value of the kubelet's `node-labels`, in either of kubeadm's two shapes.
fn labels(registration: &Value) -> String {
    let arguments = &registration["kubeletExtraArgs"];
    let found = match arguments {
        Value::Array(list) => list
            .iter()
            .find(|one| one["name"] == "node-labels")
            .and_then(|one| one["value"].as_str()),
        map => map["node-labels"].as_str(),
    };
    found.unwrap_or_default().to_owned()
}

fn token_is_known(cluster: &Cluster, token: &str) -> bool {
    let Some((id, secret)) = token.split_once('.') else {
        return false;
    };
    let key = Cluster::key("secret", "kube-system", &format!("bootstrap-token-{id}"));
    cluster
        .objects
        .get(&key)
        .is_some_and(|object| object["token"] == secret)
}

/// The endpoint that kubeadm-config names.
fn endpoint_of(cluster: &Cluster) -> Option<String> {
    let config = cluster
        .objects
        .get("configmap/kube-system/kubeadm-config")?;
    let text = config["data"]["ClusterConfiguration"].as_str()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("controlPlaneEndpoint: "))?;
    Some(line.to_owned())
}
