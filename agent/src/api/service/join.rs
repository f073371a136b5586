//! `JoinService`: this member of the Kubernetes cluster lets others join.

use hactl_proto::join::Applicant;
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::role::CallerRole;
use hactl_proto::wire::v1::join_service_server::JoinService;
use hactl_proto::wire::{field, text, v1};
use tonic::{Request, Response, Status};

use super::{Answers, told};
use crate::api::{Caller, Duties, Failure};

#[tonic::async_trait]
impl JoinService for Duties {
    type AdmitStream = Answers<v1::AdmitResponse>;

    async fn admit(
        &self,
        request: Request<v1::AdmitRequest>,
    ) -> Result<Response<Self::AdmitStream>, Status> {
        let caller = Caller::of(&request)?.clone();
        let applicant = Applicant::try_from(request.into_inner()).map_err(Failure::from)?;
        same_node(&applicant.node, &caller)?;
        if CallerRole::from(applicant.role) != caller.role() {
            let reason = format!(
                "the request is to join as {}, the certificate is of a {}",
                applicant.role,
                caller.role()
            );
            return Err(Failure::Forbidden(reason).into());
        }
        let admissions = self.sponsor.admit(applicant).await?;
        Ok(Response::new(told(admissions, Into::into)))
    }

    async fn complete(
        &self,
        request: Request<v1::CompleteRequest>,
    ) -> Result<Response<v1::CompleteResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let request = request.into_inner();
        let node: NodeName = text("node", &request.node).map_err(Failure::from)?;
        same_node(&node, &caller)?;
        let outcome: Outcome = field("outcome", request.outcome).map_err(Failure::from)?;
        self.sponsor.complete(node, outcome).await?;
        Ok(Response::new(v1::CompleteResponse {}))
    }
}

/// A node joins itself only.
fn same_node(asked: &NodeName, caller: &Caller) -> Result<(), Failure> {
    if asked == caller.node() {
        return Ok(());
    }
    Err(Failure::NotTheCaller {
        asked: asked.clone(),
        caller: caller.node().clone(),
    })
}
