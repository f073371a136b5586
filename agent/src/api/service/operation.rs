//! `OperationService`: orders to this node, one at a time.

use hactl_proto::instruction::{Instruction, OperationId, Order};
use hactl_proto::wire::v1::operation_service_server::OperationService;
use hactl_proto::wire::{WireError, field, v1};
use tonic::codegen::tokio_stream::StreamExt;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Answers;
use crate::api::{Duties, Failure};

#[tonic::async_trait]
impl OperationService for Duties {
    type ExecuteStream = Answers<v1::ExecuteResponse>;

    async fn execute(
        &self,
        request: Request<v1::ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let instruction: Instruction =
            field("instruction", request.into_inner().instruction).map_err(Failure::from)?;
        if instruction.order == Order::Init {
            let reason =
                "init is not an order to give: the candidate takes it when it holds every grant";
            return Err(Failure::Forbidden(reason.to_owned()).into());
        }
        let story = self.operations.execute(instruction).await?;
        let answers = ReceiverStream::new(story).map(|event| {
            Ok(v1::ExecuteResponse {
                event: Some(event.into()),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_operation(
        &self,
        request: Request<v1::GetOperationRequest>,
    ) -> Result<Response<v1::GetOperationResponse>, Status> {
        let id = request
            .into_inner()
            .id
            .map(OperationId::new)
            .transpose()
            .map_err(|error| Failure::from(WireError::wrong("id", error)))?;
        let operation = self.operations.operation(id).await?;
        Ok(Response::new(v1::GetOperationResponse {
            operation: operation.map(Into::into),
        }))
    }
}
