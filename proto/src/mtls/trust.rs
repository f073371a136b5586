//! What this side believes in: one cluster, and its CA, of which there are two roots while one succeeds the other.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};
use tokio::sync::watch;

use super::certificate::{Certified, PemError, chain};
use super::provider;
use super::refusal::PeerRefusal;
use crate::name::{ClusterId, NodeName};
use crate::role::CallerRole;
use crate::rotation::Fingerprint;
use crate::subject::dns_name;

/// One cluster and its CA: peers of it are believed, nobody else. [`Trust::replace`] takes effect at the next handshake, on both sides.
#[derive(Debug)]
pub struct Trust {
    cluster: ClusterId,
    roots: RwLock<Roots>,
    replaced: watch::Sender<()>,
}

/// What peers are verified with.
#[derive(Debug, Clone)]
struct Roots {
    clients: Arc<dyn ClientCertVerifier>,
    servers: Arc<dyn ServerCertVerifier>,
    /// Each root alone.
    single: Vec<(Fingerprint, CertificateDer<'static>)>,
}

/// Why the CA can't be believed in.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It does not parse.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// It is not a CA certificate that verification can be anchored at.
    #[error("take the cluster's CA certificate: {0}")]
    Anchor(String),
}

impl Trust {
    /// Believes in the CA of the bundle: every root of a PEM text.
    pub fn new(cluster: ClusterId, ca_pem: &str) -> Result<Self, TrustError> {
        Ok(Self::of(cluster, Roots::new(chain(ca_pem)?)?))
    }

    fn of(cluster: ClusterId, roots: Roots) -> Self {
        Self {
            cluster,
            roots: RwLock::new(roots),
            replaced: watch::Sender::new(()),
        }
    }

    /// Believes in these roots from now on. Connections that stand are told by [`Trust::replacements`].
    pub fn replace(&self, ca_pem: &str) -> Result<(), TrustError> {
        let fresh = Roots::new(chain(ca_pem)?)?;
        *self.roots.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.replaced.send_replace(());
        Ok(())
    }

    /// Changes at each replacement.
    pub fn replacements(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    /// The roots that are believed, by the SHA-256 of their certificates.
    pub fn roots(&self) -> Vec<Fingerprint> {
        let roots = self.held().single;
        roots.into_iter().map(|(root, _)| root).collect()
    }

    /// The root that a chain of the agent of `wanted` leads to; `None`: to none that is believed.
    pub fn signer(
        &self,
        wanted: &NodeName,
        chain: &[CertificateDer<'_>],
        at: Timestamp,
    ) -> Option<Fingerprint> {
        let (leaf, intermediates) = chain.split_first()?;
        let leads_to = |root: CertificateDer<'static>| {
            let alone = Self::of(self.cluster, Roots::new(vec![root]).ok()?);
            alone.agent(wanted, leaf, intermediates, unix(at)).ok()
        };
        let mut single = self.held().single.into_iter();
        single.find_map(|(name, root)| leads_to(root).map(|_| name))
    }

    fn held(&self) -> Roots {
        self.roots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn clients(&self) -> Arc<dyn ClientCertVerifier> {
        self.held().clients
    }

    pub(super) fn servers(&self) -> Arc<dyn ServerCertVerifier> {
        self.held().servers
    }

    /// The cluster.
    pub const fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Whether a caller's chain is believed: which subject it is.
    pub fn caller(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Certified, PeerRefusal> {
        self.clients()
            .verify_client_cert(leaf, intermediates, now)
            .map_err(|error| self.refusal(&error, leaf))?;
        self.holder(leaf)
    }

    /// Whether a server's chain is believed to be of the agent of `wanted`.
    pub fn agent(
        &self,
        wanted: &NodeName,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Certified, PeerRefusal> {
        let name = dns_name(wanted, self.cluster);
        let name =
            ServerName::try_from(name).map_err(|error| PeerRefusal::Unusable(error.to_string()))?;
        let verified = self
            .servers()
            .verify_server_cert(leaf, intermediates, &name, &[], now);
        if let Err(error) = verified {
            return Err(match (self.refusal(&error, leaf), Certified::read(leaf)) {
                (PeerRefusal::Unusable(_), Ok(found)) if not_for_name(&error) => {
                    PeerRefusal::WrongNode {
                        wanted: wanted.clone(),
                        found: found.subject,
                    }
                }
                (refusal, _) => refusal,
            });
        }
        let holder = self.holder(leaf)?;
        let an_agent = matches!(
            holder.subject.role,
            CallerRole::ControlPlane | CallerRole::Worker
        );
        if !an_agent || holder.subject.name != *wanted {
            return Err(PeerRefusal::WrongNode {
                wanted: wanted.clone(),
                found: holder.subject,
            });
        }
        Ok(holder)
    }

    /// Whether a PEM chain is, at that time, one that others would believe to be the agent of `wanted`.
    pub fn agent_chain(
        &self,
        wanted: &NodeName,
        chain_pem: &str,
        at: Timestamp,
    ) -> Result<Certified, PeerRefusal> {
        let chain = chain(chain_pem).map_err(|error| PeerRefusal::Unusable(error.to_string()))?;
        let (leaf, intermediates) = chain.split_first().ok_or(PeerRefusal::NoSubject)?;
        self.agent(wanted, leaf, intermediates, unix(at))
    }

    /// The subject of a chain that leads to the CA, if its issuer may name it.
    fn holder(&self, leaf: &CertificateDer<'_>) -> Result<Certified, PeerRefusal> {
        let holder = Certified::read(leaf)?;
        if holder.subject.cluster != self.cluster {
            return Err(PeerRefusal::OtherCluster {
                theirs: holder.subject.cluster,
                ours: self.cluster,
            });
        }
        match holder.subject.issuer() {
            Some(wanted) if wanted != holder.issuer => Err(PeerRefusal::WrongIssuer {
                subject: holder.subject,
                issuer: holder.issuer,
            }),
            _ => Ok(holder),
        }
    }

    /// What rustls found, in words, with what the certificate says of itself.
    fn refusal(&self, error: &rustls::Error, leaf: &CertificateDer<'_>) -> PeerRefusal {
        let rustls::Error::InvalidCertificate(reason) = error else {
            return PeerRefusal::Unusable(error.to_string());
        };
        match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                match Certified::read(leaf) {
                    Ok(theirs) if theirs.subject.cluster != self.cluster => {
                        PeerRefusal::OtherCluster {
                            theirs: theirs.subject.cluster,
                            ours: self.cluster,
                        }
                    }
                    _ => PeerRefusal::UnknownIssuer { ours: self.cluster },
                }
            }
            CertificateError::ExpiredContext { not_after, .. } => PeerRefusal::Expired {
                at: moment(*not_after),
            },
            CertificateError::NotValidYetContext { not_before, .. } => PeerRefusal::NotYet {
                at: moment(*not_before),
            },
            other => PeerRefusal::Unusable(other.to_string()),
        }
    }
}

fn unix(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

impl Roots {
    fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, TrustError> {
        let anchor = |error: &dyn std::fmt::Display| TrustError::Anchor(error.to_string());
        let mut roots = RootCertStore::empty();
        let mut single = Vec::new();
        for certificate in certificates {
            single.push((Fingerprint::of(&certificate), certificate.clone()));
            roots.add(certificate).map_err(|error| anchor(&error))?;
        }
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| anchor(&error))?;
        let servers = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| anchor(&error))?;
        Ok(Self {
            clients,
            servers,
            single,
        })
    }
}

const fn not_for_name(error: &rustls::Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(
        error,
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
    )
}

fn moment(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
