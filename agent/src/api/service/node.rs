//! `NodeService`: what the node says of itself.

use hactl_proto::instruction::OperationId;
use hactl_proto::wire::v1::node_service_server::NodeService;
use hactl_proto::wire::{WireError, instant, v1};
use tonic::codegen::tokio_stream;
use tonic::{Request, Response, Status};

use super::Answers;
use crate::api::{Duties, Failure};

#[tonic::async_trait]
impl NodeService for Duties {
    type ReadJournalStream = Answers<v1::ReadJournalResponse>;

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let status = self.observation.status().await?;
        Ok(Response::new(v1::GetStatusResponse {
            status: Some(status.into()),
        }))
    }

    async fn inspect(
        &self,
        _: Request<v1::InspectRequest>,
    ) -> Result<Response<v1::InspectResponse>, Status> {
        let (findings, at) = self.observation.inspect().await?;
        Ok(Response::new(v1::InspectResponse {
            findings: findings.into_iter().map(Into::into).collect(),
            at: Some(instant(at)),
        }))
    }

    async fn read_journal(
        &self,
        request: Request<v1::ReadJournalRequest>,
    ) -> Result<Response<Self::ReadJournalStream>, Status> {
        let request = request.into_inner();
        let operation = request
            .operation
            .map(OperationId::new)
            .transpose()
            .map_err(|error| Failure::from(WireError::wrong("operation", error)))?;
        let last = (request.last > 0).then_some(request.last as usize);
        let entries = self.observation.journal(operation, last).await?;
        let answers = entries.into_iter().map(|entry| {
            Ok(v1::ReadJournalResponse {
                entry: Some(entry.into()),
            })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(
            answers.collect::<Vec<_>>(),
        ))))
    }
}
