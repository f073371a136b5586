//! Observing: asks all agents at once, each within the same limit, and keeps why one did not answer.
//!
//! Nothing is decided here, and nothing is changed on any node.

mod operator;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hactl_cluster_plan::observed::{Answer, Observed, ObservedNode, Silence};
use hactl_proto::Timestamp;
use hactl_proto::certificate::CertificateInventory;
use hactl_proto::finding::Finding;
use hactl_proto::member::MemberView;
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::RolloutRecord;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::status::NodeStatus;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

pub use operator::{Operator, chain};

/// So many agents are asked at the same time.
const AT_ONCE: usize = 32;

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The node: its agent is verified by this name.
    pub name: NodeName,
    /// What it is.
    pub role: NodeRole,
    /// Its zone.
    pub zone: ZoneName,
    /// Where its agent listens.
    pub address: SocketAddr,
    /// Whether the spec names it.
    pub declared: bool,
}

/// A way to agents. An error is a text for a person: the whole chain of causes.
pub trait Reach: Send + Sync + 'static {
    /// A connection to one agent.
    type Agent: Converse;

    /// Connects.
    fn reach(&self, target: &Target) -> impl Future<Output = Result<Self::Agent, String>> + Send;
}

/// What one agent is asked.
pub trait Converse: Send + Sync {
    /// What it says of itself.
    fn status(&self) -> impl Future<Output = Result<NodeStatus, String>> + Send;
    /// Whom it sees.
    fn members(&self) -> impl Future<Output = Result<Vec<MemberView>, String>> + Send;
    /// What its checks find now.
    fn inspect(&self) -> impl Future<Output = Result<Vec<Finding>, String>> + Send;
    /// The rollout that it keeps, where it is a control plane.
    fn rollout(&self) -> impl Future<Output = Kept> + Send;
    /// Which certificates it has now.
    fn certificates(&self) -> impl Future<Output = Result<CertificateInventory, String>> + Send;
}

/// The rollout that a control plane keeps, or why that is not known.
pub type Kept = Result<Option<RolloutRecord>, String>;

/// What the asking is about, and its bounds.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// The hactl cluster.
    pub cluster: ClusterId,
    /// The generation of the operator's spec.
    pub generation: u64,
    /// The operator's spec.
    pub spec: ClusterSpec,
    /// How long one node may take for all that it is asked.
    pub limit: Duration,
}

/// Every declared node, in the spec's order.
pub fn declared(spec: &ClusterSpec) -> Vec<Target> {
    let control_planes = spec
        .control_planes
        .iter()
        .map(|node| (node, NodeRole::ControlPlane));
    let workers = spec.workers.iter().map(|node| (node, NodeRole::Worker));
    control_planes
        .chain(workers)
        .map(|(node, role)| Target {
            name: node.name.clone(),
            role,
            zone: node.zone.clone(),
            address: SocketAddr::new(node.address, spec.policies.agent_port),
            declared: true,
        })
        .collect()
}

/// Asks every declared node for its status and its view, then, once, the nodes that only their views name.
pub async fn observe<R: Reach>(reach: &Arc<R>, inquiry: &Inquiry) -> Observed {
    let mut observed = Observed {
        at: Timestamp::now(),
        cluster: inquiry.cluster,
        generation: inquiry.generation,
        nodes: look_at(reach, declared(&inquiry.spec), inquiry.limit).await,
        spec: inquiry.spec.clone(),
    };
    let enrolled: Vec<Target> = observed
        .undeclared()
        .into_iter()
        .map(|(name, role, zone, address)| Target {
            name,
            role,
            zone,
            address,
            declared: false,
        })
        .collect();
    observed
        .nodes
        .extend(look_at(reach, enrolled, inquiry.limit).await);
    observed.at = Timestamp::now();
    observed
}

async fn look_at<R: Reach>(
    reach: &Arc<R>,
    targets: Vec<Target>,
    limit: Duration,
) -> Vec<ObservedNode> {
    all(reach, targets, limit, |agent, deadline| async move {
        tokio::join!(
            within(deadline, agent.status()),
            within(deadline, agent.members())
        )
    })
    .await
    .into_iter()
    .map(|(target, since, tried, answer)| {
        let (status, members) = match answer {
            Ok((status, members)) => (status, members),
            Err(reason) => (Err(reason.clone()), Err(reason)),
        };
        ObservedNode {
            address: address(&target),
            name: target.name,
            role: target.role,
            zone: target.zone,
            declared: target.declared,
            status: answered(status, since, tried),
            members: answered(members, since, tried),
        }
    })
    .collect()
}

/// Runs every target's checks, all at once.
pub async fn inspect<R: Reach>(
    reach: &Arc<R>,
    targets: Vec<Target>,
    limit: Duration,
) -> Vec<(Target, Answer<Vec<Finding>>)> {
    all(reach, targets, limit, |agent, deadline| async move {
        within(deadline, agent.inspect()).await
    })
    .await
    .into_iter()
    .map(|(target, since, tried, answer)| {
        let findings = answer.and_then(|findings| findings);
        (target, answered(findings, since, tried))
    })
    .collect()
}

/// Asks every declared control plane for the rollout that it keeps, all at once.
pub async fn rollouts<R: Reach>(
    reach: &Arc<R>,
    spec: &ClusterSpec,
    limit: Duration,
) -> Vec<(NodeName, Kept)> {
    let mut targets = declared(spec);
    targets.retain(|target| target.role == NodeRole::ControlPlane);
    all(reach, targets, limit, |agent, deadline| async move {
        within(deadline, agent.rollout()).await
    })
    .await
    .into_iter()
    .map(|(target, _, _, kept)| (target.name, kept.and_then(|kept| kept)))
    .collect()
}

/// Asks every target for its certificates, all at once.
pub async fn certificates<R: Reach>(
    reach: &Arc<R>,
    targets: Vec<Target>,
    limit: Duration,
) -> Vec<(Target, Answer<CertificateInventory>)> {
    all(reach, targets, limit, |agent, deadline| async move {
        within(deadline, agent.certificates()).await
    })
    .await
    .into_iter()
    .map(|(target, since, tried, answer)| {
        let inventory = answer.and_then(|inventory| inventory);
        (target, answered(inventory, since, tried))
    })
    .collect()
}

/// Asks every target one thing, all at once.
pub async fn each<R, T, C, F>(
    reach: &Arc<R>,
    targets: Vec<Target>,
    limit: Duration,
    ask: C,
) -> Vec<(Target, Answer<T>)>
where
    R: Reach,
    T: Send + 'static,
    C: Fn(R::Agent) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<T, String>> + Send + 'static,
{
    all(reach, targets, limit, move |agent, deadline| {
        within(deadline, ask(agent))
    })
    .await
    .into_iter()
    .map(|(target, since, tried, answer)| {
        let answer = answer.and_then(|answer| answer);
        (target, answered(answer, since, tried))
    })
    .collect()
}

type Asked<T> = (Target, Timestamp, Duration, Result<T, String>);

/// Connects to every target and has the conversation; gives the results in the order of the targets.
async fn all<R, T, C, F>(
    reach: &Arc<R>,
    targets: Vec<Target>,
    limit: Duration,
    converse: C,
) -> Vec<Asked<T>>
where
    R: Reach,
    T: Send + 'static,
    C: Fn(R::Agent, Instant) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    let mut results: Vec<Option<Asked<T>>> = targets.iter().map(|_| None).collect();
    for (at, target) in targets.into_iter().enumerate() {
        let (reach, slots) = (Arc::clone(reach), Arc::clone(&slots));
        asking.spawn(async move {
            // The semaphore is never closed.
            let _slot = slots.acquire_owned().await;
            let (since, begun) = (Timestamp::now(), Instant::now());
            let deadline = begun + limit;
            let result = match within(deadline, reach.reach(&target)).await {
                Ok(agent) => Ok(converse(agent, deadline).await),
                Err(reason) => Err(reason),
            };
            (at, (target, since, begun.elapsed(), result))
        });
    }
    while let Some(joined) = asking.join_next().await {
        // A task that panicked leaves its place empty: the node is left out, and a test would have told.
        if let Ok((at, asked)) = joined {
            results[at] = Some(asked);
        }
    }
    results.into_iter().flatten().collect()
}

async fn within<T>(
    deadline: Instant,
    asking: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match timeout_at(deadline, asking).await {
        Ok(answer) => answer,
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn answered<T>(answer: Result<T, String>, since: Timestamp, tried: Duration) -> Answer<T> {
    match answer {
        Ok(answer) => Answer::Said(answer),
        Err(reason) => Answer::Silent(Silence {
            since,
            tried_ms: u64::try_from(tried.as_millis()).unwrap_or(u64::MAX),
            reason,
        }),
    }
}

fn address(target: &Target) -> IpAddr {
    target.address.ip()
}
