//! Does the one thing that comes next, and says how long to rest after it.

use std::time::Duration;

use hactl_node_plan::bootstrap::candidate;
use hactl_node_plan::bootstrap::next::Next;
use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::bootstrap::voter::{self, Caller, Witness};
use hactl_proto::instruction::{Instruction, Order};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::spec::DeclaredNode;
use hactl_proto::standing::{ClusterIdentity, GrantRefusal, GrantRequest};

use super::peers::Peers;
use super::{AT_ONCE, FirstBoot, HEALTH_ROUND, ROUND, here};
use crate::host::Host;
use crate::standing::StandingError;

impl<H: Host, P: Peers> FirstBoot<H, P> {
    pub(super) async fn act(&mut self, next: Next) -> Result<Duration, StandingError> {
        Ok(match next {
            Next::Prepare => {
                self.carry_out(self.instruction(Order::Prepare)).await;
                // What cannot be mended is not tried every second.
                self.rest()
            }
            Next::Learn { identity, by } => self.learn(&identity, &by).await?,
            Next::AwaitPeers { missing } => {
                let silent = self.silent(&missing);
                self.say("every declared control plane to answer", &silent);
                ROUND
            }
            Next::RequestGrants {
                request,
                from,
                refusals,
            } => self.request_grants(request, from, &refusals).await?,
            Next::Init(record) => self.init(record).await?,
            Next::AwaitMember { candidate, missing } => {
                self.await_member(candidate.as_ref(), &missing);
                self.rest_while_waiting()
            }
            Next::AwaitHealth { observed } => {
                self.say("this node's components to be healthy", &observed);
                HEALTH_ROUND
            }
            Next::Settle(identity) => {
                // The join succeeded before the agent was ended.
                self.complete(None, Outcome::Succeeded).await;
                self.settle(identity).await?
            }
            Next::Join { role, via, clean } => self.join(role, &via, clean).await?,
            Next::Done => self.stay().await,
            Next::Refuse { findings } => self.refuse(findings),
        })
    }

    async fn learn(
        &self,
        identity: &ClusterIdentity,
        by: &Witness,
    ) -> Result<Duration, StandingError> {
        let rule = |record: &Record| voter::adopt(record, by, identity).map(|next| (next, ()));
        if let Err(refusal) = self.standing.change(rule).await? {
            tracing::warn!(%refusal, "this node does not take the cluster for its own");
            return Ok(ROUND);
        }
        tracing::info!(
            ca = identity.ca_fingerprint,
            "there is a cluster: this node joins it"
        );
        Ok(AT_ONCE)
    }

    /// Promises to itself first: the same rule as any voter's.
    async fn request_grants(
        &mut self,
        request: GrantRequest,
        from: Vec<NodeName>,
        refusals: &[(NodeName, GrantRefusal)],
    ) -> Result<Duration, StandingError> {
        let node = self.operations.node();
        let caller = Caller::control_plane(node.node.clone());
        let lying = here::read(&*self.host, &node, &self.paths).await;
        let own = self
            .standing
            .change(|record| voter::grant(record, &node.spec, &lying.evidence, &caller, &request))
            .await?;
        if let Err(refusal) = own {
            tracing::warn!(%refusal, "this node does not grant to itself");
            return Ok(ROUND);
        }
        let said: Vec<String> = refusals
            .iter()
            .map(|(node, refusal)| format!("{node}: {refusal}"))
            .collect();
        let names: Vec<&str> = from.iter().map(NodeName::as_str).collect();
        let observed = if said.is_empty() {
            names.join(", ")
        } else {
            said.join("; ")
        };
        self.say("the grants of all that have to grant", &observed);
        let of = self.declared(&from);
        let peers = std::sync::Arc::clone(&self.peers);
        self.hearing.request_grants(&peers, of, &request).await;
        // With nothing refused before, the answers decide now.
        Ok(if refusals.is_empty() { AT_ONCE } else { ROUND })
    }

    /// The record says that an init may have begun before it begins.
    async fn init(&mut self, begun: Record) -> Result<Duration, StandingError> {
        let rule = |record: &Record| candidate::begin(record, &begun).map(|next| (next, ()));
        if let Err(refusal) = self.standing.change(rule).await? {
            tracing::warn!(%refusal, "something changed before the init began");
            return Ok(ROUND);
        }
        if !self.carry_out(self.instruction(Order::Init)).await {
            return Ok(self.rest());
        }
        let node = self.operations.node();
        let lying = here::read(&*self.host, &node, &self.paths).await;
        match lying.identity {
            Some(identity) if lying.complete => self.settle(identity).await,
            _ => Ok(self.rest()),
        }
    }

    /// Carries an instruction out; whether it succeeded.
    async fn carry_out(&mut self, instruction: Instruction) -> bool {
        self.outcome(instruction).await == Outcome::Succeeded
    }

    pub(super) async fn outcome(&mut self, instruction: Instruction) -> Outcome {
        self.progress
            .send_if_modified(|progress| progress.waiting.take().is_some());
        let step = instruction.order.kind().to_owned();
        let failed = |error: String| Outcome::Failed {
            step,
            error,
            done: Vec::new(),
            remedy: "It is tried again.".to_owned(),
        };
        let outcome = match self.operations.submit(instruction).await {
            Ok(watch) => watch
                .outcome()
                .await
                .unwrap_or_else(|| failed("the agent ends".to_owned())),
            Err(error) => failed(error.to_string()),
        };
        self.complete_since = None;
        if outcome == Outcome::Succeeded {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.prepared = false;
        }
        if let Outcome::Refused { findings } = &outcome {
            let _ = self.refuse(findings.clone());
        }
        outcome
    }

    pub(super) fn declared(&self, names: &[NodeName]) -> Vec<DeclaredNode> {
        let node = self.operations.node();
        let declared = |name: &NodeName| node.spec.declared(name).map(|(one, _)| one.clone());
        names.iter().filter_map(declared).collect()
    }
}
