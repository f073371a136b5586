//! Mutual TLS between agents and operators: who is believed, and how an agent is reached.
//!
//! One rule for both directions: a certificate of the cluster's own CA, whose URI names the [`Subject`], issued by whoever
//! may name that subject. Never by address. TLS 1.3 only, HTTP/2 only, no resumption: a resumed session would keep a
//! certificate alive that has ended. Making keys and certificates does not belong here, nor what a caller may do.
//!
//! [`Subject`]: crate::subject::Subject

mod certificate;
mod connect;
mod credential;
mod refusal;
mod trust;
mod verify;

pub use certificate::{Certified, PemError, chain as certificates, public_key};
pub use connect::{ConnectError, Dialer, Limits, explain};
pub use credential::{Credential, CredentialError};
pub use refusal::{PeerRefusal, Rejection};
pub use trust::{Trust, TrustError};
pub use verify::Witness;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// What is spoken inside of TLS.
pub const ALPN: &[u8] = b"h2";

/// The one TLS provider of the product.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
