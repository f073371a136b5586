//! The services themselves, one file each, and the way from a request's path to them.

mod bootstrap;
mod certificate;
mod enrolment;
mod join;
mod kubeconfig;
mod membership;
mod node;
mod operation;
mod rollout;
mod trust;

use std::convert::Infallible;
use std::pin::Pin;

use hactl_proto::wire::v1;
use tokio::sync::mpsc::Receiver;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::tokio_stream::{Stream, StreamExt};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tonic::{Code, Status};

use super::duties::Duties;
use super::failure::Failure;

/// The largest request: a membership exchange of some thousand members is well below.
pub const REQUEST_LIMIT_BYTES: usize = 1 << 20;
/// The largest answer, which the agent's own peers read too.
pub const ANSWER_LIMIT_BYTES: usize = 4 << 20;

/// One generated server a concern, over the same duties.
#[derive(Clone)]
pub struct Services {
    bootstrap: v1::bootstrap_service_server::BootstrapServiceServer<Duties>,
    certificate: v1::certificate_service_server::CertificateServiceServer<Duties>,
    credential: v1::credential_service_server::CredentialServiceServer<Duties>,
    enrolment: v1::enrolment_service_server::EnrolmentServiceServer<Duties>,
    join: v1::join_service_server::JoinServiceServer<Duties>,
    membership: v1::membership_service_server::MembershipServiceServer<Duties>,
    node: v1::node_service_server::NodeServiceServer<Duties>,
    operation: v1::operation_service_server::OperationServiceServer<Duties>,
    rollout: v1::rollout_service_server::RolloutServiceServer<Duties>,
    trust: v1::trust_service_server::TrustServiceServer<Duties>,
}

/// Makes each server with the same limits; a type of its own each, hence a macro.
macro_rules! limited {
    ($server:path, $duties:expr) => {
        <$server>::new($duties.clone())
            .max_decoding_message_size(REQUEST_LIMIT_BYTES)
            .max_encoding_message_size(ANSWER_LIMIT_BYTES)
    };
}

impl Services {
    /// The services over what the daemon wired up.
    pub fn new(duties: &Duties) -> Self {
        Self {
            bootstrap: limited!(
                v1::bootstrap_service_server::BootstrapServiceServer<Duties>,
                duties
            ),
            certificate: limited!(
                v1::certificate_service_server::CertificateServiceServer<Duties>,
                duties
            ),
            credential: limited!(
                v1::credential_service_server::CredentialServiceServer<Duties>,
                duties
            ),
            enrolment: limited!(
                v1::enrolment_service_server::EnrolmentServiceServer<Duties>,
                duties
            ),
            join: limited!(v1::join_service_server::JoinServiceServer<Duties>, duties),
            membership: limited!(
                v1::membership_service_server::MembershipServiceServer<Duties>,
                duties
            ),
            node: limited!(v1::node_service_server::NodeServiceServer<Duties>, duties),
            operation: limited!(
                v1::operation_service_server::OperationServiceServer<Duties>,
                duties
            ),
            rollout: limited!(
                v1::rollout_service_server::RolloutServiceServer<Duties>,
                duties
            ),
            trust: limited!(v1::trust_service_server::TrustServiceServer<Duties>, duties),
        }
    }

    /// Hands the request to the service that its path names. Its caller was checked already.
    pub fn call(&self, request: Request<Body>) -> BoxFuture<Response<Body>, Infallible> {
        let path = request.uri().path();
        let service = path.split('/').nth(1).unwrap_or_default().to_owned();
        match service.as_str() {
            name if name == name_of(&self.bootstrap) => self.bootstrap.clone().call(request),
            name if name == name_of(&self.certificate) => self.certificate.clone().call(request),
            name if name == name_of(&self.credential) => self.credential.clone().call(request),
            name if name == name_of(&self.enrolment) => self.enrolment.clone().call(request),
            name if name == name_of(&self.join) => self.join.clone().call(request),
            name if name == name_of(&self.membership) => self.membership.clone().call(request),
            name if name == name_of(&self.node) => self.node.clone().call(request),
            name if name == name_of(&self.operation) => self.operation.clone().call(request),
            name if name == name_of(&self.rollout) => self.rollout.clone().call(request),
            name if name == name_of(&self.trust) => self.trust.clone().call(request),
            _ => {
                let status = Status::new(Code::Unimplemented, format!("{path} is not served"));
                Box::pin(async move { Ok(status.into_http()) })
            }
        }
    }
}

fn name_of<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

/// A stream of answers.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Tells what comes through the channel; a failure ends the stream with its status.
fn told<D, T>(channel: Receiver<Result<D, Failure>>, tell: fn(D) -> T) -> Answers<T>
where
    D: Send + 'static,
    T: 'static,
{
    let answers = ReceiverStream::new(channel);
    Box::pin(answers.map(move |item| item.map(tell).map_err(Status::from)))
}
