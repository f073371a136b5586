//! A control plane's part in rolling upgrades besides its own: it keeps the frozen plan, takes the cluster's lease for the
//! controller, which holds no rights in Kubernetes, and says what an upgrade has to know.
//!
//! What a node does to itself or to others comes as an order, through `operation`, and is not here.

mod lease;
mod package;
mod record;
mod survey;

pub(crate) use package::{installed_agent, is_of};

use std::sync::Arc;

use hactl_proto::instruction::Fence;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::agent::{AgentVersion, PackageDigest};
use hactl_proto::rollout::survey::NodeSurvey;
use hactl_proto::rollout::{LeaseAnswer, RolloutRecord};
use tokio::sync::Mutex;

use crate::api::duties;
use crate::api::failure::Failure;
use crate::host::Host;
use crate::operation::Operations;
use crate::paths::Paths;

/// This node's part in rolling upgrades. Cheap to clone.
#[derive(Debug)]
pub struct Rollouts<H> {
    host: Arc<H>,
    paths: Arc<Paths>,
    operations: Operations<H>,
    /// The version that runs.
    version: AgentVersion,
    /// One writer of the record at a time.
    writing: Arc<Mutex<()>>,
    /// A lease of another's that looks run out: its version, and since when it is seen.
    seen: Arc<std::sync::Mutex<Option<(String, tokio::time::Instant)>>>,
}

impl<H> Clone for Rollouts<H> {
    fn clone(&self) -> Self {
        Self {
            host: Arc::clone(&self.host),
            paths: Arc::clone(&self.paths),
            operations: self.operations.clone(),
            version: self.version,
            writing: Arc::clone(&self.writing),
            seen: Arc::clone(&self.seen),
        }
    }
}

impl<H: Host> Rollouts<H> {
    /// Of this node.
    pub fn new(host: Arc<H>, paths: Arc<Paths>, operations: Operations<H>) -> Self {
        Self {
            host,
            paths,
            operations,
            version: package::own_version(),
            writing: Arc::new(Mutex::new(())),
            seen: Arc::default(),
        }
    }

    /// As an agent of that version: for simulated ones, whose program is this one.
    #[must_use]
    pub fn running(self, version: AgentVersion) -> Self {
        Self { version, ..self }
    }

    /// Takes the lease for a renewal of this node's certificates.
    pub(crate) async fn hold(&self, who: &str) -> Result<LeaseAnswer, String> {
        self.take(who).await.map_err(|failure| failure.to_string())
    }

    /// Renews it, also while this node's own API server restarts; `false`: it is another's.
    pub(crate) async fn keep_holding(&self, who: &str, fence: Fence) -> Result<bool, String> {
        let kept = self.renew(who, fence).await;
        kept.map_err(|failure| failure.to_string())
    }

    /// Lets it go.
    pub(crate) async fn let_go(&self, who: &str, fence: Fence) -> Result<(), String> {
        let done = self.release(who, fence).await;
        done.map_err(|failure| failure.to_string())
    }

    /// Only control planes keep rollouts and reach the lease.
    fn only_control_planes(&self) -> Result<(), Failure> {
        let node = self.operations.node();
        if node.role == NodeRole::ControlPlane {
            return Ok(());
        }
        Err(Failure::Unsupported(format!(
            "{} is a worker: ask a control plane",
            node.node
        )))
    }
}

#[tonic::async_trait]
impl<H: Host> duties::Rollouts for Rollouts<H> {
    async fn survey(&self, cluster: bool) -> Result<NodeSurvey, Failure> {
        Ok(self.look(cluster).await)
    }

    async fn keep_package(&self, digest: PackageDigest, bytes: Vec<u8>) -> Result<(), Failure> {
        Self::keep_package(self, digest, &bytes).await
    }

    async fn rollout(&self) -> Result<Option<RolloutRecord>, Failure> {
        self.only_control_planes()?;
        self.kept().await
    }

    async fn keep(&self, record: RolloutRecord) -> Result<Option<RolloutRecord>, Failure> {
        self.only_control_planes()?;
        self.put(record).await
    }

    async fn take_lease(&self, who: &str) -> Result<LeaseAnswer, Failure> {
        self.only_control_planes()?;
        self.take(who).await
    }

    async fn renew_lease(&self, who: &str, fence: Fence) -> Result<bool, Failure> {
        self.only_control_planes()?;
        self.renew(who, fence).await
    }

    async fn release_lease(&self, who: &str, fence: Fence) -> Result<(), Failure> {
        self.only_control_planes()?;
        self.release(who, fence).await
    }
}
