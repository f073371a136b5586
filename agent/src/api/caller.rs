//! Who calls: read from the certificate that the connection was made with, never from the request.

use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::role::CallerRole;
use hactl_proto::subject::Subject;
use tonic::Request;

use super::failure::Failure;

/// The holder of a verified certificate. The server puts it into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Cluster, role and name.
    pub subject: Subject,
    /// SHA-256 of the certificate's public key (DER `SubjectPublicKeyInfo`): tells a machine from its re-imaged successor.
    pub key: [u8; 32],
    /// When its certificate ends; a connection is not served beyond it.
    pub expires: Timestamp,
}

impl Caller {
    /// Who calls.
    pub fn of<T>(request: &Request<T>) -> Result<&Self, Failure> {
        request
            .extensions()
            .get()
            .ok_or_else(|| Failure::Forbidden("a client certificate is wanted".to_owned()))
    }

    /// The calling node.
    pub const fn node(&self) -> &NodeName {
        &self.subject.name
    }

    /// The caller's role.
    pub const fn role(&self) -> CallerRole {
        self.subject.role
    }
}
