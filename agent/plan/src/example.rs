//! A cluster for this crate's tests: three control planes and a worker in three zones, managed endpoint.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use hactl_proto::name::{ClusterName, NodeName, ZoneName};
use hactl_proto::spec::{
    AGENT_PORT, ClusterSpec, DeclaredNode, Endpoint, EndpointMode, EtcdTopology, GrantPolicy,
    KubernetesSpec, Networks, Policies,
};
use hactl_proto::version::KubernetesVersion;

use crate::plan::NodeContext;

fn node(name: &str, last: u8, zone: &str) -> DeclaredNode {
    DeclaredNode {
        name: NodeName::new(name).unwrap(),
        address: IpAddr::V4(Ipv4Addr::new(10, 99, 0, last)),
        zone: ZoneName::new(zone).unwrap(),
    }
}

/// The spec: cp1, cp2, cp3 and w1 in zones a, b, c, a, Kubernetes v1.36.2.
pub(crate) fn spec() -> ClusterSpec {
    ClusterSpec {
        name: ClusterName::new("example").unwrap(),
        kubernetes: KubernetesSpec {
            version: KubernetesVersion::new(1, 36, 2),
            image_repository: None,
            api_server_args: BTreeMap::new(),
            api_server_sans: Vec::new(),
            kubelet: serde_json::Map::new(),
            kube_proxy: serde_json::Map::new(),
            ignore_preflight_errors: Vec::new(),
        },
        networks: Networks {
            pods: vec!["10.244.0.0/16".parse().unwrap()],
            services: vec!["10.96.0.0/12".parse().unwrap()],
            nodes: vec!["10.99.0.0/24".parse().unwrap()],
            dns_domain: "cluster.local".to_owned(),
        },
        endpoint: Endpoint {
            host: "10.99.0.100".to_owned(),
            port: 8443,
            mode: EndpointMode::Managed {
                address: IpAddr::V4(Ipv4Addr::new(10, 99, 0, 100)),
                virtual_router_id: 51,
                interface: None,
            },
        },
        etcd: EtcdTopology::Stacked {
            data_dir: "/var/lib/etcd".to_owned(),
            own_mount: false,
        },
        zones: ["a", "b", "c"]
            .map(|zone| ZoneName::new(zone).unwrap())
            .to_vec(),
        control_planes: vec![
            node("cp1", 11, "a"),
            node("cp2", 12, "b"),
            node("cp3", 13, "c"),
        ],
        workers: vec![node("w1", 21, "a")],
        upgrade: hactl_proto::spec::upgrade::UpgradePolicy::default(),
        certificates: hactl_proto::spec::certificates::CertificatePolicy::default(),
        pod_network: None,
        policies: Policies {
            grants: GrantPolicy::All,
            init_node: None,
            prerequisites: BTreeMap::new(),
            agent_port: AGENT_PORT,
            worker_enrolment: true,
        },
    }
}

/// The context of one of its nodes.
pub(crate) fn context(name: &str) -> NodeContext {
    let spec = spec();
    let (declared, role) = spec.declared(&NodeName::new(name).unwrap()).unwrap();
    NodeContext {
        node: declared.name.clone(),
        address: declared.address,
        role,
        zone: declared.zone.clone(),
        spec: spec.clone(),
    }
}
