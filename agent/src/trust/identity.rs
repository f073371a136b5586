//! The node's identity: its key and certificate on disk and in use.

use std::path::Path;
use std::sync::Arc;

use hactl_proto::Timestamp;
use hactl_proto::bundle::Bundle;
use hactl_proto::mtls::{Certified, Credential, Dialer, Limits, PeerRefusal, Trust};
use hactl_proto::name::NodeName;
use hactl_proto::role::CallerRole;
use hactl_proto::rotation::Fingerprint;
use hactl_proto::secret::Secret;
use hactl_proto::subject::Subject;
use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::error::IdentityError;
use super::introduction::Introduction;
use super::issuer::{Issuer, IssuerError, is_for};
use crate::host::Host;
use crate::paths::Paths;

/// Only the agent reads it.
const PRIVATE: u32 = 0o600;
/// A certificate is no secret.
const PUBLIC: u32 = 0o644;

/// Who this node is, with what proves it.
pub struct Identity {
    subject: Subject,
    key: KeyPair,
    trust: Arc<Trust>,
    credential: Arc<Credential>,
    introduction: Introduction,
}

impl Identity {
    /// Takes the identity from disk, or makes the key and gets a certificate. `node` is the bundle's, or for any worker's
    /// bundle the host's own name. A certificate that ended is replaced; one of another cluster or node is refused.
    pub async fn establish<H: Host>(
        host: &H,
        paths: &Paths,
        bundle: &Bundle,
        node: &NodeName,
    ) -> Result<Self, IdentityError> {
        let trust = Arc::new(Trust::new(bundle.cluster_id, &bundle.ca_certificate)?);
        let introduction = Introduction::of(bundle)?;
        let subject = Subject {
            cluster: bundle.cluster_id,
            role: CallerRole::from(bundle.role),
            name: node.clone(),
        };
        let key = key(host, &paths.node_key()).await?;
        let held = text(host, &paths.node_certificate()).await?;
        let chain = match held {
            Some(chain) => usable(&chain, &subject, &key, &trust, host.now())?,
            None => Held::Nothing,
        };
        let chain = match chain {
            Held::Usable(chain) => chain,
            worthless => {
                let fetched = fetch(host, paths, &introduction, node, &key, &trust, None).await;
                fetched.map_err(|error| worthless.explain(error))?
            }
        };
        let credential = Arc::new(Credential::new(&chain, &pem(&key))?);
        Ok(Self {
            subject,
            key,
            trust,
            credential,
            introduction,
        })
    }

    /// Gets the next certificate for the same key, and puts it to use at once: connections made from now on show it, on
    /// both sides. The old one stays in use where that fails.
    pub async fn renew<H: Host>(&self, host: &H, paths: &Paths) -> Result<(), IdentityError> {
        let (key, trust, node) = (&self.key, &self.trust, &self.subject.name);
        let current = (host.now() < self.certified().ends).then_some(&self.credential);
        let chain = fetch(host, paths, &self.introduction, node, key, trust, current).await?;
        self.credential.replace(&chain, &pem(key))?;
        Ok(())
    }

    /// Who this node is.
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whom it believes.
    pub const fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// What it shows, on both sides of a connection.
    pub const fn credential(&self) -> &Arc<Credential> {
        &self.credential
    }

    /// How it gets certificates; a control plane's issuer is there too.
    pub const fn introduction(&self) -> &Introduction {
        &self.introduction
    }

    /// What its certificate says now.
    pub fn certified(&self) -> Certified {
        self.credential.certified()
    }

    /// The root that its certificate leads to; `None`: to none that it believes itself.
    pub fn signer(&self, now: Timestamp) -> Option<Fingerprint> {
        let chain = self.credential.chain();
        self.trust.signer(&self.subject.name, &chain, now)
    }

    /// The root that a certificate of this node by that issuer would lead to; `None`: others would not believe it.
    pub(super) fn trial(
        &self,
        issuer: &Issuer,
        now: Timestamp,
    ) -> Result<Option<Fingerprint>, IssuerError> {
        let node = &self.subject.name;
        let chain = issuer.sign_own(node, &self.key, now)?;
        let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .filter_map(Result::ok)
            .collect();
        Ok(self.trust.signer(node, &chain, now))
    }

    /// Makes channels to other agents.
    pub fn dialer(&self, limits: Limits) -> Dialer {
        Dialer::new(self.trust.clone(), Some(self.credential.clone()), limits)
    }
}

/// What the certificate on disk is worth.
enum Held {
    Nothing,
    Ended(Timestamp),
    Usable(String),
}

impl Held {
    /// A worker's ended certificate is part of why it has none.
    fn explain(&self, error: IdentityError) -> IdentityError {
        match (self, error) {
            (Self::Ended(expired), IdentityError::NoIssuer { reasons }) => {
                IdentityError::ExpiredAndNoIssuer {
                    expired: *expired,
                    reasons,
                }
            }
            (_, error) => error,
        }
    }
}

fn usable(
    chain: &str,
    wanted: &Subject,
    key: &KeyPair,
    trust: &Trust,
    now: Timestamp,
) -> Result<Held, IdentityError> {
    // A damaged certificate is as good as none: the key is what matters.
    let Ok(found) = Certified::read_pem(chain) else {
        return Ok(Held::Nothing);
    };
    if found.subject.cluster != wanted.cluster {
        return Err(IdentityError::OtherCluster {
            bundle: wanted.cluster,
            state: found.subject.cluster,
        });
    }
    if found.subject != *wanted {
        return Err(IdentityError::OtherNode {
            wanted: wanted.clone(),
            found: found.subject,
        });
    }
    if !is_for(&found, key) {
        return Ok(Held::Nothing);
    }
    Ok(match trust.agent_chain(&wanted.name, chain, now) {
        Ok(_) => Held::Usable(chain.to_owned()),
        Err(PeerRefusal::Expired { at }) => Held::Ended(at),
        Err(_) => Held::Nothing,
    })
}

/// Gets a certificate, checks it as others will, and writes it.
async fn fetch<H: Host>(
    host: &H,
    paths: &Paths,
    introduction: &Introduction,
    node: &NodeName,
    key: &KeyPair,
    trust: &Arc<Trust>,
    current: Option<&Arc<Credential>>,
) -> Result<String, IdentityError> {
    let now = host.now();
    let issued = introduction
        .certificate(node, key, trust, current, now)
        .await?;
    let wrong = |refusal| IdentityError::WrongCertificate {
        issuer: issued.issuer.clone(),
        refusal,
    };
    let certified = trust.agent_chain(node, &issued.chain, now).map_err(wrong)?;
    if !is_for(&certified, key) {
        let reason = "it is for another key".to_owned();
        return Err(wrong(PeerRefusal::Unusable(reason)));
    }
    let path = paths.node_certificate();
    host.replace(&path, issued.chain.as_bytes(), PUBLIC).await?;
    Ok(issued.chain)
}

/// The key on disk, or a fresh one that is on disk before it is used.
async fn key<H: Host>(host: &H, path: &Path) -> Result<KeyPair, IdentityError> {
    if let Some(held) = text(host, path).await? {
        return KeyPair::from_pem(&held).map_err(|_| IdentityError::DamagedKey {
            path: path.display().to_string(),
        });
    }
    let fresh = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|source| {
        IdentityError::Make {
            what: "key",
            source,
        }
    })?;
    host.replace(path, pem(&fresh).expose().as_bytes(), PRIVATE)
        .await?;
    Ok(fresh)
}

async fn text<H: Host>(host: &H, path: &Path) -> Result<Option<String>, IdentityError> {
    let bytes = host.read(path).await?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn pem(key: &KeyPair) -> Secret {
    Secret::new(key.serialize_pem())
}
