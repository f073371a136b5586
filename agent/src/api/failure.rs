//! The one place where a failure becomes a gRPC status. A failed *operation* is not here: that is a report on an OK stream.

use std::error::Error;

use hactl_proto::instruction::{Fence, OperationId};
use hactl_proto::name::NodeName;
use hactl_proto::wire::WireError;
use tonic::{Code, Status};

/// The metadata key under which a busy agent names the operation that runs.
pub const RUNNING_OPERATION: &str = "hactl-running-operation";

/// Why a call was not answered. The node is as it was before, but for [`Failure::Internal`], where its cause says more.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request does not parse.
    #[error(transparent)]
    Malformed(#[from] WireError),
    /// One operation at a time.
    #[error("operation {0} is under way; it has to end first")]
    Running(OperationId),
    /// The lease's number is older than one that was seen here: its holder lost the lease.
    #[error("the lease's number {} is older than {}, which was seen here", .given.0, .highest.0)]
    StaleFence {
        /// The instruction's.
        given: Fence,
        /// The highest seen.
        highest: Fence,
    },
    /// The node's state does not allow it now; the text says which, and the remedy.
    #[error("{0}")]
    Refused(String),
    /// The caller's certificate does not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// The caller's certificate names another node than the request.
    #[error("the request is for {asked}, the certificate is of {caller}")]
    NotTheCaller {
        /// The request's.
        asked: NodeName,
        /// The certificate's.
        caller: NodeName,
    },
    /// Nothing of that name is known here.
    #[error("{0} is not known here")]
    Unknown(String),
    /// It may work later, or at another node.
    #[error("{0}")]
    Unavailable(String),
    /// This agent does not do that: its role or its version.
    #[error("{0}")]
    Unsupported(String),
    /// The agent failed at its own work.
    #[error("{what}")]
    Internal {
        /// What it was about, as "write the standing".
        what: String,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Failure {
    /// The agent failed at its own work.
    pub fn internal(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            what: what.into(),
            source: source.into(),
        }
    }

    /// The gRPC code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::InvalidArgument,
            Self::Running(_) | Self::StaleFence { .. } | Self::Refused(_) => {
                Code::FailedPrecondition
            }
            Self::Forbidden(_) | Self::NotTheCaller { .. } => Code::PermissionDenied,
            Self::Unknown(_) => Code::NotFound,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Unsupported(_) => Code::Unimplemented,
            Self::Internal { .. } => Code::Internal,
        }
    }
}

impl From<Failure> for Status {
    /// The message is the whole chain: the caller has no other way to see the cause.
    fn from(failure: Failure) -> Self {
        let mut text = failure.to_string();
        let mut cause = failure.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        let mut status = Self::new(failure.code(), text);
        if let Failure::Running(id) = &failure
            && let Ok(value) = id.as_str().parse()
        {
            status.metadata_mut().insert(RUNNING_OPERATION, value);
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_agent_names_the_operation_in_text_and_metadata() {
        let status = Status::from(Failure::Running(OperationId::new("init-1").unwrap()));
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(
            status.message(),
            "operation init-1 is under way; it has to end first"
        );
        assert_eq!(status.metadata().get(RUNNING_OPERATION).unwrap(), &"init-1");
    }

    #[test]
    fn an_internal_failure_tells_its_causes() {
        let cause = std::io::Error::other("disk full");
        let status = Status::from(Failure::internal("write the standing", cause));
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.message(), "write the standing: disk full");
    }
}
