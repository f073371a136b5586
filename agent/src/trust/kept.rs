//! What this node was given of hactl's own CA after its bundle: on disk before it is used, and in force until a bundle brings newer.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use hactl_proto::bundle::{Admission, Bundle};
use hactl_proto::mtls::{Certified, Trust, TrustError};
use hactl_proto::name::ClusterId;
use hactl_proto::rotation::Fingerprint;
use hactl_proto::secret::Secret;
use hactl_proto::trust::OwnTrustSeen;
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::identity::Identity;
use super::introduction::Introduction;
use super::issuer::{Issuer, request};
use crate::api::Failure;
use crate::causes::chain;
use crate::host::{Host, HostError};
use crate::paths::Paths;

/// The agent alone reads it.
const PRIVATE: u32 = 0o600;

/// It holds a key: it derives no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    revision: u64,
    /// PEM of every root that is believed.
    roots: String,
    /// A control plane's, where it was given another than its bundle's.
    #[serde(default)]
    issuer: Option<KeptIssuer>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptIssuer {
    certificate: String,
    key: String,
}

/// The bundle with what is in force. A file that can't be used is told of and passed over, so that the agent says on its own port what is
/// wrong.
pub async fn in_force<H: Host>(host: &H, paths: &Paths, mut bundle: Bundle) -> Bundle {
    let file = paths.own_trust();
    match read(host, &file, bundle.cluster_id).await {
        Ok(None) => {}
        Ok(Some(kept)) if kept.revision >= bundle.trust_revision => {
            bundle.trust_revision = kept.revision;
            bundle.ca_certificate = kept.roots;
            if let (
                Some(kept),
                Admission::Issuer {
                    certificate, key, ..
                },
            ) = (kept.issuer, &mut bundle.admission)
            {
                *certificate = kept.certificate;
                *key = kept.key;
            }
        }
        // An issuer that is out of use lies nowhere.
        Ok(Some(_)) => {
            if let Err(error) = host.remove(&file).await {
                tracing::warn!(error = chain(&error), "failed to remove an old issuer");
            }
        }
        Err(reason) => tracing::error!(
            file = %file.display(),
            reason,
            "what was kept of hactl's own CA can't be used, the bundle's is: if nobody believes that any more, put a bundle made anew here"
        ),
    }
    bundle
}

async fn read<H: Host>(host: &H, file: &Path, cluster: ClusterId) -> Result<Option<Kept>, String> {
    let bytes = host.read(file).await.map_err(|error| chain(&error))?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    Trust::new(cluster, &kept.roots).map_err(|error| chain(&error))?;
    if let Some(issuer) = &kept.issuer {
        let key = Secret::new(issuer.key.clone());
        Issuer::new(cluster, &issuer.certificate, &key).map_err(|error| chain(&error))?;
    }
    Ok(Some(kept))
}

/// Gives this node another part in hactl's own CA.
pub struct OwnTrust<H> {
    host: Arc<H>,
    paths: Paths,
    identity: Arc<Identity>,
    kept: Mutex<Kept>,
}

impl<H: Host> OwnTrust<H> {
    /// Of an identity that was established from this bundle, over which lies what was kept.
    pub async fn new(
        host: Arc<H>,
        paths: &Paths,
        bundle: &Bundle,
        identity: Arc<Identity>,
    ) -> Self {
        let kept = read(&*host, &paths.own_trust(), bundle.cluster_id).await;
        let issuer = kept.ok().flatten().and_then(|kept| kept.issuer);
        Self {
            host,
            paths: paths.clone(),
            identity,
            kept: Mutex::new(Kept {
                revision: bundle.trust_revision,
                roots: bundle.ca_certificate.clone(),
                issuer,
            }),
        }
    }

    /// What is in use.
    pub async fn seen(&self) -> Result<OwnTrustSeen, Failure> {
        let kept = self.kept.lock().await;
        let (identity, now) = (&self.identity, self.host.now());
        let mut shows = BTreeSet::new();
        shows.extend(identity.signer(now));
        if let Introduction::Own(issuer) = identity.introduction() {
            // What it would give out says who signed it.
            let trial = identity.trial(issuer, now);
            shows.extend(trial.map_err(|source| Failure::internal("try the issuer", source))?);
        }
        Ok(OwnTrustSeen {
            node: identity.subject().name.clone(),
            at: now,
            revision: kept.revision,
            believes: identity.trust().roots().into_iter().collect(),
            shows,
        })
    }

    /// Believes in these roots from now on. Refused where nobody who believes in them alone would believe this node.
    pub async fn put_roots(&self, revision: u64, roots: &str) -> Result<(), Failure> {
        let mut kept = self.kept.lock().await;
        let next = Kept {
            revision,
            roots: roots.to_owned(),
            issuer: kept.issuer.clone(),
        };
        newer(&kept, &next)?;
        let (identity, now) = (&self.identity, self.host.now());
        let unusable = |error: TrustError| Failure::Refused(chain(&error));
        let fresh = Trust::new(identity.subject().cluster, roots).map_err(unusable)?;
        let own = identity.credential().chain();
        if fresh.signer(&identity.subject().name, &own, now).is_none() {
            return Err(Failure::Refused(
                "this node's own certificate is of none of these roots: it has to be issued anew first"
                    .to_owned(),
            ));
        }
        self.keep(&next).await?;
        identity.trust().replace(roots).map_err(unusable)?;
        let names: Vec<String> = fresh.roots().iter().map(ToString::to_string).collect();
        tracing::info!(
            revision,
            roots = names.join(", "),
            "believes in other roots"
        );
        *kept = next;
        Ok(())
    }

    /// A request for an issuer's certificate, for a key that is made here and stays here; the same until it was answered.
    pub async fn request_issuer(&self) -> Result<String, Failure> {
        let _alone = self.kept.lock().await;
        self.control_plane()?;
        let made = |source: rcgen::Error| Failure::internal("make the issuer's request", source);
        let file = self.paths.next_issuer_key();
        let held = self.text(&file).await?;
        // A damaged one was never signed for.
        let held = held.and_then(|text| KeyPair::from_pem(&text).ok());
        let key = if let Some(key) = held {
            key
        } else {
            let fresh = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(made)?;
            let text = Secret::new(fresh.serialize_pem());
            self.write(&file, text.expose().as_bytes()).await?;
            fresh
        };
        request(&key).map_err(made)
    }

    /// The answer to it: from now on this node signs with it, and shows what it signed with it.
    pub async fn put_issuer(&self, revision: u64, certificate: &str) -> Result<(), Failure> {
        let mut kept = self.kept.lock().await;
        let issuer = self.control_plane()?;
        let file = self.paths.next_issuer_key();
        let key = self.text(&file).await?;
        let key = key.ok_or_else(|| {
            Failure::Refused("no issuer was asked for here, or it was given already".to_owned())
        })?;
        let cluster = self.identity.subject().cluster;
        let fresh = Issuer::new(cluster, certificate, &Secret::new(key.clone()));
        let fresh = fresh.map_err(|error| Failure::Refused(chain(&error)))?;
        let trial = self.identity.trial(&fresh, self.host.now());
        let trial = trial.map_err(|source| Failure::internal("try the issuer", source))?;
        if trial.is_none() {
            return Err(Failure::Refused(
                "what this issuer signs is believed by nobody: its root is not believed here, or it is of another node"
                    .to_owned(),
            ));
        }
        let next = Kept {
            revision,
            issuer: Some(KeptIssuer {
                certificate: certificate.to_owned(),
                key,
            }),
            ..kept.clone()
        };
        newer(&kept, &next)?;
        self.keep(&next).await?;
        issuer.replace(fresh);
        *kept = next;
        self.renewed().await?;
        let removed = self.host.remove(&file).await;
        removed.map_err(|source| Failure::internal("remove the issuer's second key", source))
    }

    /// Gets this node's next certificate, of that root.
    pub async fn renew(&self, to: &Fingerprint) -> Result<(), Failure> {
        let _alone = self.kept.lock().await;
        self.renewed().await?;
        match self.identity.signer(self.host.now()) {
            Some(root) if root == *to => Ok(()),
            Some(root) => Err(Failure::Unavailable(format!(
                "the next certificate is of root {root} still: a control plane that gave it out signs with that"
            ))),
            None => Err(Failure::Unavailable(
                "the next certificate is of no root that is believed here".to_owned(),
            )),
        }
    }

    async fn renewed(&self) -> Result<(), Failure> {
        let renewed = self.identity.renew(&*self.host, &self.paths).await;
        renewed.map_err(|source| Failure::internal("renew this node's certificate", source))?;
        let Certified { ends, .. } = self.identity.certified();
        tracing::info!(%ends, "renewed this node's certificate by order");
        Ok(())
    }

    fn control_plane(&self) -> Result<&Arc<Issuer>, Failure> {
        match self.identity.introduction() {
            Introduction::Own(issuer) => Ok(issuer),
            Introduction::Peers { .. } => Err(Failure::Unsupported(
                "a worker signs nothing: it has no issuer".to_owned(),
            )),
        }
    }

    async fn keep(&self, next: &Kept) -> Result<(), Failure> {
        let json = serde_json::to_vec(next)
            .map_err(|source| Failure::internal("write what is believed", source))?;
        self.write(&self.paths.own_trust(), &json).await
    }

    async fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.host.replace(path, bytes, PRIVATE).await;
        written.map_err(|source: HostError| Failure::internal("keep what was given", source))
    }

    async fn text(&self, path: &Path) -> Result<Option<String>, Failure> {
        let bytes = self.host.read(path).await;
        let bytes = bytes.map_err(|source| Failure::internal("read a key", source))?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }
}

/// What is older than what is in force is another state folder's; the same once more is for whoever did not hear the answer.
fn newer(kept: &Kept, next: &Kept) -> Result<(), Failure> {
    if next.revision < kept.revision || (next.revision == kept.revision && next.roots != kept.roots)
    {
        return Err(Failure::Refused(format!(
            "hactl's own CA is of revision {} here, the order is of {}: another state folder of this cluster has rotated it since; use that one",
            kept.revision, next.revision
        )));
    }
    Ok(())
}
