//! Why a call to an agent brought nothing.

use std::path::PathBuf;

use hactl_proto::mtls::{ConnectError, CredentialError, TrustError, explain};
use hactl_proto::name::NodeName;
use hactl_proto::wire::WireError;
use tonic::{Code, Status};

/// Why a call to an agent brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A file of the person's credentials could not be read. Nothing was asked.
    #[error("read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The person's certificate and key are unusable. Nothing was asked.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The CA certificate is unusable. Nothing was asked.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The agent was not reached. It changed nothing.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was lost, and could not be made anew: what was asked may have been done.
    #[error("keep the connection to the agent of {node}: {reason}")]
    Lost {
        /// The node.
        node: NodeName,
        /// Why.
        reason: String,
    },
    /// The agent said no, in its words.
    #[error("have {what} of {node}: {message}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The node.
        node: NodeName,
        /// The kind of refusal, for exit codes: a busy agent says `FailedPrecondition`.
        code: Code,
        /// Its words.
        message: String,
    },
    /// The answer does not parse: the agent is of another version.
    #[error("understand the agent of {node}")]
    Answer {
        /// The node.
        node: NodeName,
        /// The field.
        source: WireError,
    },
}

impl CallError {
    pub(super) fn refused(what: &'static str, node: &NodeName, status: &Status) -> Self {
        if let Some(error) = explain(status) {
            return Self::Lost {
                node: node.clone(),
                reason: format!("failed to {error}"),
            };
        }
        Self::Refused {
            what,
            node: node.clone(),
            code: status.code(),
            message: status.message().to_owned(),
        }
    }
}
