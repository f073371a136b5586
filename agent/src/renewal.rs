//! Renewal of Kubernetes' certificates, by the control planes' agents themselves: no controller has to run. Rotation of their CAs takes the
//! same turns, each begun by a controller.
//!
//! Whoever's certificates are due takes the cluster's lease, the same as joins and rollouts take (I1), so that control planes go one after
//! another whoever begins first. Then it looks whether all others are well (I2, I3), has every load balancer let it go (I6), gives itself
//! the order, is taken back, and lets the lease go. The order itself is checked, journaled and gone on with as every order is.

/// The cluster's CA.
mod authority;
mod backends;
/// The peers over gRPC.
pub mod grpc;
mod kubelet;
mod lease;
mod peers;
mod policy;
mod rehearsal;
mod rotate;
mod serving;
mod successor;
mod turn;
mod yielding;

pub use peers::Peers;
pub use policy::watch;

use std::sync::Arc;

use hactl_proto::Timestamp;
use hactl_proto::certificate::RenewalRehearsal;
use hactl_proto::report::{Outcome, ReportEvent, Waiting};
use hactl_proto::rotation::{Authority, Fingerprint, RotationTurn, TrustSeen};
use hactl_proto::secret::Secret;
use tokio::sync::mpsc::{Receiver, channel};

use crate::host::Host;
use crate::operation::Operations;
use crate::paths::Paths;
use crate::rollout::Rollouts;

/// Lines that a slow listener may be behind.
const BEHIND: usize = 64;

/// This node's renewals. Cheap to clone.
pub struct Renewals<H, P> {
    inner: Arc<Inner<H, P>>,
}

struct Inner<H, P> {
    host: Arc<H>,
    paths: Arc<Paths>,
    operations: Operations<H>,
    rollouts: Rollouts<H>,
    peers: Arc<P>,
    generation: u64,
    /// One renewal at a time on this node.
    turn: tokio::sync::Mutex<()>,
}

impl<H, P> Clone for Renewals<H, P> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<H: Host, P: Peers> Renewals<H, P> {
    /// Of this node.
    pub fn new(
        host: Arc<H>,
        paths: Arc<Paths>,
        operations: Operations<H>,
        rollouts: Rollouts<H>,
        peers: Arc<P>,
        generation: u64,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                host,
                paths,
                operations,
                rollouts,
                peers,
                generation,
                turn: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Renews now, in a task of its own: whoever asked may go away. The last event is the end.
    pub fn begin(&self, without_api: bool) -> Receiver<ReportEvent> {
        let (sender, receiver) = channel(BEHIND);
        let renewals = self.clone();
        tokio::spawn(async move {
            let tale = Tale(Some(sender.clone()));
            let outcome = renewals.inner.renew(without_api, &tale).await;
            // A listener who has gone away is fine.
            let _ = sender.send(ReportEvent::Ended(outcome)).await;
        });
        receiver
    }

    /// Renews to the end.
    pub async fn renew(&self, without_api: bool) -> Outcome {
        self.inner.renew(without_api, &Tale(None)).await
    }

    /// Another control plane restarts its API server, and this node's load balancer lets it go, or takes it back.
    pub async fn yield_backend(
        &self,
        caller: &hactl_proto::name::NodeName,
        fence: Option<hactl_proto::instruction::Fence>,
        release: bool,
    ) -> Result<(), String> {
        self.inner.yield_backend(caller, fence, release).await
    }

    /// This node's part in a CA.
    pub async fn trust(&self, authority: Authority) -> TrustSeen {
        self.inner.trust(authority).await
    }

    /// Carries a rotation of a CA one stage on, in a task of its own. The last event is the end.
    pub fn begin_rotation(&self, turn: RotationTurn) -> Receiver<ReportEvent> {
        let (sender, receiver) = channel(BEHIND);
        let renewals = self.clone();
        tokio::spawn(async move {
            let tale = Tale(Some(sender.clone()));
            let outcome = renewals.inner.rotate(turn, &tale).await;
            // A listener who has gone away is fine.
            let _ = sender.send(ReportEvent::Ended(outcome)).await;
        });
        receiver
    }

    /// Carries it to the stage's end.
    pub async fn rotate(&self, turn: RotationTurn) -> Outcome {
        self.inner.rotate(turn, &Tale(None)).await
    }

    /// Certificate and key of a CA, for a control plane whose turn in its rotation it is.
    pub async fn give_pair(
        &self,
        caller: &hactl_proto::name::NodeName,
        authority: Authority,
        of: &Fingerprint,
        fence: hactl_proto::instruction::Fence,
    ) -> Result<(String, Secret), String> {
        self.inner.give_pair(caller, authority, of, fence).await
    }

    /// Goes through a renewal in a copy of this node's certificates and keys.
    pub async fn rehearse(&self) -> Result<RenewalRehearsal, String> {
        self.inner.rehearse().await
    }

    /// Signs for the kubelet of the node that asks, whose own certificate has ended or is of a CA that is given up.
    pub async fn sign_kubelet(
        &self,
        caller: &hactl_proto::name::NodeName,
        request: &str,
        serving: bool,
    ) -> Result<String, String> {
        self.inner.sign_kubelet(caller, request, serving).await
    }
}

/// To whom a renewal tells what it does.
struct Tale(Option<tokio::sync::mpsc::Sender<ReportEvent>>);

impl Tale {
    fn tell(&self, event: ReportEvent) {
        if let ReportEvent::Waiting(wait) = &event {
            tracing::info!(
                condition = wait.condition,
                observed = wait.observed,
                "waiting"
            );
        }
        if let Some(listener) = &self.0 {
            // One that is slow or gone misses lines, never the end.
            let _ = listener.try_send(event);
        }
    }

    fn waits(&self, condition: &str, observed: String, since: Timestamp) {
        self.tell(ReportEvent::Waiting(Waiting {
            condition: condition.to_owned(),
            since,
            observed,
        }));
    }
}
