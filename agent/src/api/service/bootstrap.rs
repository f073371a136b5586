//! `BootstrapService`: standing and grants of the first boot.

use hactl_proto::standing::{GrantRequest, MemberAnnouncement, Override};
use hactl_proto::wire::v1::bootstrap_service_server::BootstrapService;
use hactl_proto::wire::{field, v1};
use tonic::{Request, Response, Status};

use crate::api::{Caller, Duties, Failure};

#[tonic::async_trait]
impl BootstrapService for Duties {
    async fn get_standing(
        &self,
        _: Request<v1::GetStandingRequest>,
    ) -> Result<Response<v1::GetStandingResponse>, Status> {
        let answer = self.bootstrap.standing().await?;
        Ok(Response::new(v1::GetStandingResponse {
            answer: Some(answer.into()),
        }))
    }

    async fn request_grant(
        &self,
        request: Request<v1::RequestGrantRequest>,
    ) -> Result<Response<v1::RequestGrantResponse>, Status> {
        let caller = Caller::of(&request)?.node().clone();
        let asked: GrantRequest =
            field("request", request.into_inner().request).map_err(Failure::from)?;
        let verdict = self.bootstrap.request_grant(&caller, asked).await?;
        Ok(Response::new(verdict.into()))
    }

    async fn announce_member(
        &self,
        request: Request<v1::AnnounceMemberRequest>,
    ) -> Result<Response<v1::AnnounceMemberResponse>, Status> {
        let caller = Caller::of(&request)?.node().clone();
        let said: MemberAnnouncement =
            field("announcement", request.into_inner().announcement).map_err(Failure::from)?;
        let taken = self.bootstrap.announce_member(&caller, said).await?;
        Ok(Response::new(v1::AnnounceMemberResponse {
            refused: taken.err().map(Into::into),
        }))
    }

    async fn override_grant(
        &self,
        request: Request<v1::OverrideGrantRequest>,
    ) -> Result<Response<v1::OverrideGrantResponse>, Status> {
        let operator = Caller::of(&request)?.node().clone();
        let word: Override =
            field("override", request.into_inner().r#override).map_err(Failure::from)?;
        tracing::warn!(
            %operator,
            candidate = %word.candidate,
            epoch = word.epoch,
            reason = word.reason,
            "the operator overrides the grants of the first boot"
        );
        let taken = self.bootstrap.override_grant(word).await?;
        Ok(Response::new(v1::OverrideGrantResponse {
            refused: taken.err().map(Into::into),
        }))
    }
}
