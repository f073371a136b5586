//! hactl's own roots in the operator's folder: certificates in `ca.crt`, of which the first signs and all are believed, and their keys in
//! `ca.key`, in the order in which they were made. Each file is exchanged in one stroke, so that any crash leaves a folder that can go on.

use std::path::Path;

use hactl_proto::Timestamp;
use hactl_proto::mtls::{Certified, Trust, certificates, public_key};
use hactl_proto::name::NodeName;
use hactl_proto::rotation::Fingerprint;
use hactl_proto::secret::Secret;
use rcgen::{KeyPair, PublicKeyData};
use ring::digest;
use rustls_pki_types::UnixTime;

use super::authority::Authority;
use super::error::AuthorityError;
use super::folder::{self, Person};
use super::profile;
use crate::succession::Held;

const BEGIN: &str = "-----BEGIN";

/// One root: its certificate, the name of that, and its key.
pub(super) struct Root {
    pub(super) name: Fingerprint,
    pub(super) certificate: String,
    pub(super) key: Secret,
    /// The older has the smaller one.
    age: usize,
}

/// The roots as they lie in the two files, the signing one first.
pub(super) fn read(folder: &Path) -> Result<Vec<Root>, AuthorityError> {
    let malformed = |name: &str, reason: &dyn std::fmt::Display| AuthorityError::Malformed {
        path: folder.join(name),
        reason: reason.to_string(),
    };
    let all = folder::read(folder, folder::CA_CERTIFICATE)?;
    let keys = Secret::new(folder::read(folder, folder::CA_KEY)?);
    let mut digests = Vec::new();
    for key in blocks(keys.expose()) {
        let key = Secret::new(key);
        let pair = KeyPair::from_pem(key.expose());
        let pair = pair.map_err(|error| malformed(folder::CA_KEY, &error))?;
        let digest = digest::digest(&digest::SHA256, &pair.subject_public_key_info());
        digests.push((digest.as_ref().to_vec(), key));
    }
    let mut roots = Vec::new();
    for certificate in blocks(&all) {
        let wrong = |reason: &dyn std::fmt::Display| malformed(folder::CA_CERTIFICATE, reason);
        let der = certificates(&certificate).map_err(|error| wrong(&error))?;
        let der = der
            .first()
            .ok_or_else(|| wrong(&"there is no certificate"))?;
        let key = public_key(der).map_err(|error| wrong(&error))?;
        let age = digests.iter().position(|(digest, _)| *digest == key);
        let age = age.ok_or_else(|| malformed(folder::CA_KEY, &"it holds no key of ca.crt's"))?;
        roots.push(Root {
            name: Fingerprint::of(der),
            certificate,
            key: digests[age].1.clone(),
            age,
        });
    }
    if !(1..=2).contains(&roots.len()) {
        let reason = format!(
            "it holds {} certificates, one or two are wanted",
            roots.len()
        );
        return Err(malformed(folder::CA_CERTIFICATE, &reason));
    }
    Ok(roots)
}

/// The parts of a PEM text.
fn blocks(text: &str) -> Vec<String> {
    let parts = text.split(BEGIN).skip(1);
    parts
        .map(|part| format!("{BEGIN}{}\n", part.trim_end()))
        .collect()
}

fn joined<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().collect()
}

impl Authority {
    /// Which roots there are.
    pub fn own_roots(&self) -> Held {
        let mut roots: Vec<&Root> = self.roots().iter().collect();
        roots.sort_by_key(|root| root.age);
        match roots.as_slice() {
            [older, newer] => Held::Two {
                older: older.name.clone(),
                newer: newer.name.clone(),
            },
            // `read` gives one or two.
            roots => Held::One(
                roots
                    .first()
                    .map_or_else(|| Fingerprint::of(b""), |root| root.name.clone()),
            ),
        }
    }

    /// Makes the successor of the one root that there is; it is believed, and signs nothing yet.
    pub fn begin_own_root(&mut self, now: Timestamp) -> Result<(), AuthorityError> {
        let fresh = profile::root(self.cluster(), now)?;
        let kept = self.roots().iter();
        let keys = kept.clone().map(|root| root.key.expose());
        let keys = Secret::new(joined(keys.chain([fresh.key.expose()])));
        let certificates = kept.map(|root| root.certificate.as_str());
        let certificates = joined(certificates.chain([fresh.certificate.as_str()]));
        self.write_roots(Some(&keys), &certificates)
    }

    /// Has the first of these sign from now on, at a revision that no node has seen; gives what nodes shall believe, PEM. Roots that are not among
    /// them stay in the folder until [`Authority::settle_own_root`].
    pub fn give_own_roots(&mut self, order: &[Fingerprint]) -> Result<String, AuthorityError> {
        let place = |root: &Root| order.iter().position(|one| *one == root.name);
        let mut roots: Vec<&Root> = self.roots().iter().collect();
        roots.sort_by_key(|root| place(root).unwrap_or(usize::MAX));
        let all = joined(roots.iter().map(|root| root.certificate.as_str()));
        roots.retain(|root| place(root).is_some());
        let given = joined(roots.iter().map(|root| root.certificate.as_str()));
        self.write_roots(None, &all)?;
        Ok(given)
    }

    /// Keeps this root alone.
    pub fn settle_own_root(&mut self, only: &Fingerprint) -> Result<(), AuthorityError> {
        let kept = self.roots().iter().find(|root| root.name == *only);
        let Some(kept) = kept.filter(|_| self.roots().len() > 1) else {
            return Ok(());
        };
        let (certificate, key) = (kept.certificate.clone(), kept.key.clone());
        self.write_roots(None, &certificate)?;
        folder::write(
            &self.folder().join(folder::CA_KEY),
            key.expose(),
            folder::PRIVATE,
        )
    }

    /// Signs for a control plane's issuer, whose key is with its agent. Names are not taken from the request.
    pub fn sign_issuer(
        &self,
        node: &NodeName,
        request: &str,
        now: Timestamp,
    ) -> Result<String, AuthorityError> {
        profile::requested_intermediate(node, request, self.ca(), now)
    }

    /// Gives every person of the folder whose certificate is of another root than the one that signs a new key and certificate; says who.
    pub fn reissue_persons(&self, now: Timestamp) -> Result<Vec<NodeName>, AuthorityError> {
        let mut reissued = Vec::new();
        for name in Person::all(self.folder())? {
            let certificate = folder::read(self.folder(), &format!("{name}.crt"))?;
            let Ok(certified) = Certified::read_pem(&certificate) else {
                continue;
            };
            if certified.subject.cluster != self.cluster() || self.signed(&certificate) {
                continue;
            }
            self.write_person(certified.subject.role, &name, now)?;
            reissued.push(name);
        }
        Ok(reissued)
    }

    /// Whether a person's certificate is of the root that signs now.
    fn signed(&self, certificate: &str) -> bool {
        let root = self.roots().first();
        let trust = root.and_then(|root| Trust::new(self.cluster(), &root.certificate).ok());
        let chain = certificates(certificate).unwrap_or_default();
        trust
            .zip(chain.split_first())
            .is_some_and(|(trust, (leaf, rest))| trust.caller(leaf, rest, UnixTime::now()).is_ok())
    }
}
