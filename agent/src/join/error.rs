//! What can go wrong for a member that lets a node join.

use hactl_proto::finding::Finding;

use crate::api::failure::Failure;
use crate::host::HostError;

/// Why a node was not admitted, or its join not completed. What was minted for it is removed again as far as the API answers.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The host could not do what was asked.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A program failed.
    #[error("run {line}: {words}")]
    Program {
        /// The command.
        line: String,
        /// Its last words; none where they might hold a secret.
        words: String,
    },
    /// The node may not join now; nothing was changed for it.
    #[error("admit {node}: {}", tell(.findings))]
    Refused {
        /// Who wanted to join.
        node: String,
        /// Every reason.
        findings: Vec<Finding>,
    },
    /// The state is not what it has to be.
    #[error("{what}: {observed}")]
    State {
        /// What was to be done, a lower-case verb phrase.
        what: String,
        /// What was seen.
        observed: String,
    },
    /// The lease is another's by now.
    #[error("keep the lease of {joiner}'s join: it is held by {holder:?} now")]
    LeaseLost {
        /// Who joins.
        joiner: String,
        /// Who has it.
        holder: String,
    },
    /// The applicant went away before it was admitted.
    #[error("admit a node that no longer waits")]
    Gone,
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        match &error {
            JoinError::Refused { .. } => Self::Refused(error.to_string()),
            JoinError::State { .. } | JoinError::LeaseLost { .. } => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::internal("let a node join", error),
        }
    }
}

fn tell(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings
        .iter()
        .map(|finding| format!("{} ({})", finding.observed, finding.remedy))
        .collect();
    texts.join("; ")
}
