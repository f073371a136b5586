//! What of Kubernetes lies on this node, summed up for the first boot's decision. Files and probes only, no process: it is
//! read for as long as the node lives.

use hactl_node_plan::bootstrap::next::Holding;
use hactl_node_plan::etcd::guard::read_marker;
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::kubernetes::KubernetesFiles;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::health::ComponentHealth;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::EtcdTopology;
use hactl_proto::standing::ClusterIdentity;

use crate::guard_etcd::MARKER;
use crate::health::components::{self, Components};
use crate::host::Host;
use crate::inspect::kubernetes::{ca_fingerprints, files};
use crate::paths::Paths;

/// What lies on the node, without a judgement on how long its components may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    /// What a finished init or join leaves is all there.
    pub complete: bool,
    /// Every file of it, as paths; empty: nothing.
    pub evidence: Vec<String>,
    /// The cluster that it belongs to, where its CA is readable.
    pub identity: Option<ClusterIdentity>,
    /// Whether its components answer as they should.
    pub healthy: bool,
}

/// Reads it. A host that cannot be read holds something unknown: that is evidence.
pub async fn read<H: Host>(host: &H, node: &NodeContext, paths: &Paths) -> Lying {
    let found = match files(host, node).await {
        Known::Is(found) => found,
        Known::Unknown(why) => {
            return Lying {
                complete: false,
                evidence: vec![format!("something unreadable ({why})")],
                identity: None,
                healthy: false,
            };
        }
    };
    let data_dir = match &node.spec.etcd {
        EtcdTopology::Stacked { data_dir, .. } => data_dir.as_str(),
        EtcdTopology::External { .. } => "",
    };
    let identity = identity(host, paths).await;
    let complete = complete(node, &found) && identity.is_some();
    let healthy = complete && healthy(node, components::ask(host, node).await);
    Lying {
        complete,
        evidence: found.evidence(data_dir),
        identity,
        healthy,
    }
}

impl Lying {
    /// For the decision; `grace_over`: components had the time to come up.
    pub fn holding(self, grace_over: bool) -> Holding {
        match self.identity {
            Some(identity) if self.complete => Holding::Complete {
                identity,
                healthy: self.healthy,
                grace_over,
            },
            _ if self.evidence.is_empty() => Holding::Nothing,
            _ => Holding::Partial {
                evidence: self.evidence,
            },
        }
    }
}

fn complete(node: &NodeContext, found: &KubernetesFiles) -> bool {
    let stacked = matches!(node.spec.etcd, EtcdTopology::Stacked { .. });
    match node.role {
        NodeRole::Worker => found.bootstrapped() && found.kubelet_config,
        NodeRole::ControlPlane => {
            found.bootstrapped()
                && found.kubeconfigs.contains("admin.conf")
                && found.control_plane(stacked)
                && (!stacked || found.etcd_data)
        }
    }
}

fn healthy(node: &NodeContext, components: Components) -> bool {
    let well = |component| component == ComponentHealth::Healthy;
    let stacked = matches!(node.spec.etcd, EtcdTopology::Stacked { .. });
    well(components.kubelet)
        && (node.role == NodeRole::Worker
            || well(components.api_server) && (!stacked || well(components.etcd)))
}

/// The CA on the node, and etcd's cluster id where the marker of a complete member tells it.
async fn identity<H: Host>(host: &H, paths: &Paths) -> Option<ClusterIdentity> {
    let mut pins = ca_fingerprints(host).await.known().cloned()?.into_iter();
    let ca_fingerprint = pins.next()?;
    let marker = host.read(&paths.state.join(MARKER)).await.ok().flatten();
    let marker = marker.and_then(|bytes| read_marker(std::str::from_utf8(&bytes).ok()?).ok());
    Some(ClusterIdentity {
        ca_fingerprint,
        etcd_cluster_id: marker.map(|marker| marker.cluster.to_string()),
        beside: pins.collect(),
    })
}

/// Whether something answers as an API server at the cluster's endpoint, verified by nobody. A load balancer that has no API
/// server behind it says so with a 5xx.
pub async fn endpoint_answers<H: Host>(host: &H, node: &NodeContext) -> bool {
    let endpoint = &node.spec.endpoint;
    let address = hactl_node_plan::kubeadm::config::host_port(&endpoint.host, endpoint.port);
    let question = crate::host::Question::Get {
        url: format!("https://{address}/version"),
        ca_file: None,
        identity: None,
    };
    let answer = host.ask(&question).await;
    answer.is_ok_and(|answer| answer.status < 500)
}
