//! What the tests of the operation engine share: a cluster of three and one, lives of an agent, a driver that does what
//! the agents' first boot does.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::default_trait_access,
    reason = "all of this is test code"
)]

pub(crate) mod agents;
pub(crate) mod captured;
pub(crate) mod fleet;
pub(crate) mod renewing;
pub(crate) mod rotating;
pub(crate) mod through;

use std::future::Future;

use hactl_agent::host::Host;
use hactl_agent::operation::Operations;
use hactl_agent::paths::Paths;
use hactl_node_plan::kubeadm::{Kubeadm, command, config};
use hactl_node_plan::plan::NodeContext;
use hactl_proto::Timestamp;
use hactl_proto::finding::CheckMode;
use hactl_proto::instruction::{Instruction, JoinCredentials, OperationId, Order};
use hactl_proto::name::{ClusterName, NodeName, ZoneName};
use hactl_proto::prerequisite::Check;
use hactl_proto::report::Outcome;
use hactl_proto::secret::Secret;
use hactl_proto::spec::{
    AGENT_PORT, ClusterSpec, DeclaredNode, Endpoint, EndpointMode, EtcdTopology, GrantPolicy,
    KubernetesSpec, Networks, PodNetwork, Policies,
};
use hactl_proto::version::KubernetesVersion;
use hactl_simulation::{SimulatedHost, World};

pub(crate) fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

pub(crate) fn id(text: &str) -> OperationId {
    OperationId::new(text).unwrap()
}

pub(crate) fn node(text: &str, last: u8, zone: &str) -> DeclaredNode {
    DeclaredNode {
        name: name(text),
        address: [10, 99, 0, last].into(),
        zone: ZoneName::new(zone).unwrap(),
    }
}

/// Three control planes and a worker, managed endpoint, with a pod network.
pub(crate) fn spec() -> ClusterSpec {
    ClusterSpec {
        name: ClusterName::new("example").unwrap(),
        kubernetes: KubernetesSpec {
            version: KubernetesVersion::new(1, 36, 2),
            image_repository: None,
            api_server_args: Default::default(),
            api_server_sans: Vec::new(),
            kubelet: Default::default(),
            kube_proxy: Default::default(),
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
                address: [10, 99, 0, 100].into(),
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
    }
}

pub(crate) fn context(node: &str) -> NodeContext {
    context_of(&spec(), node)
}

/// A node as that spec has it.
pub(crate) fn context_of(spec: &ClusterSpec, node: &str) -> NodeContext {
    let (declared, role) = spec.declared(&name(node)).unwrap();
    NodeContext {
        node: declared.name.clone(),
        address: declared.address,
        role,
        zone: declared.zone.clone(),
        spec: spec.clone(),
    }
}

pub(crate) fn world() -> World {
    world_of(&spec())
}

/// The machines of that spec.
pub(crate) fn world_of(spec: &ClusterSpec) -> World {
    let base: Timestamp = "2026-11-22T17:00:00Z".parse().unwrap();
    World::of(spec, base)
}

/// One runtime with virtual time; when it ends, all that runs in it is gone, as with `kill -9`.
pub(crate) fn life<T>(world: &World, story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        world.enter_runtime();
        let told = story.await;
        world.leave_runtime();
        told
    })
}

pub(crate) async fn engine(world: &World, node: &str) -> Operations<SimulatedHost> {
    let host = std::sync::Arc::new(world.host(&name(node)));
    Operations::open(host, Paths::system(), context(node))
        .await
        .unwrap()
}

pub(crate) fn instruction(text: &str, order: Order) -> Instruction {
    Instruction {
        id: id(text),
        generation: 1,
        fence: None,
        order,
    }
}

/// Submits and waits for the end.
pub(crate) async fn carry_out(
    engine: &Operations<SimulatedHost>,
    text: &str,
    order: Order,
) -> Outcome {
    let watch = engine.submit(instruction(text, order)).await.unwrap();
    watch.outcome().await.unwrap()
}

/// What a member does to admit a joining node: the joiner's stale etcd member goes by id, a token and certificates are made.
pub(crate) async fn admit(world: &World, joiner: &str) -> JoinCredentials {
    let sponsor = context("cp1");
    let host = world.host(&sponsor.node);
    {
        let mut state = world.state();
        let machine = state.machines[&name(joiner)].clone();
        if state.member_running(&machine).is_none() {
            for cluster in state.clusters.values_mut() {
                cluster
                    .members
                    .retain(|member| member.address != machine.address);
            }
        }
    }
    let kubeadm = Kubeadm::of(&sponsor.spec.kubernetes.version).unwrap();
    let token = host
        .run(&command::create_token("hactl join", "15m"))
        .await
        .unwrap();
    let key = Secret::new("k".repeat(64));
    let file = "/run/hactl/upload.yaml";
    let text = config::upload_certificates(kubeadm, &sponsor, &key);
    host.replace(file.as_ref(), text.expose().as_bytes(), 0o600)
        .await
        .unwrap();
    let uploaded = host.run(&command::upload_certificates(file)).await.unwrap();
    assert!(
        token.success() && uploaded.success(),
        "{token:?} {uploaded:?}"
    );
    let pin = world
        .state()
        .clusters
        .values()
        .last()
        .unwrap()
        .ca_pin
        .clone();
    JoinCredentials {
        api_server: "10.99.0.11:6443".to_owned(),
        token: Secret::new(token.stdout.trim()),
        ca_cert_hash: pin,
        certificate_key: Some(key),
        etcd_member_kept: false,
    }
}
