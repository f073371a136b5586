//! `TrustService`: what agents know each other by.

use hactl_proto::gossip::GossipRing;
use hactl_proto::rotation::Fingerprint;
use hactl_proto::wire::v1;
use hactl_proto::wire::v1::trust_service_server::TrustService;
use tonic::{Request, Response, Status};

use crate::api::{Duties, Failure};

#[tonic::async_trait]
impl TrustService for Duties {
    async fn get_key_ring(
        &self,
        _: Request<v1::GetKeyRingRequest>,
    ) -> Result<Response<v1::GetKeyRingResponse>, Status> {
        let ring = self.mutual_trust.key_ring().await?;
        let ring = serde_json::to_string(&ring)
            .map_err(|source| Failure::internal("say which gossip keys there are", source))?;
        Ok(Response::new(v1::GetKeyRingResponse { ring }))
    }

    async fn put_key_ring(
        &self,
        request: Request<v1::PutKeyRingRequest>,
    ) -> Result<Response<v1::PutKeyRingResponse>, Status> {
        let ring = GossipRing::try_from(request.into_inner()).map_err(Failure::from)?;
        self.mutual_trust.put_key_ring(ring).await?;
        Ok(Response::new(v1::PutKeyRingResponse {}))
    }

    async fn get_own_trust(
        &self,
        _: Request<v1::GetOwnTrustRequest>,
    ) -> Result<Response<v1::GetOwnTrustResponse>, Status> {
        let trust = self.mutual_trust.own_trust().await?;
        let trust = serde_json::to_string(&trust)
            .map_err(|source| Failure::internal("say what is believed", source))?;
        Ok(Response::new(v1::GetOwnTrustResponse { trust }))
    }

    async fn put_roots(
        &self,
        request: Request<v1::PutRootsRequest>,
    ) -> Result<Response<v1::PutRootsResponse>, Status> {
        let v1::PutRootsRequest { revision, roots } = request.into_inner();
        self.mutual_trust.put_roots(revision, &roots).await?;
        Ok(Response::new(v1::PutRootsResponse {}))
    }

    async fn request_issuer(
        &self,
        _: Request<v1::RequestIssuerRequest>,
    ) -> Result<Response<v1::RequestIssuerResponse>, Status> {
        let request = self.mutual_trust.request_issuer().await?;
        Ok(Response::new(v1::RequestIssuerResponse { request }))
    }

    async fn put_issuer(
        &self,
        request: Request<v1::PutIssuerRequest>,
    ) -> Result<Response<v1::PutIssuerResponse>, Status> {
        let v1::PutIssuerRequest {
            revision,
            certificate,
        } = request.into_inner();
        self.mutual_trust.put_issuer(revision, &certificate).await?;
        Ok(Response::new(v1::PutIssuerResponse {}))
    }

    async fn renew_identity(
        &self,
        request: Request<v1::RenewIdentityRequest>,
    ) -> Result<Response<v1::RenewIdentityResponse>, Status> {
        let to = Fingerprint::new(&request.into_inner().to)
            .ok_or_else(|| Status::invalid_argument("to: no SHA-256 in hexadecimal"))?;
        self.mutual_trust.renew_identity(&to).await?;
        Ok(Response::new(v1::RenewIdentityResponse {}))
    }
}
