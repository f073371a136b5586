//! One X.509 certificate (RFC 5280), as much of it as an operator asks for, and whether another one's key signed it.

use hactl_proto::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

/// A parsed certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject, as `O=system:masters, CN=kubernetes-admin`.
    pub subject: String,
    /// The issuer's name.
    pub issuer: String,
    /// DNS names, addresses, URIs.
    pub sans: Vec<String>,
    /// Since when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// The serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of the whole, hexadecimal.
    pub sha256: String,
    /// Whether it may sign others.
    pub authority: bool,
    /// The public key's bits, as `SubjectPublicKeyInfo` holds them.
    pub public_key: Vec<u8>,
    der: Vec<u8>,
}

impl Certificate {
    /// Parses one certificate; bytes after it are an error.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the certificate", rest.len()));
        }
        let validity = parsed.validity();
        let time = |seconds| Timestamp::from_second(seconds).map_err(|error| error.to_string());
        Ok(Self {
            subject: name(parsed.subject()),
            issuer: name(parsed.issuer()),
            sans: sans(&parsed)?,
            not_before: time(validity.not_before.timestamp())?,
            not_after: time(validity.not_after.timestamp())?,
            serial: hex::encode(parsed.raw_serial()),
            sha256: hex::encode(Sha256::digest(der)),
            authority: parsed.is_ca(),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
            der: der.to_vec(),
        })
    }

    /// The whole, as it was signed.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether that authority's key verifies this one's signature, and its name is the issuer's. A name alone proves nothing:
    /// every cluster's CA is called `kubernetes`.
    pub fn signed_by(&self, authority: &Self) -> bool {
        let (Ok((_, own)), Ok((_, theirs))) = (
            X509Certificate::from_der(&self.der),
            X509Certificate::from_der(&authority.der),
        ) else {
            return false;
        };
        authority.authority
            && own.issuer().as_raw() == theirs.subject().as_raw()
            && own.verify_signature(Some(theirs.public_key())).is_ok()
    }

    /// Whether it signed itself.
    pub fn self_signed(&self) -> bool {
        X509Certificate::from_der(&self.der).is_ok_and(|(_, own)| {
            own.issuer().as_raw() == own.subject().as_raw() && own.verify_signature(None).is_ok()
        })
    }
}

/// A name in the order in which it is written, as `openssl x509 -subject` shows it.
fn name(name: &X509Name<'_>) -> String {
    let mut parts = Vec::new();
    for attribute in name.iter_attributes() {
        let kind = x509_parser::objects::oid2abbrev(
            attribute.attr_type(),
            x509_parser::objects::oid_registry(),
        );
        let kind = kind.map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
        let value = attribute
            .as_str()
            .map_or_else(|_| hex::encode(attribute.as_slice()), str::to_owned);
        parts.push(format!("{kind}={value}"));
    }
    parts.join(", ")
}

fn sans(certificate: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let extension = certificate
        .subject_alternative_name()
        .map_err(|error| error.to_string())?;
    let names = extension.map(|extension| extension.value.general_names.as_slice());
    Ok(names.unwrap_or_default().iter().map(san).collect())
}

fn san(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
            (*name).to_owned()
        }
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    }
}

fn address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return std::net::Ipv4Addr::from(four).to_string();
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(sixteen) => std::net::Ipv6Addr::from(sixteen).to_string(),
        Err(_) => hex::encode(bytes),
    }
}
