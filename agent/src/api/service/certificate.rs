//! `CertificateService`: every certificate of the node, and their renewal.

use std::str::FromStr;

use hactl_proto::instruction::Fence;
use hactl_proto::rotation::{Fingerprint, RotationTurn, Stage};
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
    type RotateAuthorityStream = Answers<v1::RotateAuthorityResponse>;

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
        let v1::SignKubeletRequest { request, serving } = request.into_inner();
        let certificate = self
            .certificates
            .sign_kubelet(&caller, &request, serving)
            .await?;
        Ok(Response::new(v1::SignKubeletResponse { certificate }))
    }

    async fn get_trust(
        &self,
        request: Request<v1::GetTrustRequest>,
    ) -> Result<Response<v1::GetTrustResponse>, Status> {
        let authority = text("authority", &request.into_inner().authority)?;
        let trust = self.certificates.trust(authority).await?;
        let trust = serde_json::to_string(&trust)
            .map_err(|source| Failure::internal("say who is believed", source))?;
        Ok(Response::new(v1::GetTrustResponse { trust }))
    }

    async fn rotate_authority(
        &self,
        request: Request<v1::RotateAuthorityRequest>,
    ) -> Result<Response<Self::RotateAuthorityStream>, Status> {
        let request = request.into_inner();
        let authority = text("authority", &request.authority)?;
        let stage: Stage = text("stage", &request.stage)?;
        let to = match (request.to.as_str(), stage) {
            ("", Stage::Prepare) => None,
            (to, _) => Some(fingerprint("to", to)?),
        };
        let turn = RotationTurn {
            authority,
            stage,
            to,
            fence: request.fence.map(Fence),
            certificate: request.certificate,
        };
        let story = self.certificates.rotate(turn).await?;
        let answers = ReceiverStream::new(story).map(|event| {
            Ok(v1::RotateAuthorityResponse {
                event: Some(event.into()),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn give_pair(
        &self,
        request: Request<v1::GivePairRequest>,
    ) -> Result<Response<v1::GivePairResponse>, Status> {
        // Whose turn it is, the lease says; who asks, its certificate.
        let caller = Caller::of(&request)?.node().clone();
        let request = request.into_inner();
        let authority = text("authority", &request.authority)?;
        let of = fingerprint("of", &request.of)?;
        let (certificate, key) = self
            .certificates
            .give_pair(&caller, authority, &of, Fence(request.fence))
            .await?;
        Ok(Response::new(v1::GivePairResponse {
            certificate,
            key: key.expose().to_owned(),
        }))
    }
}

fn text<T: FromStr<Err: std::fmt::Display>>(name: &str, word: &str) -> Result<T, Status> {
    word.parse()
        .map_err(|error| Status::invalid_argument(format!("{name}: {error}")))
}

fn fingerprint(name: &str, text: &str) -> Result<Fingerprint, Status> {
    Fingerprint::new(text)
        .ok_or_else(|| Status::invalid_argument(format!("{name}: no SHA-256 in hexadecimal")))
}
