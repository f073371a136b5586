//! `CredentialService`: kubeadm's admin.conf, for the operator only.

use hactl_proto::wire::v1;
use hactl_proto::wire::v1::credential_service_server::CredentialService;
use tonic::{Request, Response, Status};

use crate::api::{Caller, Duties};

#[tonic::async_trait]
impl CredentialService for Duties {
    async fn get_kubeconfig(
        &self,
        request: Request<v1::GetKubeconfigRequest>,
    ) -> Result<Response<v1::GetKubeconfigResponse>, Status> {
        let operator = Caller::of(&request)?.node().clone();
        let kubeconfig = self.kubeconfig.kubeconfig().await?;
        tracing::info!(%operator, "handed out admin.conf");
        Ok(Response::new(v1::GetKubeconfigResponse {
            kubeconfig: kubeconfig.expose().to_owned(),
        }))
    }
}
