//! What each certificate says: the CA's, a control plane's intermediate's, a person's.

use hactl_proto::Timestamp;
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::secret::Secret;
use hactl_proto::subject::{Subject, intermediate_name, root_name};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;

use super::error::AuthorityError;

/// Clocks may differ by this much when a certificate is first used.
const BACKDATED_SECONDS: i64 = 60 * 60;
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// The CA and the intermediates outlive the machines; nodes' own certificates are short.
const CA_DAYS: i64 = 3653;
/// A person's certificate; the operator can issue the next one at any time.
const PERSON_DAYS: i64 = 366;

/// A certificate with its key.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: Secret,
}

/// The CA, ready to sign.
pub(super) type Signer = Issuer<'static, KeyPair>;

/// The cluster's own CA.
pub(super) fn root(cluster: ClusterId, now: Timestamp) -> Result<Pair, AuthorityError> {
    let what = || "the cluster's CA".to_owned();
    let key = generate(what)?;
    let mut params = params(&root_name(cluster), now, CA_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(failed(what))?;
    Ok(pair(&certificate, &key))
}

/// What a control plane signs its own certificate and those of workers with. It can make no further CA.
pub(super) fn intermediate(
    node: &NodeName,
    ca: &Signer,
    now: Timestamp,
) -> Result<Pair, AuthorityError> {
    let what = || format!("the issuer of {node}");
    let key = generate(what)?;
    let params = intermediate_params(node, now)?;
    let certificate = params.signed_by(&key, ca).map_err(failed(what))?;
    Ok(pair(&certificate, &key))
}

/// The same for a key that is the node's own: its request says which.
pub(super) fn requested_intermediate(
    node: &NodeName,
    request: &str,
    ca: &Signer,
    now: Timestamp,
) -> Result<String, AuthorityError> {
    let what = || format!("the issuer of {node}");
    let request = CertificateSigningRequestParams::from_pem(request).map_err(failed(what))?;
    let params = intermediate_params(node, now)?;
    let certificate = params
        .signed_by(&request.public_key, ca)
        .map_err(failed(what))?;
    Ok(certificate.pem())
}

fn intermediate_params(
    node: &NodeName,
    now: Timestamp,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = params(&intermediate_name(node), now, CA_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A person's client certificate, signed by the CA itself: nobody else may name a person.
pub(super) fn person(
    subject: &Subject,
    ca: &Signer,
    now: Timestamp,
) -> Result<Pair, AuthorityError> {
    let what = || format!("the certificate of {subject}");
    let key = generate(what)?;
    let mut params = params(subject.name.as_str(), now, PERSON_DAYS)?;
    let uri = subject.uri().try_into().map_err(failed(what))?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, ca).map_err(failed(what))?;
    Ok(pair(&certificate, &key))
}

fn params(name: &str, now: Timestamp, days: i64) -> Result<CertificateParams, AuthorityError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(AuthorityError::Random)?;
    // RFC 5280, 4.1.2.2: positive, so the first bit is not set.
    serial[0] &= 0x7f;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = at(now.as_second() - BACKDATED_SECONDS);
    params.not_after = at(now.as_second() + days * DAY_SECONDS);
    Ok(params)
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn generate(what: impl Fn() -> String) -> Result<KeyPair, AuthorityError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed(what))
}

fn failed(what: impl Fn() -> String) -> impl Fn(rcgen::Error) -> AuthorityError {
    move |source| AuthorityError::Certificate {
        what: what(),
        source,
    }
}

fn pair(certificate: &rcgen::Certificate, key: &KeyPair) -> Pair {
    Pair {
        certificate: certificate.pem(),
        key: Secret::new(key.serialize_pem()),
    }
}
