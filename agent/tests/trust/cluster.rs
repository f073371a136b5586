//! A cluster of the controller's making, and one of its agents at a port of loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hactl_agent::api::Server;
use hactl_agent::api::duties::Enrolment;
use hactl_agent::api::server::{Limits as ServerLimits, Refusal};
use hactl_agent::paths::Paths;
use hactl_agent::trust::{Identity, Introduction, Registrar};
use hactl_controller::connect::Credentials;
use hactl_controller::trust::Authority;
use hactl_proto::Timestamp;
use hactl_proto::bundle::Bundle;
use hactl_proto::mtls::Limits;
use hactl_proto::name::{ClusterName, NodeName, ZoneName};
use hactl_proto::role::CallerRole;
use hactl_proto::spec::{
    ClusterSpec, DeclaredNode, Endpoint, EndpointMode, EtcdTopology, GrantPolicy, KubernetesSpec,
    Networks, Policies,
};
use hactl_proto::version::KubernetesVersion;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::memory_host::MemoryHost;
use crate::stub::Stub;

pub(crate) fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

pub(crate) fn zone(text: &str) -> ZoneName {
    ZoneName::new(text).unwrap()
}

pub(crate) fn days(count: i64) -> Timestamp {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now + count * 86_400).unwrap()
}

/// Three control planes and a worker, all at loopback.
pub(crate) fn spec(port: u16) -> ClusterSpec {
    let node = |text: &str, place: &str| DeclaredNode {
        name: name(text),
        address: Ipv4Addr::LOCALHOST.into(),
        zone: zone(place),
    };
    ClusterSpec {
        name: ClusterName::new("test").unwrap(),
        kubernetes: KubernetesSpec {
            version: KubernetesVersion::new(1, 36, 1),
            image_repository: None,
            api_server_args: std::collections::BTreeMap::default(),
            api_server_sans: Vec::new(),
            kubelet: serde_json::Map::default(),
            kube_proxy: serde_json::Map::default(),
            ignore_preflight_errors: Vec::new(),
        },
        networks: Networks {
            pods: vec!["10.244.0.0/16".parse().unwrap()],
            services: vec!["10.96.0.0/12".parse().unwrap()],
            nodes: Vec::new(),
            dns_domain: "cluster.local".into(),
        },
        endpoint: Endpoint {
            host: "127.0.0.1".into(),
            port: 7443,
            mode: EndpointMode::External,
        },
        etcd: EtcdTopology::Stacked {
            data_dir: "/var/lib/etcd".into(),
            own_mount: false,
        },
        zones: vec![zone("a"), zone("b"), zone("c")],
        control_planes: vec![node("cp1", "a"), node("cp2", "b"), node("cp3", "c")],
        workers: vec![node("w1", "a")],
        upgrade: hactl_proto::spec::upgrade::UpgradePolicy::default(),
        certificates: hactl_proto::spec::certificates::CertificatePolicy::default(),
        pod_network: None,
        policies: Policies {
            grants: GrantPolicy::All,
            init_node: None,
            prerequisites: std::collections::BTreeMap::default(),
            agent_port: port,
            worker_enrolment: true,
        },
    }
}

/// The operator's side.
pub(crate) struct Cluster {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) spec: ClusterSpec,
}

impl Cluster {
    pub(crate) fn new(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(folder.path(), Timestamp::now()).unwrap();
        Self {
            folder,
            authority,
            spec: spec(port),
        }
    }

    pub(crate) fn bundle(&self, node: &str) -> Bundle {
        let (now, expires) = (Timestamp::now(), days(1));
        let bundle = self.authority.bundle(&self.spec, &name(node), now, expires);
        bundle.unwrap()
    }

    /// The bundle for any worker of zone b.
    pub(crate) fn any_worker(&self, expires: Timestamp) -> Bundle {
        let bundle = self
            .authority
            .worker_bundle(&self.spec, None, &zone("b"), expires);
        bundle.unwrap()
    }

    pub(crate) fn person(&self, role: CallerRole, text: &str, issued: Timestamp) -> Credentials {
        self.authority
            .write_person(role, &name(text), issued)
            .unwrap();
        Credentials::in_folder(self.folder.path(), &name(text), Limits::default()).unwrap()
    }

    pub(crate) fn operator(&self) -> Credentials {
        let (folder, operator) = (self.folder.path(), name("operator"));
        Credentials::in_folder(folder, &operator, Limits::default()).unwrap()
    }
}

/// One agent's server, its refusals, and what it is made of.
pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    pub(crate) refusals: mpsc::UnboundedReceiver<Refusal>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) host: Arc<MemoryHost>,
    pub(crate) stub: Arc<Stub>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// What the server refused next, as its line.
    pub(crate) async fn refusal(&mut self) -> String {
        self.refusals.recv().await.unwrap().to_string()
    }

    /// Stops it and waits until it has stopped.
    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap();
    }
}

pub(crate) async fn port() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A cluster with the agent of one of its nodes.
pub(crate) async fn cluster_with(node: &str) -> (Cluster, Agent) {
    let (listener, port) = port().await;
    let cluster = Cluster::new(port);
    let agent = agent(&cluster, node, listener, ServerLimits::default()).await;
    (cluster, agent)
}

pub(crate) fn short_handshake() -> ServerLimits {
    ServerLimits {
        handshake: Duration::from_millis(100),
        ..ServerLimits::default()
    }
}

pub(crate) async fn agent(
    cluster: &Cluster,
    node: &str,
    listener: TcpListener,
    limits: ServerLimits,
) -> Agent {
    let host = Arc::new(MemoryHost::new(Timestamp::now()));
    let bundle = cluster.bundle(node);
    let identity = Identity::establish(&*host, &Paths::system(), &bundle, &name(node)).await;
    let identity = Arc::new(identity.map_err(|error| error.to_string()).unwrap());
    let registrar: Option<Arc<dyn Enrolment>> = match identity.introduction() {
        Introduction::Own(issuer) => Registrar::of(&bundle, issuer.clone(), host.clone())
            .unwrap()
            .map(|registrar| Arc::new(registrar) as _),
        Introduction::Peers { .. } => None,
    };
    let stub = Arc::new(Stub::default());
    let (tell, refusals) = mpsc::unbounded_channel();
    let server = Server::new(
        identity.trust().clone(),
        identity.credential().clone(),
        &stub.duties(registrar),
    );
    let server = server
        .with_limits(limits)
        .with_refusals_to(Arc::new(move |refusal: &Refusal| {
            let _ = tell.send(refusal.clone());
        }));
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    Agent {
        address,
        refusals,
        identity,
        host,
        stub,
        stop: Some(stop),
        task,
    }
}
