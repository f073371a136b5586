//! The cluster's own CA, where its key is on this node: it signs for a kubelet whose certificate has ended, as the API would, were the kubelet
//! let in to ask. No API is needed for it, so a control plane whose every certificate has ended comes back too.

use std::net::IpAddr;

use hactl_node_plan::certificate::pem::{Block, blocks};
use hactl_node_plan::kubeadm::layout;
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::host::{Host, HostError};

const KEY: &str = "/etc/kubernetes/pki/ca.key";
/// Kubernetes' own signer gives kubelets a year too; from then on they renew by themselves.
const LIFE_SECONDS: i64 = 365 * 86_400;
/// Clocks may differ by this much when it is first used.
const BACKDATED_SECONDS: i64 = 60 * 60;
/// The group of all nodes.
const NODES: &str = "system:nodes";

/// Why no certificate was signed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthorityError {
    /// A file could not be read.
    #[error("read the cluster's CA")]
    Read(#[from] HostError),
    /// It can't be used.
    #[error("use the cluster's CA: {0}")]
    Unusable(String),
    /// The request does not parse.
    #[error("read the certificate request")]
    Request(#[source] rcgen::Error),
    /// The certificate could not be made.
    #[error("sign the certificate of {node}'s kubelet")]
    Sign {
        /// Whose.
        node: NodeName,
        /// The cause.
        source: rcgen::Error,
    },
    /// The system gave no random bytes.
    #[error("draw a serial number")]
    Random(#[source] getrandom::Error),
}

/// Signs certificates of kubelets.
pub(super) struct Authority {
    ends: i64,
    signer: Issuer<'static, CaKey>,
}

/// kubeadm writes RSA keys as PKCS #1, which rcgen does not read; all others are PKCS #8.
enum CaKey {
    Rsa(Box<RsaKeyPair>),
    Other(Box<KeyPair>),
}

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        match self {
            Self::Rsa(key) => key.public_key().as_ref(),
            Self::Other(key) => key.der_bytes(),
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            Self::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
            Self::Other(key) => key.algorithm(),
        }
    }
}

impl SigningKey for CaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map_err(|_| rcgen::Error::RingUnspecified)?;
                Ok(signature)
            }
            Self::Other(key) => key.sign(message),
        }
    }
}

impl Authority {
    /// The CA of this node; `None` where its key is not here: it is external, or this is a worker.
    pub(super) async fn read<H: Host>(host: &H) -> Result<Option<Self>, AuthorityError> {
        let Some(key) = host.read(KEY.as_ref()).await? else {
            return Ok(None);
        };
        let key = Zeroizing::new(key);
        let certificate = host.read(layout::CA.as_ref()).await?.unwrap_or_default();
        Self::of(&certificate, &key).map(Some)
    }

    /// Of a pair, PEM. Of several certificates the first is the one whose key it is.
    pub(super) fn of(certificate: &[u8], key: &[u8]) -> Result<Self, AuthorityError> {
        let key = ca_key(&first(key)?)?;
        let certificate = first(certificate)?;
        let der = CertificateDer::from(certificate.der.to_vec());
        let unusable =
            |reason: &dyn std::fmt::Display| AuthorityError::Unusable(reason.to_string());
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| unusable(&error))?;
        if !parsed.public_key().raw.ends_with(key.der_bytes()) {
            return Err(unusable(&"its key is not the one of its certificate"));
        }
        let ends = parsed.validity().not_after.timestamp();
        let signer = Issuer::from_ca_cert_der(&der, key).map_err(|error| unusable(&error))?;
        Ok(Self { ends, signer })
    }

    /// For a request of another node's. Names in it don't count: whose it is, the caller's certificate says.
    pub(super) fn sign_request(
        &self,
        node: &NodeName,
        purpose: Purpose,
        request: &str,
        now: Timestamp,
    ) -> Result<String, AuthorityError> {
        let request = rcgen::CertificateSigningRequestParams::from_pem(request)
            .map_err(AuthorityError::Request)?;
        self.sign(node, purpose, &request.public_key, now)
    }

    /// For this key.
    pub(super) fn sign(
        &self,
        node: &NodeName,
        purpose: Purpose,
        key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<String, AuthorityError> {
        let now = now.as_second();
        if now >= self.ends {
            return Err(AuthorityError::Unusable("it has ended itself".to_owned()));
        }
        let ends = self.ends.min(now + LIFE_SECONDS);
        let params = profile(node, purpose, now - BACKDATED_SECONDS, ends)?;
        let signed = params.signed_by(key, &self.signer);
        signed
            .map(|certificate| certificate.pem())
            .map_err(|source| AuthorityError::Sign {
                node: node.clone(),
                source,
            })
    }
}

/// What a kubelet's certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It asks API servers.
    Client,
    /// It serves at this address of its node.
    Server(IpAddr),
}

/// What Kubernetes' signers `kubernetes.io/kube-apiserver-client-kubelet` and `kubernetes.io/kubelet-serving` give (its documentation,
/// "Certificate Signing Requests").
fn profile(
    node: &NodeName,
    purpose: Purpose,
    begins: i64,
    ends: i64,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, NODES);
    let name = format!("system:node:{node}");
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial().map_err(AuthorityError::Random)?);
    params.not_before = at(begins);
    params.not_after = at(ends);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match purpose {
        Purpose::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Purpose::Server(address) => {
            let name = node.as_str().try_into();
            let name = name.map_err(|source| AuthorityError::Sign {
                node: node.clone(),
                source,
            })?;
            params.subject_alt_names = vec![SanType::DnsName(name), SanType::IpAddress(address)];
            vec![ExtendedKeyUsagePurpose::ServerAuth]
        }
    };
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

pub(super) fn serial() -> Result<SerialNumber, getrandom::Error> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    // RFC 5280, 4.1.2.2: positive, so the first bit is not set.
    serial[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&serial))
}

pub(super) fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn first(pem: &[u8]) -> Result<Block, AuthorityError> {
    let blocks = blocks(pem).map_err(|error| AuthorityError::Unusable(error.to_string()))?;
    let first = blocks.into_iter().next();
    first.ok_or_else(|| AuthorityError::Unusable("a file of it is empty".to_owned()))
}

fn ca_key(block: &Block) -> Result<CaKey, AuthorityError> {
    let unusable = |reason: &dyn std::fmt::Display| AuthorityError::Unusable(reason.to_string());
    match block.label.as_str() {
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&block.der)
            .map(|key| CaKey::Rsa(Box::new(key)))
            .map_err(|error| unusable(&error)),
        "PRIVATE KEY" => KeyPair::try_from(&block.der[..])
            .map(|key| CaKey::Other(Box::new(key)))
            .map_err(|error| unusable(&error)),
        other => Err(unusable(&format!("its key is written as {other}"))),
    }
}
