//! First boot: asks the declared control planes, decides by pure code, acts through operations.
//!
//! The loop holds nothing that matters: what it does next is computed anew each time from the durable record, the node's
//! facts and the answers of the others. So it does not matter where the agent was killed. No rule lives here.

/// Doing the one thing that comes next.
mod act;
/// Peers over gRPC.
pub mod grpc;
/// The newest answers.
mod hearing;
/// What lies on this node.
pub mod here;
/// The joining side.
mod join;
/// Calls to other control planes.
pub mod peers;
/// Between two rounds.
mod rest;
/// The end of it.
mod settle;
/// What it shows of itself.
mod show;

pub use show::Progress;

use std::sync::Arc;
use std::time::Duration;

use hactl_node_plan::bootstrap::next::{Here, Situation, next};
use hactl_node_plan::bootstrap::record::Stage;
use hactl_node_plan::bootstrap::voter;
use hactl_node_plan::plan::left::{Left, left};
use hactl_node_plan::plan::plan;
use hactl_proto::Timestamp;
use hactl_proto::instruction::{Instruction, OperationId, Order};
use hactl_proto::role::NodeRole;
use hactl_proto::spec::DeclaredNode;
use tokio::sync::watch;

use crate::host::Host;
use crate::inspect::inspect;
use crate::operation::Operations;
use crate::paths::Paths;
use crate::standing::{StandingError, StandingStore};
use hearing::Hearing;
use peers::Peers;

/// How long the components of a node that is complete may take to come up, from when it was first seen complete in this
/// life of the agent and with no operation under way. A control plane whose
/// kubelet talks to its own API server was measured to need 75 s.
const GRACE: Duration = Duration::from_mins(10);
/// Between two rounds while something is awaited.
const ROUND: Duration = Duration::from_secs(1);
/// Between two rounds while components come up: the look at what is left of a join starts kubectl and kubeadm.
const HEALTH_ROUND: Duration = Duration::from_secs(3);
/// Between two rounds when the node is settled: what is looked for then is lost data.
const SETTLED_ROUND: Duration = Duration::from_secs(30);
/// Look again at once: something changed.
const AT_ONCE: Duration = Duration::ZERO;

/// The first boot of this node.
pub struct FirstBoot<H, P> {
    pub(super) host: Arc<H>,
    pub(super) paths: Paths,
    pub(super) operations: Operations<H>,
    pub(super) standing: Arc<StandingStore<H>>,
    pub(super) peers: Arc<P>,
    pub(super) generation: u64,
    pub(super) progress: watch::Sender<Progress>,
    hearing: Hearing,
    started: Timestamp,
    /// Since when what lies here is complete, with no operation under way.
    complete_since: Option<Timestamp>,
    failures: u32,
    /// How many members in a row did not admit this node.
    not_admitted: usize,
    /// Whom a worker asks next.
    turn: usize,
    /// A member was told how this node's join went. After a restart nobody knows: it is told again.
    completed: bool,
    /// The settled node was seen to have its part of the endpoint in place.
    tended: bool,
    /// Prerequisites were seen to hold. Read again after each failure; drift is the health digest's matter.
    prepared: bool,
}

impl<H: Host, P: Peers> FirstBoot<H, P> {
    /// The first boot of the node that `operations` belong to.
    pub fn new(
        host: Arc<H>,
        paths: Paths,
        operations: Operations<H>,
        standing: Arc<StandingStore<H>>,
        peers: Arc<P>,
        generation: u64,
    ) -> Self {
        let started = host.now();
        Self {
            host,
            paths,
            operations,
            standing,
            peers,
            generation,
            progress: watch::Sender::default(),
            hearing: Hearing::default(),
            started,
            complete_since: None,
            failures: 0,
            not_admitted: 0,
            turn: 0,
            completed: false,
            tended: false,
            prepared: false,
        }
    }

    /// Where it shows what it does.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Goes on until the task is dropped. An error is the record's: nothing can be promised without it.
    pub async fn run(mut self) -> Result<(), StandingError> {
        loop {
            let pause = self.round().await?;
            tokio::time::sleep(pause).await;
        }
    }

    /// One round: hear, decide, act. Gives how long to rest.
    async fn round(&mut self) -> Result<Duration, StandingError> {
        if let Some(running) = self.operations.current() {
            // Taken up after a restart, or given by the operator: one at a time.
            self.say("the end of the operation under way", running.id.as_str());
            self.complete_since = None;
            return Ok(ROUND);
        }
        let stage = self.standing.record().await.stage;
        if !matches!(stage, Stage::Member { settled: true, .. }) {
            self.hear().await?;
        }
        let here = self.here().await;
        let record = self.standing.record().await;
        let node = self.operations.node();
        let decided = next(&Situation {
            record: &record,
            spec: &node.spec,
            role: node.role,
            here: &here,
            peers: self.hearing.peers(),
        });
        self.act(decided).await
    }

    /// Asks the other declared control planes and keeps what is learnt of their instances. A worker asks one after the
    /// other: there may be thousands of it.
    async fn hear(&mut self) -> Result<(), StandingError> {
        let node = self.operations.node();
        let mut others: Vec<DeclaredNode> = node
            .spec
            .control_planes
            .iter()
            .filter(|one| one.name != node.node)
            .cloned()
            .collect();
        if node.role == NodeRole::Worker && !others.is_empty() {
            self.turn = (self.turn + 1) % others.len();
            others = vec![others.swap_remove(self.turn)];
        }
        let answers = self
            .hearing
            .ask(&self.peers, &others, self.host.now())
            .await;
        for answer in answers {
            let met = self
                .standing
                .change(|record| voter::meet(record, &node.spec, &answer).map(|next| (next, ())))
                .await?;
            if let Err(refusal) = met {
                tracing::debug!(peer = %answer.node, %refusal, "an answer is not taken in");
            }
        }
        Ok(())
    }

    async fn here(&mut self) -> Here {
        let node = self.operations.node();
        let lying = here::read(&*self.host, &node, &self.paths).await;
        // Nobody asks for it where Kubernetes serves: drift is mended once the node is settled.
        if !self.prepared && !lying.healthy {
            let facts = inspect(&*self.host, &node, &self.paths, self.operations.machine()).await;
            let planned = plan(&self.instruction(Order::Prepare), &node, &facts);
            self.prepared = planned.is_ok_and(|plan| plan.steps.is_empty());
        }
        let left = self.left(&lying).await;
        let now = self.host.now();
        if !lying.complete {
            self.complete_since = None;
        }
        let since = lying
            .complete
            .then(|| *self.complete_since.get_or_insert(now));
        let grace_over =
            since.is_some_and(|since| now.duration_since(since).unsigned_abs() > GRACE);
        // Once something lies here, it may be this node's own API server that answers.
        let endpoint_answers =
            lying.evidence.is_empty() && here::endpoint_answers(&*self.host, &node).await;
        Here {
            prepared: self.prepared,
            holding: lying.holding(grace_over),
            endpoint_answers,
            left,
        }
    }

    /// What is left of a join that an earlier life of the agent began. Asked only there: it runs kubectl.
    async fn left(&self, lying: &here::Lying) -> Left {
        let stage = self.standing.record().await.stage;
        if !lying.healthy || !matches!(stage, Stage::Member { settled: false, .. }) {
            return Left::Nothing;
        }
        let node = self.operations.node();
        let facts = inspect(&*self.host, &node, &self.paths, self.operations.machine()).await;
        left(&node, &facts)
    }

    /// An instruction of this node to itself.
    pub(super) fn instruction(&self, order: Order) -> Instruction {
        Instruction {
            id: OperationId::own(&order, self.host.now()),
            generation: self.generation,
            fence: None,
            order,
        }
    }
}
