//! What the server refuses, as one line each: who it was, and what was wrong.

use std::net::SocketAddr;
use std::time::Duration;

use hactl_proto::Timestamp;
use hactl_proto::mtls::{PeerRefusal, Rejection};
use hactl_proto::subject::Subject;

use crate::api::permission::Denial;

/// A connection or a call that was refused. Reads after "refused".
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// An HTTP client without TLS; it got an HTTP answer that says so.
    #[error("{from}: it speaks plain HTTP; this port speaks gRPC over mutual TLS")]
    PlainHttp {
        /// The caller's address.
        from: SocketAddr,
    },
    /// Bytes that are not TLS; it got a line that says so.
    #[error("{from}: it speaks no TLS; this port speaks gRPC over mutual TLS")]
    NotTls {
        /// The caller's address.
        from: SocketAddr,
    },
    /// It connected, and did not get through the handshake in time.
    #[error("{from}: no TLS handshake within {} s", .limit.as_secs_f32())]
    Slow {
        /// The caller's address.
        from: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// Its certificate is not believed.
    #[error("{from}: {refusal}")]
    Untrusted {
        /// The caller's address.
        from: SocketAddr,
        /// Why.
        refusal: PeerRefusal,
    },
    /// It does not believe this agent's certificate.
    #[error("{from}, which does not trust this agent: {rejection}")]
    Rejected {
        /// The caller's address.
        from: SocketAddr,
        /// What it let know.
        rejection: Rejection,
    },
    /// Any other end of a handshake: another TLS version, no HTTP/2, a lost connection.
    #[error("{from}: the TLS handshake ended: {reason}")]
    Handshake {
        /// The caller's address.
        from: SocketAddr,
        /// Why.
        reason: String,
    },
    /// A call that the caller may not make.
    #[error("{from} ({}): {denial}", .caller.as_ref().map_or_else(|| "no certificate".to_owned(), ToString::to_string))]
    Denied {
        /// The caller's address.
        from: SocketAddr,
        /// Who, if it showed a certificate.
        caller: Option<Subject>,
        /// Why.
        denial: Denial,
    },
    /// A call on a connection whose certificate has ended meanwhile.
    #[error("{from} ({caller}): its certificate ended at {at} while it was connected")]
    Ended {
        /// The caller's address.
        from: SocketAddr,
        /// Who.
        caller: Subject,
        /// When.
        at: Timestamp,
    },
    /// The server is full.
    #[error("{from}: {limit} connections are open already")]
    TooMany {
        /// The caller's address.
        from: SocketAddr,
        /// The limit.
        limit: usize,
    },
}

impl Refusal {
    /// The caller's address.
    pub const fn from(&self) -> SocketAddr {
        match self {
            Self::PlainHttp { from }
            | Self::NotTls { from }
            | Self::Slow { from, .. }
            | Self::Untrusted { from, .. }
            | Self::Rejected { from, .. }
            | Self::Handshake { from, .. }
            | Self::Denied { from, .. }
            | Self::Ended { from, .. }
            | Self::TooMany { from, .. } => *from,
        }
    }
}
