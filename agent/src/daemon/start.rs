//! How the parts come to be: bundle, record, identity, journal, gossip, port, first boot; in that order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::bundle::Bundle;
use hactl_proto::mtls::Limits;
use hactl_proto::name::NodeName;
use hactl_proto::standing::InstanceId;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Parts;
use super::bootstrap::Bootstrap;
use super::expose::expose;
use super::gate::Gate;
use super::kubeconfig::Kubeconfig;
use super::mutual_trust::MutualTrust;
use super::observation::Observation;
use super::own_node::OwnNode;
use super::tend::tend;
use super::watch_node::watch_node;
use crate::api::duties::{Duties, Enrolment};
use crate::api::server::Server;
use crate::bundle::{self, BundleError};
use crate::causes::chain;
use crate::certificates::Certificates;
use crate::execute::put_back_manifests;
use crate::first_boot::FirstBoot;
use crate::first_boot::grpc::GrpcPeers;
use crate::health::Health;
use crate::host::{Host, HostError};
use crate::join::Sponsor;
use crate::journal::JournalError;
use crate::membership::grpc::GrpcExchange;
use crate::membership::key_rings::{self, KeyRings};
use crate::membership::{Membership, MembershipError, Start};
use crate::operation::Operations;
use crate::paths::Paths;
use crate::renewal::{self, Renewals};
use crate::rollout::Rollouts;
use crate::standing::{StandingError, StandingStore};
use crate::trust::{
    self, Identity, IdentityError, Introduction, IssuerError, NoRegistrar, OwnTrust, Registrar,
    keep_renewed,
};

/// Between two attempts of a worker to enrol.
const ENROL_EVERY: Duration = Duration::from_secs(2);

/// Why the agent did not start, or stopped by itself. Nothing of Kubernetes was touched.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The bundle is of no use.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The record of the first boot is of no use.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// There is no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The bundle's intermediate is of no use.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The journal is of no use.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The gossip did not start.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The TCP port could not be bound.
    #[error("listen on TCP {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// A manifest that was held for a restart could not be put back: a later start tries again.
    #[error("put held manifests back")]
    Manifests(#[source] HostError),
    /// The system has no randomness.
    #[error("draw random bytes")]
    Random(#[source] getrandom::Error),
    /// Signals could not be listened to.
    #[error("listen to signals")]
    Signals(#[source] io::Error),
    /// A node that the spec does not name has no address towards the cluster.
    #[error("find this node's own address towards {towards}: {reason}")]
    Address {
        /// A declared control plane.
        towards: IpAddr,
        /// What was seen.
        reason: String,
    },
}

/// A started agent.
pub struct Agent<H> {
    parts: Arc<Parts<H>>,
    identity: Arc<Identity>,
    server: Server,
    listener: TcpListener,
    first_boot: FirstBoot<H, GrpcPeers>,
    renewals: Renewals<H, renewal::grpc::GrpcPeers>,
    health: watch::Sender<Health>,
}

impl<H: Host> Agent<H> {
    /// Starts all parts. Returns when the port is open and gossip runs; calls are answered once [`Agent::run`] runs.
    pub async fn start(host: Arc<H>, paths: Paths) -> Result<Self, StartError> {
        let bundle = bundle::read(&*host, &paths.bundle()).await?;
        let bundle = key_rings::in_force(&*host, &paths, bundle).await;
        let bundle = trust::in_force(&*host, &paths, bundle).await;
        let node = context(&*host, &bundle).await?;
        tracing::info!(node = %node.node, role = %node.role, zone = %node.zone, generation = bundle.generation, "starting");
        let mut fresh = [0; 16];
        getrandom::fill(&mut fresh).map_err(StartError::Random)?;
        let (cluster, name) = (bundle.cluster_id, node.node.clone());
        let instance = InstanceId::from_bytes(fresh);
        let standing =
            StandingStore::open(Arc::clone(&host), &paths, cluster, name, instance).await?;
        let standing = Arc::new(standing);
        let identity = Arc::new(established(&*host, &paths, &bundle, &node.node).await?);
        let operations = Operations::open(Arc::clone(&host), paths.clone(), node.clone()).await?;
        // A manifest that was away for a restart when the agent ended: before anything looks at what lies here.
        let manifests = put_back_manifests(&*host, &paths).await;
        manifests.map_err(StartError::Manifests)?;
        operations.recover().await;

        let own = SocketAddr::new(node.address, node.spec.policies.agent_port);
        let start = Start::from_bundle(&bundle, node.node.clone(), own);
        let start = start.map_err(MembershipError::from)?;
        let exchange = GrpcExchange::new(identity.dialer(Limits::default()));
        let membership = Membership::start(start, Arc::clone(&host), &paths, exchange).await?;
        let listener = TcpListener::bind(own).await;
        let listener = listener.map_err(|source| StartError::Listen {
            address: own,
            source,
        })?;

        let peers = GrpcPeers::new(identity.dialer(Limits::default()), own.port());
        let first_boot = FirstBoot::new(
            Arc::clone(&host),
            paths.clone(),
            operations.clone(),
            Arc::clone(&standing),
            Arc::new(peers),
            bundle.generation,
        );
        let (health, seen) = watch::channel(Health::default());
        let sponsor = Sponsor::new(
            Arc::clone(&host),
            Arc::new(paths.clone()),
            operations.node(),
        );
        let parts = Arc::new(Parts {
            host,
            paths,
            sponsor,
            bundle,
            operations,
            standing,
            membership,
            first_boot: first_boot.progress(),
            health: seen,
            own_node: OwnNode::default(),
        });
        let rollouts = Rollouts::new(
            Arc::clone(&parts.host),
            Arc::new(parts.paths.clone()),
            parts.operations.clone(),
        );
        let peers = renewal::grpc::GrpcPeers::new(identity.dialer(Limits::default()), own.port());
        let renewals = Renewals::new(
            Arc::clone(&parts.host),
            Arc::new(parts.paths.clone()),
            parts.operations.clone(),
            rollouts.clone(),
            Arc::new(peers),
            parts.bundle.generation,
        );
        let mutual_trust = mutual_trust(&parts, &identity).await;
        let server = server(&parts, &identity, rollouts, renewals.clone(), mutual_trust)?;
        Ok(Self {
            parts,
            identity,
            server,
            listener,
            first_boot,
            renewals,
            health,
        })
    }

    /// This node's name.
    pub fn node(&self) -> NodeName {
        self.parts.operations.node().node.clone()
    }

    /// Runs until `stop`, or until a part ends by itself: the service manager then starts the agent anew.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let own_renewal = keep_renewed(
            Arc::clone(&self.parts.host),
            self.parts.paths.clone(),
            Arc::clone(&self.identity),
        );
        let settled = self.parts.first_boot.clone();
        let (ending, ended) = tokio::sync::oneshot::channel::<()>();
        let tended = tend(
            Arc::clone(&self.parts.host),
            self.parts.paths.clone(),
            self.parts.operations.clone(),
            self.parts.sponsor.clone(),
            self.parts.first_boot.clone(),
        );
        let serving = self.server.serve(self.listener, async {
            let _ = ended.await;
        });
        let serving = tokio::spawn(serving);
        let stopped = tokio::select! {
            () = stop => Ok(()),
            () = own_renewal => Ok(()),
            () = tended => Ok(()),
            () = renewal::watch(self.renewals, || settled.borrow().settled) => Ok(()),
            () = watch_node(Arc::clone(&self.parts), self.health) => Ok(()),
            () = expose(Arc::clone(&self.parts)) => Ok(()),
            broken = self.first_boot.run() => broken.map_err(StartError::from),
        };
        crate::notify::stopping();
        drop(ending);
        // Calls under way end within the server's own limit.
        let _ = serving.await;
        stopped
    }
}

/// What this node and others know each other by, to be exchanged while it runs.
async fn mutual_trust<H: Host>(parts: &Parts<H>, identity: &Arc<Identity>) -> MutualTrust<H> {
    let Parts {
        host,
        paths,
        bundle,
        membership,
        ..
    } = parts;
    MutualTrust {
        key_rings: KeyRings::new(Arc::clone(host), paths, bundle, membership.clone()),
        own_trust: OwnTrust::new(Arc::clone(host), paths, bundle, Arc::clone(identity)).await,
    }
}

/// The services over their duties.
fn server<H: Host>(
    parts: &Arc<Parts<H>>,
    identity: &Identity,
    rollouts: Rollouts<H>,
    renewals: Renewals<H, renewal::grpc::GrpcPeers>,
    mutual_trust: MutualTrust<H>,
) -> Result<Server, StartError> {
    let host = &parts.host;
    let registrar = match identity.introduction() {
        Introduction::Own(issuer) => {
            Registrar::of(&parts.bundle, Arc::clone(issuer), Arc::clone(host))?
        }
        Introduction::Peers { .. } => None,
    };
    let enrolment: Arc<dyn Enrolment> = match registrar {
        Some(registrar) => Arc::new(registrar),
        None => Arc::new(NoRegistrar),
    };
    let duties = Duties {
        observation: Arc::new(Observation(Arc::clone(parts))),
        operations: Arc::new(Gate(parts.operations.clone())),
        membership: Arc::new(parts.membership.clone()),
        bootstrap: Arc::new(Bootstrap(Arc::clone(parts))),
        sponsor: Arc::new(parts.sponsor.clone()),
        enrolment,
        kubeconfig: Arc::new(Kubeconfig(Arc::clone(host))),
        rollouts: Arc::new(rollouts),
        certificates: Arc::new(Certificates::new(
            Arc::clone(host),
            Arc::new(parts.paths.clone()),
            parts.operations.clone(),
            renewals,
        )),
        mutual_trust: Arc::new(mutual_trust),
    };
    Ok(Server::new(
        Arc::clone(identity.trust()),
        Arc::clone(identity.credential()),
        &duties,
    ))
}

/// The identity; a worker asks until a control plane lets it enrol, and says what it waits for.
async fn established<H: Host>(
    host: &H,
    paths: &Paths,
    bundle: &Bundle,
    node: &NodeName,
) -> Result<Identity, StartError> {
    let mut said = String::new();
    loop {
        match Identity::establish(host, paths, bundle, node).await {
            Ok(identity) => return Ok(identity),
            Err(
                error @ (IdentityError::NoIssuer { .. } | IdentityError::ExpiredAndNoIssuer { .. }),
            ) => {
                let why = chain(&error);
                if why != said {
                    tracing::info!(why, "waiting for a control plane to let this node enrol");
                    crate::notify::status(&format!("waiting to enrol: {why}"));
                    said = why;
                }
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(ENROL_EVERY).await;
    }
}

/// Who this node is. The host's name and address are asked for only where the bundle does not say.
async fn context<H: Host>(host: &H, bundle: &Bundle) -> Result<NodeContext, StartError> {
    let name = host.read(Path::new("/proc/sys/kernel/hostname")).await;
    let name = name.ok().flatten().unwrap_or_default();
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    let declared = bundle
        .node
        .as_ref()
        .and_then(|node| bundle.spec.declared(node));
    let address = match declared {
        Some((declared, _)) => declared.address,
        None => own_address(host, bundle).await?,
    };
    Ok(bundle::identify(bundle, &name, address)?)
}

/// The source address of packets to the first control plane (`ip -json route get`, iproute2 4.13 and newer).
async fn own_address<H: Host>(host: &H, bundle: &Bundle) -> Result<IpAddr, StartError> {
    #[derive(serde::Deserialize)]
    struct Route {
        prefsrc: IpAddr,
    }
    let first = bundle.spec.control_planes.first();
    let towards = first.map_or(IpAddr::from([0, 0, 0, 0]), |node| node.address);
    let fault = |reason: String| StartError::Address { towards, reason };
    let get = Command::new("ip", ["-json", "route", "get", &towards.to_string()]);
    let output = host
        .run(&get)
        .await
        .map_err(|error| fault(error.to_string()))?;
    let routes: Vec<Route> = serde_json::from_str(&output.stdout)
        .map_err(|error| fault(format!("{error}: {}", output.stderr.trim())))?;
    let route = routes.first().ok_or_else(|| fault("no route".to_owned()))?;
    Ok(route.prefsrc)
}
