//! Why the node has no certificate.

use hactl_proto::Timestamp;
use hactl_proto::mtls::{CredentialError, PeerRefusal, TrustError};
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::subject::Subject;

use super::issuer::IssuerError;
use crate::host::HostError;

/// Why the node has no certificate, or keeps the one it has. A key that was made stays.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The host could not read or write the identity.
    #[error("keep the node's identity")]
    Host(#[from] HostError),
    /// The bundle's CA is unusable.
    #[error("take the bundle's CA")]
    Trust(#[from] TrustError),
    /// The state folder's identity is of another cluster: the bundle was exchanged under a node that has a history.
    #[error(
        "be a node of cluster {bundle}: this node's state is of cluster {state}; put that cluster's bundle back, or wipe \
         /var/lib/hactl if the node shall begin anew"
    )]
    OtherCluster {
        /// The bundle's.
        bundle: ClusterId,
        /// The identity's.
        state: ClusterId,
    },
    /// The state folder's identity is of another node: a copied disk, or a bundle of the wrong node.
    #[error(
        "be {wanted}: this node's state is of {found}; give the machine its own bundle, or wipe /var/lib/hactl if it is a \
         copy"
    )]
    OtherNode {
        /// Who the bundle says it is.
        wanted: Subject,
        /// Who the state says it is.
        found: Subject,
    },
    /// The key on disk is no key.
    #[error(
        "read the node's key {path}: it is damaged; the node has to begin anew, with an empty /var/lib/hactl"
    )]
    DamagedKey {
        /// The file.
        path: String,
    },
    /// A key, a request or a certificate could not be made.
    #[error("make the node's {what}")]
    Make {
        /// Which.
        what: &'static str,
        /// The cause.
        source: rcgen::Error,
    },
    /// The bundle's issuer could not sign.
    #[error("sign the node's certificate")]
    Issuer(#[from] IssuerError),
    /// Key and certificate do not go together.
    #[error("use the node's certificate")]
    Credential(#[from] CredentialError),
    /// What a control plane gave out is not what was asked for.
    #[error("use the certificate that {issuer} gave out: {refusal}")]
    WrongCertificate {
        /// Who gave it.
        issuer: NodeName,
        /// What is wrong.
        refusal: PeerRefusal,
    },
    /// No control plane gave out a certificate; each with its reason.
    #[error("get a certificate from a control plane: {}", .reasons.join("; "))]
    NoIssuer {
        /// One line a control plane.
        reasons: Vec<String>,
    },
    /// The worker's certificate ended while the node was off, and only its token can bring another.
    #[error(
        "get a certificate in place of the one that expired at {expired}: {}; if the token has expired, make a new bundle \
         with `hactl-controller bundle`", .reasons.join("; ")
    )]
    ExpiredAndNoIssuer {
        /// When the certificate ended.
        expired: Timestamp,
        /// One line a control plane.
        reasons: Vec<String>,
    },
}
