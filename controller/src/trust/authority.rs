//! The authority: made once, opened again, signs for people and nodes.

use std::path::{Path, PathBuf};

use hactl_proto::Timestamp;
use hactl_proto::gossip::GossipRing;
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::role::CallerRole;
use hactl_proto::secret::Secret;
use hactl_proto::subject::Subject;
use rcgen::{Issuer, KeyPair};
use ring::hmac;

use super::error::AuthorityError;
use super::folder::{self, Person};
use super::gossip;
use super::profile::{self, Pair, Signer};
use super::roots::{self, Root};

/// One cluster's CA and keys, in the operator's folder.
pub struct Authority {
    folder: PathBuf,
    cluster: ClusterId,
    generation: u64,
    /// The signing one first.
    roots: Vec<Root>,
    ca: Signer,
    trust_revision: u64,
    gossip: GossipRing,
    enrolment: Secret,
}

impl Authority {
    /// Makes a new cluster's CA, keys and operator certificate in a folder that holds none. Bundles are made afterwards,
    /// by [`Authority::bundle`] and [`Authority::write_bundle`]. Nothing that lies there is overwritten, also not what a
    /// crash left: that is for the operator to remove.
    pub fn create(folder: &Path, now: Timestamp) -> Result<Self, AuthorityError> {
        let ours = [folder::CLUSTER_ID, folder::CA_KEY, folder::CA_CERTIFICATE];
        if let Some(present) = ours.into_iter().find(|name| folder.join(name).exists()) {
            return Err(AuthorityError::Occupied {
                folder: folder.to_owned(),
                present,
            });
        }
        folder::create(folder)?;
        let cluster = ClusterId::from_bytes(random()?);
        let root = profile::root(cluster, now)?;
        let gossip = GossipRing {
            revision: 0,
            keys: vec![gossip::fresh(1)?],
        };
        let enrolment = Secret::new(hex::encode(random::<32>()?));
        let private =
            |name: &str, text: &str| folder::write(&folder.join(name), text, folder::PRIVATE);
        let public =
            |name: &str, text: &str| folder::write(&folder.join(name), text, folder::PUBLIC);
        public(folder::CA_CERTIFICATE, &root.certificate)?;
        private(folder::CA_KEY, root.key.expose())?;
        private(folder::GOSSIP_KEYS, &gossip::written(&gossip))?;
        private(folder::ENROLMENT_KEY, enrolment.expose())?;
        public(folder::GENERATION, "1")?;
        let authority = Self {
            folder: folder.to_owned(),
            cluster,
            generation: 1,
            ca: signer(folder, &root.certificate, &root.key)?,
            roots: roots::read(folder)?,
            trust_revision: 0,
            gossip,
            enrolment,
        };
        let operator = NodeName::new(folder::OPERATOR).map_err(|error| {
            // The name is a constant of this crate; a test reads it.
            authority.malformed(folder::OPERATOR, &error)
        })?;
        authority.write_person(CallerRole::Operator, &operator, now)?;
        // Last: with it the folder is a cluster's.
        public(folder::CLUSTER_ID, &cluster.to_string())?;
        Ok(authority)
    }

    /// Opens the folder of a cluster.
    pub fn open(folder: &Path) -> Result<Self, AuthorityError> {
        let malformed = |name: &str, reason: &dyn std::fmt::Display| AuthorityError::Malformed {
            path: folder.join(name),
            reason: reason.to_string(),
        };
        let cluster = ClusterId::try_from(folder::read(folder, folder::CLUSTER_ID)?)
            .map_err(|error| malformed(folder::CLUSTER_ID, &error))?;
        let generation = folder::read(folder, folder::GENERATION)?
            .parse()
            .map_err(|error| malformed(folder::GENERATION, &error))?;
        let roots = roots::read(folder)?;
        let trust_revision = match folder::read(folder, folder::TRUST_REVISION) {
            Err(AuthorityError::Absent { .. }) => 0,
            read => read?
                .parse()
                .map_err(|error| malformed(folder::TRUST_REVISION, &error))?,
        };
        let gossip = gossip::read(&folder::read(folder, folder::GOSSIP_KEYS)?)
            .map_err(|error| malformed(folder::GOSSIP_KEYS, &error))?;
        let enrolment = Secret::new(folder::read(folder, folder::ENROLMENT_KEY)?);
        if !hex::decode(enrolment.expose()).is_ok_and(|key| key.len() == 32) {
            let reason = "64 hexadecimal digits are wanted";
            return Err(malformed(folder::ENROLMENT_KEY, &reason));
        }
        Ok(Self {
            folder: folder.to_owned(),
            cluster,
            generation,
            ca: signing(folder, &roots)?,
            roots,
            trust_revision,
            gossip,
            enrolment,
        })
    }

    /// The cluster.
    pub const fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The generation that bundles are made with.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Raises the generation, durably: the spec changed, bundles made from now on say so.
    pub fn raise_generation(&mut self) -> Result<u64, AuthorityError> {
        let next = self.generation + 1;
        let path = self.folder.join(folder::GENERATION);
        folder::write(&path, &next.to_string(), folder::PUBLIC)?;
        self.generation = next;
        Ok(next)
    }

    /// Issues a person's certificate and writes it beside the CA as `NAME.crt` and `NAME.key`, replacing an older one.
    /// `role` is operator or viewer; a node's certificate is never made here. An older key lies before the new one until its certificate is
    /// replaced: whoever reads both files, or is cut off here, finds the key of the certificate.
    pub fn write_person(
        &self,
        role: CallerRole,
        name: &NodeName,
        now: Timestamp,
    ) -> Result<Person, AuthorityError> {
        let subject = Subject {
            cluster: self.cluster,
            role,
            name: name.clone(),
        };
        let Pair { certificate, key } = profile::person(&subject, &self.ca, now)?;
        let files = Person::named(&self.folder, name);
        let old = std::fs::read_to_string(&files.key).ok().map(Secret::new);
        let both = |old: &Secret| Secret::new(format!("{}\n{}", old.expose(), key.expose()));
        let first = old.as_ref().map_or_else(|| key.clone(), both);
        folder::write(&files.key, first.expose(), folder::PRIVATE)?;
        folder::write(&files.certificate, &certificate, folder::PUBLIC)?;
        if old.is_some() {
            folder::write(&files.key, key.expose(), folder::PRIVATE)?;
        }
        Ok(files)
    }

    pub(super) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The revision of the roots that bundles are made with.
    pub const fn trust_revision(&self) -> u64 {
        self.trust_revision
    }

    /// Every root that is believed, PEM, the signing one first.
    pub(super) fn ca_certificate(&self) -> String {
        let roots = self.roots.iter();
        roots.map(|root| root.certificate.as_str()).collect()
    }

    /// Keeps other roots at the next revision, and signs with the first; the keys are written before the certificates that need them.
    pub(super) fn write_roots(
        &mut self,
        keys: Option<&Secret>,
        certificates: &str,
    ) -> Result<(), AuthorityError> {
        let path = |name: &str| self.folder.join(name);
        if let Some(keys) = keys {
            folder::write(&path(folder::CA_KEY), keys.expose(), folder::PRIVATE)?;
        }
        let next = self.trust_revision + 1;
        let revision = path(folder::TRUST_REVISION);
        folder::write(&revision, &next.to_string(), folder::PUBLIC)?;
        folder::write(&path(folder::CA_CERTIFICATE), certificates, folder::PUBLIC)?;
        self.trust_revision = next;
        self.roots = roots::read(&self.folder)?;
        self.ca = signing(&self.folder, &self.roots)?;
        Ok(())
    }

    pub(super) const fn ca(&self) -> &Signer {
        &self.ca
    }

    pub(super) const fn gossip(&self) -> &GossipRing {
        &self.gossip
    }

    /// Keeps another ring, durably.
    pub(super) fn keep_gossip(&mut self, ring: GossipRing) -> Result<(), AuthorityError> {
        let path = self.folder.join(folder::GOSSIP_KEYS);
        folder::write(&path, &gossip::written(&ring), folder::PRIVATE)?;
        self.gossip = ring;
        Ok(())
    }

    pub(super) const fn enrolment(&self) -> &Secret {
        &self.enrolment
    }

    /// The MAC of an enrolment token.
    pub(super) fn mac(&self, signed: &str) -> hmac::Tag {
        // `open` and `create` have made sure that it is hexadecimal.
        let key = hex::decode(self.enrolment.expose()).unwrap_or_default();
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes())
    }

    fn malformed(&self, name: &str, reason: &dyn std::fmt::Display) -> AuthorityError {
        AuthorityError::Malformed {
            path: self.folder.join(name),
            reason: reason.to_string(),
        }
    }
}

fn signing(folder: &Path, roots: &[Root]) -> Result<Signer, AuthorityError> {
    let first = roots.first().ok_or_else(|| AuthorityError::Absent {
        folder: folder.to_owned(),
        missing: folder::CA_CERTIFICATE.to_owned(),
    })?;
    signer(folder, &first.certificate, &first.key)
}

fn signer(folder: &Path, certificate: &str, key: &Secret) -> Result<Signer, AuthorityError> {
    let failed = |source| AuthorityError::Certificate {
        what: format!("use of the CA in {}", folder.display()),
        source,
    };
    let key = KeyPair::from_pem(key.expose()).map_err(failed)?;
    Issuer::from_ca_cert_pem(certificate, key).map_err(failed)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], AuthorityError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(AuthorityError::Random)?;
    Ok(bytes)
}
