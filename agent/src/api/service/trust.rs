//! `TrustService`: what agents know each other by.

use hactl_proto::gossip::GossipRing;
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
}
