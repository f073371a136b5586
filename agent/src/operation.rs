//! Operations: one instruction at a time, from acceptance to its report.
//!
//! An operation runs in a task of its own: whoever gave it may go away, and any number may watch. Each line of its story is
//! in the journal before its effect, so that the next start of the agent finds what was under way.

/// From facts to the outcome.
mod drive;
/// After a restart.
mod recover;
/// What an operation says of itself, to many watchers.
mod story;

pub use story::Watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::run::{Admission, Ledger, Rejection};
use hactl_proto::instruction::{Fence, Instruction, OperationId, Order};
use hactl_proto::report::{OperationStatus, ReportEvent};

use crate::host::Host;
use crate::inspect::machine::MachineInspector;
use crate::journal::{Entry, Journal, JournalError, Past, PastOperation};
use crate::paths::Paths;
use story::Story;

/// Why an instruction did not become an operation. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It was refused.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It could not be recorded, and what can't be recorded is not begun.
    #[error("record the operation")]
    Journal(#[from] JournalError),
    /// The agent is ending.
    #[error("begin an operation: the agent is ending")]
    Ending,
}

/// This node's operations. Cheap to clone.
#[derive(Debug)]
pub struct Operations<H> {
    inner: Arc<Inner<H>>,
}

#[derive(Debug)]
struct Inner<H> {
    host: Arc<H>,
    paths: Arc<Paths>,
    node: RwLock<Arc<NodeContext>>,
    machine: MachineInspector,
    /// Held while an instruction is admitted, so that two at once are one after the other.
    journal: tokio::sync::Mutex<Journal<H>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    story: Story,
    past: Past,
}

impl<H> Clone for Operations<H> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<H: Host> Operations<H> {
    /// Opens the journal. Call [`Operations::recover`] next, before any instruction is taken.
    pub async fn open(host: Arc<H>, paths: Paths, node: NodeContext) -> Result<Self, JournalError> {
        let folder: PathBuf = paths.journal();
        let (journal, past) = Journal::open(Arc::clone(&host), folder).await?;
        for note in &past.notes {
            tracing::warn!("the journal was damaged: {note}");
        }
        let ended = past.operations.iter().filter(|one| one.outcome.is_some());
        let ledger = Ledger::of_past(past.highest_fence, ended.map(PastOperation::status));
        let state = State {
            ledger,
            story: Story::default(),
            past,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                host,
                machine: MachineInspector::new(paths.clone()),
                paths: Arc::new(paths),
                node: RwLock::new(Arc::new(node)),
                journal: tokio::sync::Mutex::new(journal),
                state: Mutex::new(state),
            }),
        })
    }

    /// What reads this machine's facts: one for all who look, so that it remembers for all.
    pub fn machine(&self) -> &MachineInspector {
        &self.inner.machine
    }

    /// Takes an instruction on: it is in the journal when this returns, and goes on whether or not the caller stays.
    /// The same id again gives the same operation.
    pub async fn submit(&self, instruction: Instruction) -> Result<Watch, SubmitError> {
        let engine = self.clone();
        // A task of its own: a caller who goes away between the journal's line and the beginning must not leave the one
        // without the other.
        tokio::spawn(async move { engine.accept(instruction).await })
            .await
            .map_err(|_| SubmitError::Ending)?
    }

    /// Watches an operation: what it said so far, then what it says.
    pub fn watch(&self, id: &OperationId) -> Option<Watch> {
        let state = self.state();
        let status = state.ledger.status(id)?;
        Some(match &status.outcome {
            Some(outcome) => Watch::ended(id.clone(), outcome.clone()),
            None => state.story.watch(id.clone()),
        })
    }

    /// One operation.
    pub fn status(&self, id: &OperationId) -> Option<OperationStatus> {
        self.state().ledger.status(id).cloned()
    }

    /// The operation under way.
    pub fn current(&self) -> Option<OperationStatus> {
        self.state().ledger.current().cloned()
    }

    /// The operations that are remembered, newest first.
    pub fn all(&self) -> Vec<OperationStatus> {
        self.state().ledger.all().cloned().collect()
    }

    /// What the journal told at the start.
    pub fn past(&self) -> Past {
        self.state().past.clone()
    }

    /// Who this node is, as the next operation will see it.
    pub fn node(&self) -> Arc<NodeContext> {
        let node = self.inner.node.read();
        Arc::clone(&node.unwrap_or_else(PoisonError::into_inner))
    }

    /// Another spec, or another address: from the next operation on.
    pub fn set_node(&self, node: NodeContext) {
        let held = self.inner.node.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(node);
    }

    async fn accept(&self, instruction: Instruction) -> Result<Watch, SubmitError> {
        let mut journal = self.inner.journal.lock().await;
        let admission = self.state().ledger.admit(&instruction)?;
        if let Admission::Same(status) = admission {
            return self.watch(&status.id).ok_or(SubmitError::Ending);
        }
        let highest = self.state().ledger.highest_fence();
        journal.rotate(highest).await?;
        journal.record(accepted(&instruction)).await?;
        let status = OperationStatus {
            id: instruction.id.clone(),
            kind: instruction.order.kind().to_owned(),
            accepted: self.inner.host.now(),
            step: None,
            waiting: None,
            outcome: None,
        };
        let watch = self.begin(status, instruction.fence);
        drop(journal);
        let engine = self.clone();
        tokio::spawn(async move { engine.drive(instruction).await });
        Ok(watch)
    }

    /// The operation is the one under way from now on.
    fn begin(&self, status: OperationStatus, fence: Option<Fence>) -> Watch {
        let mut state = self.state();
        let id = status.id.clone();
        state.ledger.begin(status, fence);
        state.story = Story::default();
        state.story.watch(id)
    }

    /// Tells a line of the story to the ledger and to all who watch.
    fn tell(&self, event: ReportEvent) {
        let mut state = self.state();
        state.ledger.apply(&event);
        state.story.tell(event);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal's line of an instruction that was taken on.
fn accepted(instruction: &Instruction) -> Entry {
    Entry::Accepted {
        id: instruction.id.clone(),
        kind: instruction.order.kind().to_owned(),
        generation: instruction.generation,
        fence: instruction.fence,
        order: match &instruction.order {
            Order::Rollout(order) => Some(order.clone()),
            _ => None,
        },
    }
}
