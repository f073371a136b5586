//! The duty of operations: the one gate, as the API hands instructions to it.

use hactl_node_plan::run::Rejection;
use hactl_proto::instruction::{Fence, Instruction, OperationId};
use hactl_proto::report::{OperationStatus, ReportEvent};
use tokio::sync::mpsc::{Receiver, channel};

use crate::api::{Failure, duties};
use crate::host::Host;
use crate::operation::{Operations, SubmitError, Watch};

/// Lines of a story that a slow caller may be behind before the sender waits for it.
const BEHIND: usize = 64;

/// The gate of this node.
pub(super) struct Gate<H>(pub(super) Operations<H>);

#[tonic::async_trait]
impl<H: Host> duties::Operations for Gate<H> {
    async fn execute(&self, instruction: Instruction) -> Result<Receiver<ReportEvent>, Failure> {
        let watch = self.0.submit(instruction).await.map_err(refused)?;
        Ok(tell(watch))
    }

    async fn operation(&self, id: Option<OperationId>) -> Result<Option<OperationStatus>, Failure> {
        Ok(match id {
            Some(id) => self.0.status(&id),
            None => self.0.current().or_else(|| self.0.all().into_iter().next()),
        })
    }
}

/// Hands a story on line by line; ends when the caller is gone, which does not end the operation.
fn tell(mut watch: Watch) -> Receiver<ReportEvent> {
    let (sender, receiver) = channel(BEHIND);
    tokio::spawn(async move {
        while let Some(event) = watch.next().await {
            if sender.send(event).await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn refused(error: SubmitError) -> Failure {
    match error {
        SubmitError::Rejected(Rejection::Busy { running, .. }) => Failure::Running(running),
        SubmitError::Rejected(Rejection::StaleFence { given, highest, .. }) => {
            Failure::StaleFence {
                given: Fence(given),
                highest: Fence(highest),
            }
        }
        SubmitError::Rejected(other) => Failure::Refused(other.to_string()),
        SubmitError::Ending => Failure::Unavailable(SubmitError::Ending.to_string()),
        SubmitError::Journal(source) => Failure::internal("record the operation", source),
    }
}
