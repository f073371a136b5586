//! A control plane's issuer: signs the node's own certificate and those of workers, with the intermediate of its bundle.

use std::sync::{Arc, PoisonError, RwLock};

use hactl_proto::Timestamp;
use hactl_proto::mtls::Certified;
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::role::CallerRole;
use hactl_proto::secret::Secret;
use hactl_proto::subject::{Subject, dns_name};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Clocks may differ by this much when a certificate is first used.
const BACKDATED_SECONDS: i64 = 60 * 60;
/// A node's certificate lives 90 days; it renews itself after 60.
const LIFE_SECONDS: i64 = 90 * 24 * 60 * 60;

/// Signs certificates of nodes, with a key that may be exchanged while it does.
pub struct Issuer {
    cluster: ClusterId,
    held: RwLock<Arc<Held>>,
}

struct Held {
    certificate: String,
    ends: i64,
    signer: rcgen::Issuer<'static, KeyPair>,
}

/// Why a certificate was not signed.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The bundle's issuer does not parse.
    #[error("take the bundle's issuer: {0}")]
    Malformed(String),
    /// The request does not parse, or is not signed with the key that it is for.
    #[error("read the certificate request")]
    Request(#[source] rcgen::Error),
    /// The certificate could not be made.
    #[error("make the certificate of {subject}")]
    Sign {
        /// Whose.
        subject: Subject,
        /// The cause.
        source: rcgen::Error,
    },
    /// The system gave no random bytes.
    #[error("draw a serial number")]
    Random(#[source] getrandom::Error),
    /// The issuer's own certificate is over: the operator has to make a new bundle.
    #[error("sign with an issuer that ended at {0}; a new bundle is needed")]
    Ended(Timestamp),
}

impl Issuer {
    /// From the bundle's `Admission::Issuer`.
    pub fn new(cluster: ClusterId, certificate: &str, key: &Secret) -> Result<Self, IssuerError> {
        let malformed = |reason: &dyn std::fmt::Display| IssuerError::Malformed(reason.to_string());
        let key = KeyPair::from_pem(key.expose()).map_err(|error| malformed(&error))?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| malformed(&format!("{error:?}")))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| malformed(&error))?;
        if !parsed.public_key().raw.ends_with(key.der_bytes()) {
            return Err(malformed(&"its key is not the one of its certificate"));
        }
        let ends = parsed.validity().not_after.timestamp();
        let signer =
            rcgen::Issuer::from_ca_cert_der(&der, key).map_err(|error| malformed(&error))?;
        let held = Held {
            certificate: certificate.to_owned(),
            ends,
            signer,
        };
        Ok(Self {
            cluster,
            held: RwLock::new(Arc::new(held)),
        })
    }

    /// Signs with another's key from now on.
    pub(super) fn replace(&self, other: Self) {
        let fresh = other.held.into_inner();
        let fresh = fresh.unwrap_or_else(PoisonError::into_inner);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn held(&self) -> Arc<Held> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&held)
    }

    /// A certificate for the node's own key, as a PEM chain. Others believe it only of the node that this issuer is of.
    pub fn sign_own(
        &self,
        node: &NodeName,
        key: &KeyPair,
        now: Timestamp,
    ) -> Result<String, IssuerError> {
        self.sign(self.subject(CallerRole::ControlPlane, node), key, now)
    }

    /// A certificate for a worker. Only the key is taken from the request.
    pub fn sign_worker(
        &self,
        node: &NodeName,
        csr_pem: &str,
        now: Timestamp,
    ) -> Result<String, IssuerError> {
        let request =
            CertificateSigningRequestParams::from_pem(csr_pem).map_err(IssuerError::Request)?;
        self.sign(
            self.subject(CallerRole::Worker, node),
            &request.public_key,
            now,
        )
    }

    fn subject(&self, role: CallerRole, name: &NodeName) -> Subject {
        Subject {
            cluster: self.cluster,
            role,
            name: name.clone(),
        }
    }

    fn sign(
        &self,
        subject: Subject,
        key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<String, IssuerError> {
        let (now, held) = (now.as_second(), self.held());
        if now >= held.ends {
            let ended = Timestamp::from_second(held.ends).unwrap_or(Timestamp::MIN);
            return Err(IssuerError::Ended(ended));
        }
        let ends = held.ends.min(now + LIFE_SECONDS);
        let signed = profile(&subject, now - BACKDATED_SECONDS, ends)?
            .and_then(|params| params.signed_by(key, &held.signer));
        let leaf = signed.map_err(|source| IssuerError::Sign { subject, source })?;
        Ok(format!("{}{}", leaf.pem(), held.certificate))
    }
}

/// What a node's certificate says.
fn profile(
    subject: &Subject,
    begins: i64,
    ends: i64,
) -> Result<Result<CertificateParams, rcgen::Error>, IssuerError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(IssuerError::Random)?;
    // RFC 5280, 4.1.2.2: positive, so the first bit is not set.
    serial[0] &= 0x7f;
    let names = || {
        let uri = SanType::URI(subject.uri().try_into()?);
        let dns = dns_name(&subject.name, subject.cluster);
        Ok(vec![uri, SanType::DnsName(dns.try_into()?)])
    };
    Ok(names().map(|names| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        // RFC 5280, appendix A.1: a common name has at most 64 characters; the names that count are in the SAN.
        let name: String = subject.name.as_str().chars().take(64).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.subject_alt_names = names;
        params.not_before = at(begins);
        params.not_after = at(ends);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        params
    }))
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A request for a certificate, PEM. It names nobody: names are the issuer's to write.
pub(super) fn request(key: &KeyPair) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serialize_request(key)?.pem()
}

/// Whether a certificate is for that key.
pub(super) fn is_for(certified: &Certified, key: &KeyPair) -> bool {
    let digest = ring::digest::digest(&ring::digest::SHA256, &key.subject_public_key_info());
    digest.as_ref() == certified.key
}
