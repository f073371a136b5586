//! `MembershipService`: who lives, as this node believes it.

use hactl_proto::wire::v1;
use hactl_proto::wire::v1::membership_service_server::MembershipService;
use tonic::{Request, Response, Status};

use crate::api::{Caller, Duties};

#[tonic::async_trait]
impl MembershipService for Duties {
    async fn list_members(
        &self,
        _: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        let (observer, members) = self.membership.members().await?;
        Ok(Response::new(v1::ListMembersResponse {
            observer: observer.into(),
            members: members.into_iter().map(Into::into).collect(),
        }))
    }

    async fn exchange(
        &self,
        request: Request<v1::ExchangeRequest>,
    ) -> Result<Response<v1::ExchangeResponse>, Status> {
        let peer = Caller::of(&request)?.node().clone();
        let v1::ExchangeRequest { version, state } = request.into_inner();
        let (version, state) = self.membership.exchange(&peer, version, state).await?;
        Ok(Response::new(v1::ExchangeResponse { version, state }))
    }
}
