//! The two verifiers that rustls calls: thin, over [`Trust`]. Each lives for one connection and keeps what it refused, since
//! rustls tells its caller less than was found.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::refusal::PeerRefusal;
use super::trust::Trust;
use crate::name::NodeName;

/// What a verifier refused on its connection, if it did.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<Mutex<Option<PeerRefusal>>>);

impl Witness {
    /// What was refused; later calls find nothing.
    pub fn take(&self) -> Option<PeerRefusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, refusal: PeerRefusal) -> Error {
        let error = Error::InvalidCertificate(refusal.certificate_error());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        error
    }
}

/// Verifies the caller of one connection to this agent.
pub(super) struct CallerVerifier {
    pub(super) trust: Arc<Trust>,
    pub(super) witness: Witness,
}

/// Verifies the agent at the other end of one connection from here.
pub(super) struct AgentVerifier {
    pub(super) trust: Arc<Trust>,
    pub(super) wanted: NodeName,
    pub(super) witness: Witness,
}

impl fmt::Debug for CallerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerVerifier")
    }
}

impl fmt::Debug for AgentVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentVerifier({})", self.wanted)
    }
}

impl ClientCertVerifier for CallerVerifier {
    /// A caller without a certificate may still enrol.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: a caller of another cluster shall show its certificate, so that the refusal can name its cluster.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.trust.caller(leaf, intermediates, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refusal) => Err(self.witness.keep(refusal)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust
            .clients()
            .verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust
            .clients()
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.clients().supported_verify_schemes()
    }
}

impl ServerCertVerifier for AgentVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.trust.agent(&self.wanted, leaf, intermediates, now) {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(refusal) => Err(self.witness.keep(refusal)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust
            .servers()
            .verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust
            .servers()
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.servers().supported_verify_schemes()
    }
}
