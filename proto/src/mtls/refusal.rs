//! Why a peer's certificate is not believed, in the words of the side that refuses; and what the other side can tell of it.

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError};

use crate::name::{ClusterId, NodeName};
use crate::subject::Subject;

/// Why a peer's certificate is not believed. Nothing was said to the peer but a TLS alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefusal {
    /// Issued by another hactl cluster: somewhere lies the wrong bundle.
    #[error(
        "its certificate is of cluster {theirs}, this side is of cluster {ours}: one of the two holds the bundle of another cluster"
    )]
    OtherCluster {
        /// What the certificate says, unverified.
        theirs: ClusterId,
        /// This side's.
        ours: ClusterId,
    },
    /// Not issued by this cluster's CA, whatever it says of itself.
    #[error("its certificate is not signed by the CA of cluster {ours}")]
    UnknownIssuer {
        /// This side's.
        ours: ClusterId,
    },
    /// Its time is over.
    #[error(
        "its certificate expired at {at}; it should have renewed itself: is its agent, or its clock, stopped?"
    )]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Its time has not begun.
    #[error("its certificate begins at {at}: the clocks of the two differ")]
    NotYet {
        /// When it begins.
        at: Timestamp,
    },
    /// It has no URI of the form that hactl writes.
    #[error("its certificate names no hactl subject")]
    NoSubject,
    /// Signed within the cluster, by somebody who may not name that subject.
    #[error("its certificate calls it {subject}, but was issued by {issuer:?}, which may not")]
    WrongIssuer {
        /// What the certificate says.
        subject: Subject,
        /// The common name of its issuer.
        issuer: String,
    },
    /// An agent was wanted, and a person's certificate shown, or another node's.
    #[error("its certificate is of {found}, not of the agent of {wanted}")]
    WrongNode {
        /// Who was called.
        wanted: NodeName,
        /// Who answered.
        found: Subject,
    },
    /// It does not parse, or is not for this use.
    #[error("its certificate is unusable: {0}")]
    Unusable(String),
}

impl PeerRefusal {
    /// What rustls is told, and from it the alert that the peer sees.
    pub(super) const fn certificate_error(&self) -> CertificateError {
        match self {
            Self::OtherCluster { .. } | Self::UnknownIssuer { .. } => {
                CertificateError::UnknownIssuer
            }
            Self::Expired { .. } => CertificateError::Expired,
            Self::NotYet { .. } => CertificateError::NotValidYet,
            Self::WrongIssuer { .. } => CertificateError::ApplicationVerificationFailure,
            Self::WrongNode { .. } => CertificateError::NotValidForName,
            Self::NoSubject | Self::Unusable(_) => CertificateError::BadEncoding,
        }
    }
}

/// What a side can tell of why the other one did not believe *it*: the TLS alert. The other side's log says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// `unknown_ca`.
    #[error(
        "it does not know the CA of this side's certificate: one of the two is of another cluster"
    )]
    UnknownCa,
    /// `certificate_expired`, which rustls sends for one that has not begun too.
    #[error("by its clock this side's certificate has expired, or has not begun")]
    Expired,
    /// `access_denied`.
    #[error("this side's certificate was issued by somebody who may not name its holder")]
    Denied,
    /// `bad_certificate`, where it asked for another node too.
    #[error("this side's certificate is not of the form, or not of the node, that it wants")]
    Unfit,
    /// Any other alert, such as `handshake_failure`.
    #[error("it ended the handshake with alert {0:?}")]
    Other(AlertDescription),
}

impl From<AlertDescription> for Rejection {
    fn from(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::UnknownCA => Self::UnknownCa,
            AlertDescription::CertificateExpired => Self::Expired,
            AlertDescription::AccessDenied => Self::Denied,
            AlertDescription::BadCertificate => Self::Unfit,
            other => Self::Other(other),
        }
    }
}
