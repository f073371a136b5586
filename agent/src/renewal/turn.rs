//! One turn: lease, gates, load balancers, the order, and back.

use std::collections::BTreeSet;
use std::time::Duration;

use hactl_node_plan::certificate::renewal::in_the_way;
use hactl_proto::instruction::{Fence, Instruction, OperationId, Order};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::RolloutOrder;
use hactl_proto::rotation::Authority::Kubernetes;
use hactl_proto::rotation::{RotationOrder, Stage};
use hactl_proto::spec::{ClusterSpec, DeclaredNode};

use super::lease::who;
use super::{Inner, Peers, Tale};
use crate::causes::chain;
use crate::host::Host;
use crate::inspect::kubernetes::api_server;
use crate::operation::Watch;

/// So long the others may take to be well.
const GATE_LIMIT: Duration = Duration::from_mins(15);
const GATE_EVERY: Duration = Duration::from_secs(5);
/// A story that says nothing new says again what it waits for: a silent connection may be a dead one.
const QUIET: Duration = Duration::from_secs(10);

/// What a turn is for.
pub(super) enum Work {
    /// What kubeadm signs is renewed.
    Renewal { without_api: bool },
    /// A rotation of a CA goes a stage on.
    Rotation(RotationOrder),
}

impl Work {
    fn of_pods(&self) -> bool {
        matches!(self, Self::Rotation(order) if order.stage == Stage::Pods)
    }
}

impl<H: Host, P: Peers> Inner<H, P> {
    pub(super) async fn renew(&self, without_api: bool, tale: &Tale) -> Outcome {
        if self.operations.node().role != NodeRole::ControlPlane {
            return gave_up(
                "begin",
                "this node is a worker: its kubelet renews its certificates",
                "Name a control plane.",
            );
        }
        if without_api {
            // The agent may be at the kubelet by itself: that takes minutes at most.
            let _turn = self.turn.lock().await;
            // Without its kubelet the node starts no pod.
            if let Err(reason) = self.mend_kubelet(tale).await {
                return gave_up(
                    "repair-kubelet",
                    &reason,
                    "See the agent's and the kubelet's log on the node, then renew again.",
                );
            }
            return self.order(None, Work::Renewal { without_api }, tale).await;
        }
        self.take_turn(tale, Work::Renewal { without_api }).await
    }

    /// Lease, gates and load balancers around the work.
    pub(super) async fn take_turn(&self, tale: &Tale, work: Work) -> Outcome {
        let Ok(_turn) = self.turn.try_lock() else {
            return gave_up(
                "begin",
                "a renewal or rotation is under way on this node",
                "Wait for its end: see `hactl-controller journal`.",
            );
        };
        let held = match self.take_lease(tale).await {
            Ok(held) => held,
            Err(observed) => {
                return gave_up(
                    "take-lease",
                    &observed,
                    "Wait for whoever holds it to end, or stop it, then renew again.",
                );
            }
        };
        let outcome = match self.gate(tale).await {
            Ok(()) if held.lost() => gave_up("take-lease", "another took it", "Renew again."),
            // Nothing of this node begins anew.
            Ok(()) if work.of_pods() => self.order(Some(held.fence), work, tale).await,
            Ok(()) => self.between(held.fence, work, tale).await,
            Err(reasons) => gave_up(
                "others-well",
                &reasons,
                "Bring them up first; one control plane restarts at a time, and only while all others are well.",
            ),
        };
        self.release_lease(held).await;
        outcome
    }

    /// The order, between letting go and taking back.
    async fn between(&self, fence: Fence, work: Work, tale: &Tale) -> Outcome {
        if let Err(reason) = self.note_turn(Some(fence)).await {
            return gave_up("record", &reason, "Make the agent's state folder writable.");
        }
        let outcome = match self.backends(Some(fence), true, tale).await {
            Ok(()) => self.order(Some(fence), work, tale).await,
            Err(reason) => gave_up(
                "release-backend",
                &reason,
                "Bring that node's agent and HAProxy up, then renew again.",
            ),
        };
        // Without the number: another may have the lease by now, and taking a node back hurts nobody.
        match self.backends(None, false, tale).await {
            Ok(()) => {
                if let Err(reason) = self.note_turn(None).await {
                    tracing::warn!("failed to {reason}");
                }
                outcome
            }
            Err(reason) => Outcome::Failed {
                step: "return-backend".to_owned(),
                error: match outcome {
                    Outcome::Succeeded => {
                        format!("take {} back: {reason}", self.operations.node().node)
                    }
                    other => format!(
                        "renew the certificates ({other}), and to take the node back: {reason}"
                    ),
                },
                done: vec!["renew-certificates".to_owned()],
                remedy: "The agent tries again every minute.".to_owned(),
            },
        }
    }

    /// Waits until every other control plane is well.
    async fn gate(&self, tale: &Tale) -> Result<(), String> {
        let since = self.host.now();
        let end = tokio::time::Instant::now() + GATE_LIMIT;
        loop {
            let spec = self.operations.node().spec.clone();
            let survey = self.rollouts.look(true).await;
            let reasons = match (&survey.cluster, survey.cluster_unknown) {
                (Some(cluster), _) => in_the_way(cluster, &spec, &self.serving(&spec).await),
                (None, reason) => {
                    vec![reason.unwrap_or_else(|| "the cluster can't be read".to_owned())]
                }
            };
            if reasons.is_empty() {
                return Ok(());
            }
            let reasons = reasons.join("; ");
            if tokio::time::Instant::now() >= end {
                return Err(reasons);
            }
            tale.waits("every control plane well", reasons, since);
            tokio::time::sleep(GATE_EVERY).await;
        }
    }

    async fn serving(&self, spec: &ClusterSpec) -> BTreeSet<NodeName> {
        let mut serving = BTreeSet::new();
        for DeclaredNode { name, address, .. } in &spec.control_planes {
            if api_server(&*self.host, *address).await.serves() {
                serving.insert(name.clone());
            }
        }
        serving
    }

    pub(super) async fn order(&self, fence: Option<Fence>, work: Work, tale: &Tale) -> Outcome {
        if let Work::Rotation(order) = &work
            && let Err(reason) = self.ready_kubelet(order).await
        {
            return gave_up(
                "kubelet-certificate",
                &reason,
                "Every control plane has to sign with the successor before; then go on.",
            );
        }
        let rotates = matches!(&work, Work::Rotation(order) if order.authority == Kubernetes);
        let kind = match &work {
            Work::Renewal { .. } => "renewal",
            Work::Rotation(_) => "rotation",
        };
        let name = format!("{kind}-{}", self.host.now().as_millisecond());
        let Ok(id) = OperationId::new(name) else {
            return gave_up(
                "begin",
                "the clock gives no name",
                "Set the node's clock right.",
            );
        };
        let instruction = Instruction {
            id: id.clone(),
            generation: self.generation,
            fence,
            order: Order::Rollout(match work {
                Work::Renewal { without_api } => RolloutOrder::RenewCertificates {
                    renewal: id,
                    without_api,
                },
                Work::Rotation(order) => RolloutOrder::RotateAuthority(order),
            }),
        };
        let outcome = match self.operations.submit(instruction).await {
            Ok(watch) => follow(watch, tale).await,
            Err(error) => gave_up(
                "begin",
                &chain(&error),
                "Wait for the operation under way, then renew again.",
            ),
        };
        if rotates && matches!(outcome, Outcome::Refused { .. }) {
            // Nobody may believe it yet.
            self.drop_kubelet_pairs().await;
        }
        outcome
    }

    /// Remembers that a turn was begun, or forgets it.
    async fn note_turn(&self, fence: Option<Fence>) -> Result<(), String> {
        let file = self.paths.certificates().join("turn.json");
        let done = match fence {
            Some(fence) => {
                let text = serde_json::json!({ "fence": fence.0 }).to_string();
                self.host.replace(&file, text.as_bytes(), 0o600).await
            }
            None => self.host.remove(&file).await,
        };
        done.map_err(|error| chain(&error))
    }

    /// What a turn left whose agent was ended: once its order is through, every load balancer takes this node back.
    pub(super) async fn mend(&self) -> Result<(), String> {
        let file = self.paths.certificates().join("turn.json");
        let begun = self.host.read(&file).await.map_err(|error| chain(&error))?;
        let Ok(_turn) = self.turn.try_lock() else {
            return Ok(());
        };
        let Some(begun) = begun.filter(|_| self.operations.current().is_none()) else {
            return Ok(());
        };
        tracing::info!("a renewal was interrupted: having the load balancers take this node back");
        self.backends(None, false, &Tale(None)).await?;
        self.note_turn(None).await?;
        let begun: serde_json::Value = serde_json::from_slice(&begun).unwrap_or_default();
        if let Some(fence) = begun["fence"].as_u64().map(Fence) {
            let who = who(&self.operations.node().node);
            // Others need not wait until it runs out. One that another has by now is left.
            if let Err(reason) = self.rollouts.let_go(&who, fence).await {
                tracing::warn!("failed to let the lease of the interrupted turn go: {reason}");
            }
        }
        Ok(())
    }
}

/// Tells an operation's story; what it waits for is said again while nothing new comes.
pub(super) async fn follow(mut watch: Watch, tale: &Tale) -> Outcome {
    let mut waiting = None;
    loop {
        match tokio::time::timeout(QUIET, watch.next()).await {
            Ok(Some(ReportEvent::Ended(outcome))) => return outcome,
            Ok(Some(event)) => {
                waiting = matches!(event, ReportEvent::Waiting(_)).then(|| event.clone());
                tale.tell(event);
            }
            Ok(None) => {
                return gave_up(
                    "renew-certificates",
                    "the agent ends; its next start goes on",
                    "Wait for it.",
                );
            }
            Err(_) => waiting
                .iter()
                .for_each(|event| tale.tell(ReportEvent::clone(event))),
        }
    }
}

/// Nothing was changed.
pub(super) fn gave_up(step: &str, observed: &str, remedy: &str) -> Outcome {
    Outcome::Failed {
        step: step.to_owned(),
        error: format!("have its turn: {observed}"),
        done: Vec::new(),
        remedy: remedy.to_owned(),
    }
}
