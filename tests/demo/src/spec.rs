//! The demo's cluster: three control planes and two workers in three zones, each on a loopback address of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Result;
use hactl_proto::finding::CheckMode;
use hactl_proto::name::{ClusterName, NodeName, ZoneName};
use hactl_proto::prerequisite::Check;
use hactl_proto::spec::{
    ClusterSpec, DeclaredNode, Endpoint, EndpointMode, EtcdTopology, GrantPolicy, KubernetesSpec,
    Networks, PodNetwork, Policies,
};
use hactl_proto::version::KubernetesVersion;

/// Where the endpoint is: on none of the machines.
const ENDPOINT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 74, 70, 100));

/// The spec, with the agents on that port.
pub(crate) fn spec(port: u16) -> Result<ClusterSpec> {
    Ok(ClusterSpec {
        name: ClusterName::new("demo")?,
        kubernetes: KubernetesSpec {
            version: KubernetesVersion::new(1, 36, 2),
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
            nodes: Vec::new(),
            dns_domain: "cluster.local".to_owned(),
        },
        endpoint: Endpoint {
            host: ENDPOINT.to_string(),
            port: 8443,
            mode: EndpointMode::Managed {
                address: ENDPOINT,
                virtual_router_id: 51,
                interface: None,
            },
        },
        etcd: EtcdTopology::Stacked {
            data_dir: "/var/lib/etcd".to_owned(),
            own_mount: false,
        },
        zones: zones()?,
        control_planes: vec![
            node("cp1", 11, "north")?,
            node("cp2", 12, "south")?,
            node("cp3", 13, "west")?,
        ],
        workers: vec![node("w1", 21, "north")?, node("w2", 22, "south")?],
        upgrade: hactl_proto::spec::upgrade::UpgradePolicy::default(),
        certificates: hactl_proto::spec::certificates::CertificatePolicy::default(),
        pod_network: Some(PodNetwork {
            manifest: "{}".to_owned(),
        }),
        policies: Policies {
            grants: GrantPolicy::All,
            init_node: None,
            // A simulated machine has no kernel, no clock and no disk to look at.
            prerequisites: Check::ALL
                .map(|check| (check.name().to_owned(), CheckMode::Off))
                .into(),
            agent_port: port,
            worker_enrolment: true,
        },
    })
}

fn zones() -> Result<Vec<ZoneName>> {
    let names = ["north", "south", "west"];
    Ok(names
        .map(ZoneName::new)
        .into_iter()
        .collect::<Result<_, _>>()?)
}

fn node(name: &str, last: u8, zone: &str) -> Result<DeclaredNode> {
    Ok(DeclaredNode {
        name: NodeName::new(name)?,
        address: [127, 74, 70, last].into(),
        zone: ZoneName::new(zone)?,
    })
}
