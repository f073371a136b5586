//! `CertificateService`: every certificate of the node.

use hactl_proto::wire::v1;
use hactl_proto::wire::v1::certificate_service_server::CertificateService;
use tonic::{Request, Response, Status};

use crate::api::{Duties, Failure};

#[tonic::async_trait]
impl CertificateService for Duties {
    async fn get_inventory(
        &self,
        _: Request<v1::GetInventoryRequest>,
    ) -> Result<Response<v1::GetInventoryResponse>, Status> {
        let inventory = self.certificates.inventory().await?;
        let inventory = serde_json::to_string(&inventory)
            .map_err(|source| Failure::internal("say the inventory", source))?;
        Ok(Response::new(v1::GetInventoryResponse { inventory }))
    }
}
