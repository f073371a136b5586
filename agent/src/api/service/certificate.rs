//! `CertificateService`: every certificate of the node, and their renewal.

use hactl_proto::instruction::Fence;
use hactl_proto::wire::v1;
use hactl_proto::wire::v1::certificate_service_server::CertificateService;
use tonic::codegen::tokio_stream::StreamExt;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Answers;
use crate::api::caller::Caller;
use crate::api::{Duties, Failure};

#[tonic::async_trait]
impl CertificateService for Duties {
    type RenewCertificatesStream = Answers<v1::RenewCertificatesResponse>;

    async fn get_inventory(
        &self,
        _: Request<v1::GetInventoryRequest>,
    ) -> Result<Response<v1::GetInventoryResponse>, Status> {
        let inventory = self.certificates.inventory().await?;
        let inventory = serde_json::to_string(&inventory)
            .map_err(|source| Failure::internal("say the inventory", source))?;
        Ok(Response::new(v1::GetInventoryResponse { inventory }))
    }

    async fn renew_certificates(
        &self,
        request: Request<v1::RenewCertificatesRequest>,
    ) -> Result<Response<Self::RenewCertificatesStream>, Status> {
        let without_api = request.into_inner().without_api;
        let story = self.certificates.renew(without_api).await?;
        let answers = ReceiverStream::new(story).map(|event| {
            Ok(v1::RenewCertificatesResponse {
                event: Some(event.into()),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn rehearse_renewal(
        &self,
        _: Request<v1::RehearseRenewalRequest>,
    ) -> Result<Response<v1::RehearseRenewalResponse>, Status> {
        let rehearsal = self.certificates.rehearse().await?;
        let rehearsal = serde_json::to_string(&rehearsal)
            .map_err(|source| Failure::internal("say what the rehearsal came to", source))?;
        Ok(Response::new(v1::RehearseRenewalResponse { rehearsal }))
    }

    async fn yield_backend(
        &self,
        request: Request<v1::YieldBackendRequest>,
    ) -> Result<Response<v1::YieldBackendResponse>, Status> {
        // Who asks is its certificate's to say: a control plane has only itself let go.
        let caller = Caller::of(&request)?.node().clone();
        let request = request.into_inner();
        self.certificates
            .yield_backend(&caller, request.fence.map(Fence), request.release)
            .await?;
        Ok(Response::new(v1::YieldBackendResponse {}))
    }

    async fn sign_kubelet(
        &self,
        request: Request<v1::SignKubeletRequest>,
    ) -> Result<Response<v1::SignKubeletResponse>, Status> {
        // For the caller's own name, whatever the request says.
        let caller = Caller::of(&request)?.node().clone();
        let request = request.into_inner().request;
        let certificate = self.certificates.sign_kubelet(&caller, &request).await?;
        Ok(Response::new(v1::SignKubeletResponse { certificate }))
    }
}
