//! kubeadm's configuration, rendered for the installed kubeadm.
//!
//! Written as JSON documents between `---` lines. YAML is a superset of JSON and kubeadm reads it so (tried on 1.20.2); in
//! JSON every string is quoted, and a token or a certificate key of digits alone stays a string.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use hactl_proto::instruction::JoinCredentials;
use hactl_proto::role::NodeRole;
use hactl_proto::secret::Secret;
use hactl_proto::spec::{API_SERVER_PORT, Cidr, EtcdTopology};
use serde_json::{Map, Value, json};

use super::capability::Kubeadm;
use crate::plan::NodeContext;

/// Bootstrap tokens that `kubeadm init` makes bear this description, so that they can be told from others and removed.
pub const INIT_TOKEN_DESCRIPTION: &str = "hactl init";
/// They live this long if nobody removes them.
const INIT_TOKEN_TTL: &str = "15m0s";
/// How long a joining node looks for a signed cluster-info. The sponsor waited for the signature already.
const DISCOVERY_TIMEOUT: &str = "1m0s";

/// Whether the first etcd is still to be made, or is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtcdState {
    /// `kubeadm init` is about to make it: the default state `new` has to be in force.
    BeforeInit,
    /// It exists: `initial-cluster-state: existing`, so that an etcd which lost its data fails instead of starting
    /// empty (kubeadm reference, section 6.9).
    Existing,
}

/// Init-, Cluster-, Kubelet- and KubeProxyConfiguration. There is no secret in it: kubeadm draws the token itself.
pub fn init(kubeadm: Kubeadm, node: &NodeContext, etcd: EtcdState) -> String {
    documents(&[
        init_configuration(kubeadm, node),
        cluster_configuration(kubeadm, node, etcd),
        kubelet_configuration(node),
        kube_proxy_configuration(node),
    ])
}

/// `JoinConfiguration`, with the token in it.
pub fn join(kubeadm: Kubeadm, node: &NodeContext, credentials: &JoinCredentials) -> Secret {
    let mut bootstrap = json!({
        "token": credentials.token.expose(),
        "apiServerEndpoint": credentials.api_server,
        "caCertHashes": [credentials.ca_cert_hash],
    });
    let mut document = json!({
        "apiVersion": kubeadm.config_api().api_version(),
        "kind": "JoinConfiguration",
        "nodeRegistration": registration(kubeadm, node),
        "discovery": { "bootstrapToken": bootstrap.take() },
    });
    if kubeadm.timeouts() {
        document["timeouts"] = json!({ "discovery": DISCOVERY_TIMEOUT });
    } else {
        document["discovery"]["timeout"] = json!(DISCOVERY_TIMEOUT);
    }
    if node.role == NodeRole::ControlPlane {
        let mut control_plane = json!({ "localAPIEndpoint": local_endpoint(node.address) });
        if let Some(key) = &credentials.certificate_key {
            control_plane["certificateKey"] = json!(key.expose());
        }
        document["controlPlane"] = control_plane;
    }
    Secret::new(documents(&[document]))
}

/// Init- and `ClusterConfiguration` for `init phase upload-certs`: the key may not be an argument (it would be seen, and
/// kubeadm refuses it beside `--config`).
pub fn upload_certificates(kubeadm: Kubeadm, node: &NodeContext, key: &Secret) -> Secret {
    let mut init = init_configuration(kubeadm, node);
    init["certificateKey"] = json!(key.expose());
    Secret::new(documents(&[
        init,
        cluster_configuration(kubeadm, node, EtcdState::Existing),
    ]))
}

fn init_configuration(kubeadm: Kubeadm, node: &NodeContext) -> Value {
    json!({
        "apiVersion": kubeadm.config_api().api_version(),
        "kind": "InitConfiguration",
        "bootstrapTokens": [{ "ttl": INIT_TOKEN_TTL, "description": INIT_TOKEN_DESCRIPTION }],
        "localAPIEndpoint": local_endpoint(node.address),
        "nodeRegistration": registration(kubeadm, node),
    })
}

fn cluster_configuration(kubeadm: Kubeadm, node: &NodeContext, etcd: EtcdState) -> Value {
    let spec = &node.spec;
    let mut document = json!({
        "apiVersion": kubeadm.config_api().api_version(),
        "kind": "ClusterConfiguration",
        "clusterName": spec.name.as_str(),
        "kubernetesVersion": spec.kubernetes.version.to_string(),
        "controlPlaneEndpoint": host_port(&spec.endpoint.host, spec.endpoint.port),
        "networking": {
            "podSubnet": joined(&spec.networks.pods),
            "serviceSubnet": joined(&spec.networks.services),
            "dnsDomain": spec.networks.dns_domain,
        },
        "apiServer": {
            "certSANs": server_names(node),
            "extraArgs": arguments(kubeadm, &spec.kubernetes.api_server_args),
        },
        "etcd": etcd_configuration(kubeadm, &spec.etcd, etcd),
    });
    if let Some(repository) = &spec.kubernetes.image_repository {
        document["imageRepository"] = json!(repository);
    }
    if kubeadm.local_mode_by_gate() {
        document["featureGates"] = json!({ "ControlPlaneKubeletLocalMode": true });
    }
    document
}

fn etcd_configuration(kubeadm: Kubeadm, topology: &EtcdTopology, state: EtcdState) -> Value {
    match topology {
        EtcdTopology::Stacked { data_dir, .. } => {
            let mut local = json!({ "dataDir": data_dir });
            if state == EtcdState::Existing {
                let existing =
                    BTreeMap::from([("initial-cluster-state".to_owned(), "existing".to_owned())]);
                local["extraArgs"] = arguments(kubeadm, &existing);
            }
            json!({ "local": local })
        }
        EtcdTopology::External {
            endpoints,
            ca_file,
            cert_file,
            key_file,
        } => json!({ "external": {
            "endpoints": endpoints,
            "caFile": ca_file,
            "certFile": cert_file,
            "keyFile": key_file,
        }}),
    }
}

/// The cgroup driver is always said: 1.20 would leave the kubelet at cgroupfs (kubeadm reference, section 1.10). What the
/// spec says wins.
fn kubelet_configuration(node: &NodeContext) -> Value {
    let defaults = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
    });
    merged(defaults, &node.spec.kubernetes.kubelet)
}

fn kube_proxy_configuration(node: &NodeContext) -> Value {
    let defaults = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
    });
    merged(defaults, &node.spec.kubernetes.kube_proxy)
}

fn registration(kubeadm: Kubeadm, node: &NodeContext) -> Value {
    let kubelet = BTreeMap::from([
        ("node-ip".to_owned(), node.address.to_string()),
        (
            "node-labels".to_owned(),
            format!("{ZONE_LABEL}={}", node.zone),
        ),
    ]);
    let mut registration = json!({
        "name": node.node.as_str(),
        "criSocket": kubeadm.cri_socket(),
        "kubeletExtraArgs": arguments(kubeadm, &kubelet),
    });
    if !node.spec.kubernetes.ignore_preflight_errors.is_empty() {
        registration["ignorePreflightErrors"] = json!(node.spec.kubernetes.ignore_preflight_errors);
    }
    registration
}

/// The label that spreads pods over zones. The kubelet may set it on its own Node (`NodeRestriction` allows it).
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Names that the API server's certificate has to hold beside kubeadm's own: the spec's, the endpoint's, loopback.
fn server_names(node: &NodeContext) -> Vec<String> {
    let mut names = node.spec.kubernetes.api_server_sans.clone();
    for name in [node.spec.endpoint.host.as_str(), "127.0.0.1", "localhost"] {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn local_endpoint(address: IpAddr) -> Value {
    json!({ "advertiseAddress": address.to_string(), "bindPort": API_SERVER_PORT })
}

fn arguments(kubeadm: Kubeadm, arguments: &BTreeMap<String, String>) -> Value {
    if kubeadm.arguments_as_list() {
        arguments
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect()
    } else {
        json!(arguments)
    }
}

fn joined(networks: &[Cidr]) -> String {
    let texts: Vec<String> = networks.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// `host:port`, an IPv6 address in brackets.
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Objects are merged field by field, anything else is replaced.
fn merged(mut base: Value, over: &Map<String, Value>) -> Value {
    if let Value::Object(fields) = &mut base {
        for (name, value) in over {
            let merged = match (fields.remove(name), value) {
                (Some(old @ Value::Object(_)), Value::Object(new)) => merged(old, new),
                _ => value.clone(),
            };
            fields.insert(name.clone(), merged);
        }
    }
    base
}

fn documents(documents: &[Value]) -> String {
    let mut text = String::new();
    for document in documents {
        text.push_str("---\n");
        // The alternate form of a Value is indented JSON.
        let _ = write!(text, "{document:#}");
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
