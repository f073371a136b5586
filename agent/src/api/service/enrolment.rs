//! `EnrolmentService`: certificates for workers.

use hactl_proto::name::NodeName;
use hactl_proto::secret::Secret;
use hactl_proto::wire::v1::enrolment_service_server::EnrolmentService;
use hactl_proto::wire::{text, v1};
use tonic::{Request, Response, Status};

use crate::api::{Caller, Duties, Failure};

#[tonic::async_trait]
impl EnrolmentService for Duties {
    async fn enrol(
        &self,
        request: Request<v1::EnrolRequest>,
    ) -> Result<Response<v1::EnrolResponse>, Status> {
        let request = request.into_inner();
        let node: NodeName = text("node", &request.node).map_err(Failure::from)?;
        let token = Secret::new(request.token);
        let chain = self.enrolment.enrol(token, &request.csr, node).await?;
        Ok(Response::new(v1::EnrolResponse { chain }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let csr = request.into_inner().csr;
        let chain = self.enrolment.renew(&caller, &csr).await?;
        Ok(Response::new(v1::RenewResponse { chain }))
    }
}
