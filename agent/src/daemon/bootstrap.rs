//! The duty of bootstrap: the pure rules applied to the one record, on disk before they are answered.

use std::sync::Arc;

use hactl_node_plan::bootstrap::overrule;
use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::bootstrap::voter::{self, Caller};
use hactl_proto::name::NodeName;
use hactl_proto::role::CallerRole;
use hactl_proto::standing::{
    GrantRefusal, GrantRequest, GrantVerdict, MemberAnnouncement, Override, StandingAnswer,
};

use super::Parts;
use crate::api::{Failure, duties};
use crate::first_boot::here;
use crate::host::Host;
use crate::standing::StandingError;

/// Answers for this node's standing.
pub(super) struct Bootstrap<H>(pub(super) Arc<Parts<H>>);

impl<H: Host> Bootstrap<H> {
    async fn lying(&self) -> here::Lying {
        let node = self.0.operations.node();
        here::read(&*self.0.host, &node, &self.0.paths).await
    }

    async fn apply<T>(
        &self,
        rule: impl FnOnce(&Record) -> Result<(Record, T), GrantRefusal>,
    ) -> Result<Result<T, GrantRefusal>, Failure> {
        let applied = self.0.standing.change(rule).await;
        applied.map_err(|error: StandingError| Failure::internal("write the standing", error))
    }
}

#[tonic::async_trait]
impl<H: Host> duties::Bootstrap for Bootstrap<H> {
    async fn standing(&self) -> Result<StandingAnswer, Failure> {
        let lying = self.lying().await;
        let record = self.0.standing.record().await;
        let node = self.0.operations.node();
        Ok(record.answer(&node.spec, &lying.evidence, lying.healthy))
    }

    async fn request_grant(
        &self,
        caller: &NodeName,
        request: GrantRequest,
    ) -> Result<GrantVerdict, Failure> {
        let evidence = self.lying().await.evidence;
        let node = self.0.operations.node();
        let caller = Caller::control_plane(caller.clone());
        let rule = |record: &Record| voter::grant(record, &node.spec, &evidence, &caller, &request);
        let verdict = self.apply(rule).await?;
        match &verdict {
            Ok(grant) => {
                tracing::info!(candidate = %grant.candidate, epoch = grant.epoch, "granted");
            }
            Err(refusal) => tracing::warn!(candidate = %request.candidate, %refusal, "no grant"),
        }
        Ok(verdict)
    }

    async fn announce_member(
        &self,
        caller: &NodeName,
        announcement: MemberAnnouncement,
    ) -> Result<Result<(), GrantRefusal>, Failure> {
        let node = self.0.operations.node();
        let caller = Caller::control_plane(caller.clone());
        self.apply(|record| {
            voter::learn(record, &node.spec, &caller, &announcement).map(|next| (next, ()))
        })
        .await
    }

    async fn override_grant(&self, word: Override) -> Result<Result<(), GrantRefusal>, Failure> {
        let evidence = self.lying().await.evidence;
        let node = self.0.operations.node();
        // The table of permissions lets only operators call this.
        let caller = Caller {
            node: None,
            role: CallerRole::Operator,
        };
        self.apply(|record| {
            overrule::overrule(record, &node.spec, &evidence, &caller, &word).map(|next| (next, ()))
        })
        .await
    }
}
