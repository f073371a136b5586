//! This side's own key and certificate, exchangeable while connections are made with it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};

use super::certificate::{Certified, PemError, chain, private_keys};
use super::trust::Trust;
use super::verify::{AgentVerifier, CallerVerifier, Witness};
use super::{ALPN, provider};
use crate::name::NodeName;
use crate::secret::Secret;

/// A key with its certificate chain. [`Credential::replace`] takes effect at the next handshake, on both sides.
pub struct Credential(RwLock<Held>);

#[derive(Clone)]
struct Held {
    key: Arc<CertifiedKey>,
    certified: Certified,
}

/// Why key and chain are no credential. The one in use stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// One of them does not parse.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// They do not belong together, or the key is of no usable kind.
    #[error("use the certificate with its key: {0}")]
    Mismatch(rustls::Error),
}

impl Credential {
    /// From a PEM chain, own certificate first, and its PEM key. Of several keys it is the one that the certificate is of: files of key and
    /// certificate can't be exchanged in one stroke.
    pub fn new(chain_pem: &str, key_pem: &Secret) -> Result<Self, CredentialError> {
        Ok(Self(RwLock::new(held(chain_pem, key_pem)?)))
    }

    /// Exchanges both; connections that stand keep what they were made with.
    pub fn replace(&self, chain_pem: &str, key_pem: &Secret) -> Result<(), CredentialError> {
        let fresh = held(chain_pem, key_pem)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What the certificate in use says.
    pub fn certified(&self) -> Certified {
        self.held().certified
    }

    /// The chain in use, own certificate first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.held().key.cert.clone()
    }

    fn held(&self) -> Held {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn held(chain_pem: &str, key_pem: &Secret) -> Result<Held, CredentialError> {
    let certified = Certified::read_pem(chain_pem)?;
    let mut fits = Err(rustls::Error::General("there is no key".to_owned()));
    for key in private_keys(key_pem.expose())? {
        fits = CertifiedKey::from_der(chain(chain_pem)?, key, &provider());
        if fits.is_ok() {
            break;
        }
    }
    Ok(Held {
        key: Arc::new(fits.map_err(CredentialError::Mismatch)?),
        certified,
    })
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credential")
            .field(&self.held().certified)
            .finish()
    }
}

impl ResolvesServerCert for Credential {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.held().key)
    }
}

impl ResolvesClientCert for Credential {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.held().key)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl Trust {
    /// The server's half of one connection: callers without a certificate get through (and may only enrol), callers with
    /// one that is not believed do not. The witness keeps why.
    pub fn serve(
        self: &Arc<Self>,
        own: &Arc<Credential>,
    ) -> Result<(ServerConfig, Witness), rustls::Error> {
        let witness = Witness::default();
        let verifier = CallerVerifier {
            trust: self.clone(),
            witness: witness.clone(),
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(own.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok((config, witness))
    }

    /// The client's half of one connection to the agent of `wanted`; without an own credential only enrolment is open.
    pub(super) fn call(
        self: &Arc<Self>,
        wanted: &NodeName,
        own: Option<&Arc<Credential>>,
    ) -> Result<(ClientConfig, Witness), rustls::Error> {
        let witness = Witness::default();
        let verifier = AgentVerifier {
            trust: self.clone(),
            wanted: wanted.clone(),
            witness: witness.clone(),
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match own {
            Some(own) => builder.with_client_cert_resolver(own.clone()),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok((config, witness))
    }
}
