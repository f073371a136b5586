//! What verbs that ask agents share: the state folder's spec, the person's certificate, a runtime.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hactl_cluster_plan::observed::Observed;
use hactl_proto::name::NodeName;

use super::Common;
use crate::exit::Failure;
use crate::observe::{Inquiry, Operator, Target, declared, observe};
use crate::state::{self, Kept};

/// A person at a cluster.
pub(super) struct Session {
    pub(super) kept: Kept,
    pub(super) operator: Arc<Operator>,
    pub(super) limit: Duration,
}

impl Session {
    /// Opens the state folder. Nobody is asked yet.
    pub(super) fn open(common: &Common) -> Result<Self, Failure> {
        Self::open_patiently(common, Duration::ZERO)
    }

    /// The same for questions that every node has at least so long to answer.
    pub(super) fn open_patiently(common: &Common, least: Duration) -> Result<Self, Failure> {
        let folder = common.places().existing()?;
        let kept = state::read_present(&folder)?;
        let limit = common.limit().max(least);
        let operator = Operator::in_folder(&folder, &common.person, limit).map_err(
            Failure::failed(format!("use the certificate of {}", common.person)),
        )?;
        Ok(Self {
            kept,
            operator: Arc::new(operator),
            limit,
        })
    }

    /// Asks everybody for status and view.
    pub(super) async fn observe(&self) -> Observed {
        let inquiry = Inquiry {
            cluster: self.operator.cluster(),
            generation: self.kept.generation,
            spec: self.kept.spec.clone(),
            limit: self.limit,
        };
        observe(&self.operator, &inquiry).await
    }

    /// The node of that name: declared, or known to those that are.
    pub(super) async fn target(&self, name: &NodeName) -> Result<Target, Failure> {
        let find = |targets: Vec<Target>| targets.into_iter().find(|target| target.name == *name);
        if let Some(target) = find(declared(&self.kept.spec)) {
            return Ok(target);
        }
        let observed = self.observe().await;
        find(targets(&observed, self.kept.spec.policies.agent_port)).ok_or_else(|| {
            Failure::Usage(format!(
                "no node {name}: the spec does not declare it, and no agent that answers knows it"
            ))
        })
    }
}

/// Everybody who was asked.
pub(super) fn targets(observed: &Observed, port: u16) -> Vec<Target> {
    let target = |node: &hactl_cluster_plan::observed::ObservedNode| Target {
        name: node.name.clone(),
        role: node.role,
        zone: node.zone.clone(),
        address: (node.address, port).into(),
        declared: node.declared,
    };
    observed.nodes.iter().map(target).collect()
}

/// Runs the asking on this thread.
pub(super) fn wait<T>(asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(Failure::failed("start the asking"))?
        .block_on(asking)
}
