//! Reading certificates: what matters of one, and PEM files.

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::refusal::PeerRefusal;
use crate::subject::Subject;

/// What matters of a certificate. Reading one verifies nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// Who it is of.
    pub subject: Subject,
    /// The common name of its issuer.
    pub issuer: String,
    /// When it begins.
    pub begins: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
    /// SHA-256 of the public key (DER `SubjectPublicKeyInfo`).
    pub key: [u8; 32],
}

/// Why a PEM text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {what}: {reason}")]
pub struct PemError {
    what: &'static str,
    reason: String,
}

impl Certified {
    /// Reads a certificate of a subject.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, PeerRefusal> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|error| PeerRefusal::Unusable(error.to_string()))?;
        let subject = subject(&certificate).ok_or(PeerRefusal::NoSubject)?;
        let time = |seconds| {
            Timestamp::from_second(seconds)
                .map_err(|error| PeerRefusal::Unusable(error.to_string()))
        };
        Ok(Self {
            subject,
            issuer: issuer(&certificate),
            begins: time(certificate.validity().not_before.timestamp())?,
            ends: time(certificate.validity().not_after.timestamp())?,
            key: Sha256::digest(certificate.public_key().raw).into(),
        })
    }

    /// Reads the first certificate of a PEM chain: the subject's own.
    pub fn read_pem(pem: &str) -> Result<Self, PemError> {
        let chain = chain(pem)?;
        let fail = |reason: String| PemError {
            what: "a certificate",
            reason,
        };
        let leaf = chain
            .first()
            .ok_or_else(|| fail("there is none".to_owned()))?;
        Self::read(leaf).map_err(|refusal| fail(refusal.to_string()))
    }

    /// When it should be renewed: at two thirds of its life, so that a third is left to try in.
    pub fn renew_at(&self) -> Timestamp {
        let (begins, ends) = (self.begins.as_second(), self.ends.as_second());
        let at = begins.saturating_add(ends.saturating_sub(begins) / 3 * 2);
        Timestamp::from_second(at).unwrap_or(self.begins)
    }
}

fn issuer(certificate: &X509Certificate<'_>) -> String {
    let mut names = certificate.issuer().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok());
    name.unwrap_or_default().to_owned()
}

/// The subject of the one URI; two URIs are none, since they could be read differently.
fn subject(certificate: &X509Certificate<'_>) -> Option<Subject> {
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
    let subject = Subject::parse(uris.next()?).ok()?;
    uris.next().is_none().then_some(subject)
}

/// The certificates of a PEM text, in its order; none is an error.
pub fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let fail = |reason: String| PemError {
        what: "a certificate",
        reason,
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| fail(format!("{error:?}")))?;
    if chain.is_empty() {
        return Err(fail("there is none".to_owned()));
    }
    Ok(chain)
}

/// SHA-256 of a certificate's public key (DER `SubjectPublicKeyInfo`), as in [`Certified::key`]; also of one that is of no subject.
pub fn public_key(der: &CertificateDer<'_>) -> Result<[u8; 32], PemError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| PemError {
        what: "a certificate",
        reason: error.to_string(),
    })?;
    Ok(Sha256::digest(certificate.public_key().raw).into())
}

/// The private keys of a PEM text; none is an error. Its words are never part of the error.
pub(super) fn private_keys(pem: &str) -> Result<Vec<PrivateKeyDer<'static>>, PemError> {
    let keys: Result<Vec<_>, _> = PrivateKeyDer::pem_slice_iter(pem.as_bytes()).collect();
    let keys = keys.ok().filter(|keys| !keys.is_empty());
    keys.ok_or_else(|| PemError {
        what: "a private key",
        reason: "it is not PEM of a private key".to_owned(),
    })
}
