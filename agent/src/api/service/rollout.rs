//! `RolloutService`: what a node says before an upgrade, the plan that control planes keep, the cluster's lease.

use hactl_proto::instruction::Fence;
use hactl_proto::rollout::RolloutRecord;
use hactl_proto::rollout::agent::{PACKAGE_BYTES, PackageDigest};
use hactl_proto::wire::v1::put_package_request::Part;
use hactl_proto::wire::v1::rollout_service_server::RolloutService;
use hactl_proto::wire::{WireError, field, text, v1};
use tonic::{Request, Response, Status, Streaming};

use crate::api::{Duties, Failure};

/// A holder's text becomes part of a Lease that operators read.
const HOLDER_CHARACTERS: usize = 100;

#[tonic::async_trait]
impl RolloutService for Duties {
    async fn survey(
        &self,
        request: Request<v1::SurveyRequest>,
    ) -> Result<Response<v1::SurveyResponse>, Status> {
        let survey = self.rollouts.survey(request.into_inner().cluster).await?;
        let survey = serde_json::to_string(&survey)
            .map_err(|source| Failure::internal("say the survey", source))?;
        Ok(Response::new(v1::SurveyResponse { survey }))
    }

    async fn get_rollout(
        &self,
        _: Request<v1::GetRolloutRequest>,
    ) -> Result<Response<v1::GetRolloutResponse>, Status> {
        let rollout = self.rollouts.rollout().await?.map(Into::into);
        Ok(Response::new(v1::GetRolloutResponse { rollout }))
    }

    async fn put_rollout(
        &self,
        request: Request<v1::PutRolloutRequest>,
    ) -> Result<Response<v1::PutRolloutResponse>, Status> {
        let record: RolloutRecord =
            field("rollout", request.into_inner().rollout).map_err(Failure::from)?;
        let kept = self.rollouts.keep(record).await?.map(Into::into);
        Ok(Response::new(v1::PutRolloutResponse { kept }))
    }

    async fn put_package(
        &self,
        request: Request<Streaming<v1::PutPackageRequest>>,
    ) -> Result<Response<v1::PutPackageResponse>, Status> {
        let (digest, bytes) = received(request.into_inner()).await?;
        self.rollouts.keep_package(digest, bytes).await?;
        Ok(Response::new(v1::PutPackageResponse {}))
    }

    async fn take_lease(
        &self,
        request: Request<v1::TakeLeaseRequest>,
    ) -> Result<Response<v1::TakeLeaseResponse>, Status> {
        let who = holder(request.into_inner().holder)?;
        let answer = self.rollouts.take_lease(&who).await?;
        Ok(Response::new(answer.into()))
    }

    async fn renew_lease(
        &self,
        request: Request<v1::RenewLeaseRequest>,
    ) -> Result<Response<v1::RenewLeaseResponse>, Status> {
        let request = request.into_inner();
        let (who, fence) = (holder(request.holder)?, Fence(request.fence));
        let held = self.rollouts.renew_lease(&who, fence).await?;
        Ok(Response::new(v1::RenewLeaseResponse { held }))
    }

    async fn release_lease(
        &self,
        request: Request<v1::ReleaseLeaseRequest>,
    ) -> Result<Response<v1::ReleaseLeaseResponse>, Status> {
        let request = request.into_inner();
        let (who, fence) = (holder(request.holder)?, Fence(request.fence));
        self.rollouts.release_lease(&who, fence).await?;
        Ok(Response::new(v1::ReleaseLeaseResponse {}))
    }
}

/// The whole of a package that is sent in parts, never more than a package may have.
async fn received(
    mut parts: Streaming<v1::PutPackageRequest>,
) -> Result<(PackageDigest, Vec<u8>), Status> {
    let (mut digest, mut bytes) = (None, Vec::new());
    while let Some(part) = parts.message().await? {
        match part.part {
            Some(Part::Digest(told)) if digest.is_none() => {
                digest = Some(text("digest", &told).map_err(Failure::from)?);
            }
            Some(Part::Chunk(chunk)) if digest.is_some() => {
                if (bytes.len() + chunk.len()) as u64 > PACKAGE_BYTES {
                    let reason = format!("a package has at most {PACKAGE_BYTES} bytes");
                    return Err(Failure::from(WireError::wrong("chunk", reason)).into());
                }
                bytes.extend_from_slice(&chunk);
            }
            _ => {
                let reason = "the digest comes first, and once";
                return Err(Failure::from(WireError::wrong("part", reason)).into());
            }
        }
    }
    let digest = digest.ok_or_else(|| Failure::from(WireError::absent("digest")))?;
    Ok((digest, bytes))
}

fn holder(text: String) -> Result<String, Failure> {
    let fits = !text.is_empty()
        && text.len() <= HOLDER_CHARACTERS
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(text);
    }
    let reason = format!("1 to {HOLDER_CHARACTERS} visible ASCII characters are wanted");
    Err(WireError::wrong("holder", reason).into())
}
