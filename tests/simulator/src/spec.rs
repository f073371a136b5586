//! Specs of the simulated clusters.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Context as _;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::finding::CheckMode;
use hactl_proto::name::{ClusterId, ClusterName, NodeName, ZoneName};
use hactl_proto::prerequisite::Check;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::{
    AGENT_PORT, ClusterSpec, DeclaredNode, Endpoint, EndpointMode, EtcdTopology, GrantPolicy,
    KubernetesSpec, Networks, PodNetwork, Policies,
};
use hactl_proto::version::KubernetesVersion;

/// What clusters begin with.
pub(crate) const FROM: KubernetesVersion = KubernetesVersion::new(1, 36, 2);
/// Where the operator is.
pub(crate) const OPERATOR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 250));
const ZONES: [&str; 3] = ["a", "b", "c"];

/// The hactl cluster.
pub(crate) fn cluster() -> ClusterId {
    ClusterId::from_bytes([1; 16])
}

/// So many control planes and workers, with a pod network; `managed`: agents provide the endpoint, or the operator does.
pub(crate) fn spec(
    (control_planes, workers): (u8, u8),
    managed: bool,
) -> anyhow::Result<ClusterSpec> {
    let zones: Result<Vec<_>, _> = ZONES.iter().map(|zone| ZoneName::new(*zone)).collect();
    let zones = zones?;
    let node = |kind: &str, number: u8, first: u8| -> anyhow::Result<DeclaredNode> {
        let zone = zones.get(usize::from(number - 1) % zones.len());
        Ok(DeclaredNode {
            name: NodeName::new(format!("{kind}{number}"))?,
            address: [10, 99, 0, first + number].into(),
            zone: zone.context("a zone")?.clone(),
        })
    };
    let all = |kind: &str, count: u8, first: u8| -> anyhow::Result<Vec<_>> {
        (1..=count)
            .map(|number| node(kind, number, first))
            .collect()
    };
    Ok(ClusterSpec {
        upgrade: hactl_proto::spec::upgrade::UpgradePolicy::default(),
        certificates: hactl_proto::spec::certificates::CertificatePolicy::default(),
        name: ClusterName::new("example")?,
        kubernetes: KubernetesSpec {
            version: FROM,
            image_repository: None,
            api_server_args: BTreeMap::default(),
            api_server_sans: Vec::new(),
            kubelet: serde_json::Map::default(),
            kube_proxy: serde_json::Map::default(),
            ignore_preflight_errors: Vec::new(),
        },
        networks: Networks {
            pods: vec!["10.244.0.0/16".parse()?],
            services: vec!["10.96.0.0/12".parse()?],
            nodes: vec!["10.99.0.0/24".parse()?],
            dns_domain: "cluster.local".to_owned(),
        },
        endpoint: Endpoint {
            host: "10.99.0.100".to_owned(),
            port: 8443,
            mode: if managed {
                EndpointMode::Managed {
                    address: [10, 99, 0, 100].into(),
                    virtual_router_id: 51,
                    interface: None,
                }
            } else {
                EndpointMode::External
            },
        },
        etcd: EtcdTopology::Stacked {
            data_dir: "/var/lib/etcd".to_owned(),
            own_mount: false,
        },
        zones: zones.clone(),
        control_planes: all("cp", control_planes, 10)?,
        workers: all("w", workers, 20)?,
        pod_network: Some(PodNetwork {
            manifest: "kind: DaemonSet\n".to_owned(),
        }),
        policies: Policies {
            grants: GrantPolicy::All,
            init_node: None,
            // The simulated machines have no kernel to look at.
            prerequisites: Check::ALL
                .map(|check| (check.name().to_owned(), CheckMode::Off))
                .into(),
            agent_port: AGENT_PORT,
            worker_enrolment: true,
        },
    })
}

/// The spec of an older bundle: other pod networks, so another hash.
pub(crate) fn stale(spec: &ClusterSpec) -> anyhow::Result<ClusterSpec> {
    let mut stale = spec.clone();
    stale.networks.pods = vec!["10.245.0.0/16".parse()?];
    Ok(stale)
}

/// The nodes of a spec with their roles.
pub(crate) fn nodes(spec: &ClusterSpec) -> impl Iterator<Item = (&DeclaredNode, NodeRole)> {
    let control_planes = spec.control_planes.iter();
    let workers = spec.workers.iter();
    control_planes
        .map(|node| (node, NodeRole::ControlPlane))
        .chain(workers.map(|node| (node, NodeRole::Worker)))
}

/// A node as a spec has it.
pub(crate) fn context(spec: &ClusterSpec, node: &NodeName) -> Option<NodeContext> {
    let (declared, role) = spec.declared(node)?;
    Some(NodeContext {
        node: declared.name.clone(),
        address: declared.address,
        role,
        zone: declared.zone.clone(),
        spec: spec.clone(),
    })
}
