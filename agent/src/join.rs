//! Join, the member's side: admits a node, mints what it needs, and removes it again.
//!
//! Everything that outlives a call is in the cluster itself: the lease says which control plane joins, a token's description says for whom it
//! was minted. So any member can complete or clean up what another one began, and a restart loses nothing.

mod admit;
mod certificates;
pub(crate) mod cluster;
mod complete;
mod error;
mod held;
mod member;
mod say;
mod token;

pub use error::JoinError;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use hactl_node_plan::plan::NodeContext;
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::AbortHandle;

use crate::api::duties;
use crate::api::failure::Failure;
use crate::host::Host;
use crate::paths::Paths;
use say::Say;

/// A member of the Kubernetes cluster that lets others join through it. Cheap to clone.
#[derive(Debug)]
pub struct Sponsor<H> {
    inner: Arc<Inner<H>>,
}

#[derive(Debug)]
struct Inner<H> {
    host: Arc<H>,
    paths: Arc<Paths>,
    node: RwLock<Arc<NodeContext>>,
    /// Tasks that renew the lease, by the joiner that it is held for.
    renewals: Mutex<BTreeMap<NodeName, AbortHandle>>,
    /// Workers that a token was minted for in this life of the agent: somebody waits for them.
    minted: Mutex<BTreeSet<NodeName>>,
}

impl<H> Clone for Sponsor<H> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<H: Host> Sponsor<H> {
    /// A sponsor on this node. It serves once the node is a member; before, it says so to whoever asks.
    pub fn new(host: Arc<H>, paths: Arc<Paths>, node: Arc<NodeContext>) -> Self {
        Self {
            inner: Arc::new(Inner {
                host,
                paths,
                node: RwLock::new(node),
                renewals: Mutex::new(BTreeMap::new()),
                minted: Mutex::new(BTreeSet::new()),
            }),
        }
    }

    /// The spec changed.
    pub fn set_node(&self, node: Arc<NodeContext>) {
        *self
            .inner
            .node
            .write()
            .unwrap_or_else(PoisonError::into_inner) = node;
    }

    fn node(&self) -> Arc<NodeContext> {
        let node = self
            .inner
            .node
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&node)
    }

    fn host(&self) -> &H {
        &self.inner.host
    }

    fn minted(&self) -> MutexGuard<'_, BTreeSet<NodeName>> {
        self.inner
            .minted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl<H: Host> duties::Sponsor for Sponsor<H> {
    async fn admit(
        &self,
        applicant: Applicant,
    ) -> Result<Receiver<Result<Admission, Failure>>, Failure> {
        let (to, answers) = mpsc::channel(8);
        let sponsor = self.clone();
        tokio::spawn(async move {
            let mut say = Say::new(to);
            let answer = sponsor.admit(&applicant, &mut say).await;
            let admitted = answer.is_ok();
            let heard = say.last(answer.map_err(Failure::from)).await;
            if admitted && !heard {
                sponsor.abandon(&applicant.node).await;
            }
        });
        Ok(answers)
    }

    async fn complete(&self, node: NodeName, outcome: Outcome) -> Result<(), Failure> {
        Ok(Self::complete(self, &node, &outcome).await?)
    }
}
