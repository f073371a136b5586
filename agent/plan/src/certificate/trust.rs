//! A node's part in one CA: which it holds, who believes which, who signed what is presented.
//!
//! A process believes and presents what it took up when it began, not what its files hold now: the agent writes that down when it begins
//! one anew, and marks all that read a file before it changes it. A process that begins anew by itself meanwhile is begun anew once more.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::rotation::{Authority, AuthoritySeen, Fingerprint, TrustSeen};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::pem::{CERTIFICATE, blocks};
use super::x509::Certificate;
use crate::step::certificates::StaticPod;

/// The format of [`TrustRecord`] that is written.
pub const RECORD_VERSION: u32 = 1;

/// Files that were read; absent ones are not in it. Keys may be among them: wiped when dropped.
pub type Files = BTreeMap<String, Result<Zeroizing<Vec<u8>>, String>>;

/// Where a CA is on a control plane, who reads it, and what it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its certificate, or several: the first is the one whose key is beside it.
    pub bundle: &'static str,
    /// Its key.
    pub key: &'static str,
    /// Pods that take it up when they begin.
    pub pods: &'static [StaticPod],
    /// What it signs: name, file, and who presents it; nobody: it is read anew each time.
    pub leaves: &'static [(&'static str, &'static str, Option<StaticPod>)],
}

/// The place of a CA; `None`: its rotation is not known here.
pub const fn place(authority: Authority) -> Option<Place> {
    match authority {
        Authority::Kubernetes => None,
        Authority::Etcd => Some(Place {
            bundle: "/etc/kubernetes/pki/etcd/ca.crt",
            key: "/etc/kubernetes/pki/etcd/ca.key",
            pods: &[StaticPod::Etcd, StaticPod::ApiServer],
            leaves: &[
                (
                    "etcd-server",
                    "/etc/kubernetes/pki/etcd/server.crt",
                    Some(StaticPod::Etcd),
                ),
                (
                    "etcd-peer",
                    "/etc/kubernetes/pki/etcd/peer.crt",
                    Some(StaticPod::Etcd),
                ),
                (
                    "etcd-healthcheck-client",
                    "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
                    None,
                ),
                (
                    "apiserver-etcd-client",
                    "/etc/kubernetes/pki/apiserver-etcd-client.crt",
                    Some(StaticPod::ApiServer),
                ),
            ],
        }),
        Authority::FrontProxy => Some(Place {
            bundle: "/etc/kubernetes/pki/front-proxy-ca.crt",
            key: "/etc/kubernetes/pki/front-proxy-ca.key",
            pods: &[StaticPod::ApiServer, StaticPod::ControllerManager],
            leaves: &[(
                "front-proxy-client",
                "/etc/kubernetes/pki/front-proxy-client.crt",
                Some(StaticPod::ApiServer),
            )],
        }),
    }
}

/// What a process took up when it began.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenUp {
    /// CAs that it believes for certain.
    pub believes: BTreeSet<Fingerprint>,
    /// CAs that signed what it presents.
    pub presents: BTreeSet<Fingerprint>,
    /// Its files were changed since, or are about to be.
    pub pending: bool,
}

/// What the agent keeps of that, by CA and process: a file that is replaced whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// By the CA's word, then the process' name.
    pub processes: BTreeMap<Authority, BTreeMap<String, TakenUp>>,
}

impl Default for TrustRecord {
    fn default() -> Self {
        Self {
            version: RECORD_VERSION,
            processes: BTreeMap::new(),
        }
    }
}

/// Reads the record. One of a newer agent, or a torn one, is an error: what it says must not be guessed.
pub fn read_record(text: &str) -> Result<TrustRecord, String> {
    let record: TrustRecord = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if record.version > RECORD_VERSION {
        return Err(format!(
            "it has version {}, this agent reads up to {RECORD_VERSION}",
            record.version
        ));
    }
    Ok(record)
}

/// All certificates of a PEM file, in their order.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    let blocks = blocks(bytes).map_err(|error| error.to_string())?;
    let certificates = blocks.iter().filter(|block| block.label == CERTIFICATE);
    certificates
        .map(|block| Certificate::parse(&block.der))
        .collect()
}

/// A certificate's fingerprint.
pub fn fingerprint(certificate: &Certificate) -> Option<Fingerprint> {
    Fingerprint::new(&certificate.sha256)
}

/// What the shell read of a node.
pub struct Material<'a> {
    /// The node.
    pub node: NodeName,
    /// Now, by its clock.
    pub at: Timestamp,
    /// The bundle, the leaves.
    pub files: &'a Files,
    /// Certificates of pairs that lie aside, keys beside them.
    pub aside: &'a [Certificate],
    /// Whether the key beside the bundle belongs to its first certificate.
    pub signs: bool,
    /// What the agent keeps; `None`: nothing yet.
    pub record: Result<Option<TrustRecord>, String>,
}

/// Makes what the node says of its part in that CA.
pub fn trust(authority: Authority, material: &Material<'_>) -> TrustSeen {
    let mut seen = TrustSeen {
        node: material.node.clone(),
        at: material.at,
        authority,
        signer: None,
        holds: material.aside.iter().filter_map(fingerprint).collect(),
        believes: BTreeMap::new(),
        pending: BTreeSet::new(),
        presents: BTreeMap::new(),
        authorities: BTreeMap::new(),
        complaint: None,
    };
    if let Err(complaint) = fill(&mut seen, material) {
        seen.complaint = Some(complaint);
    }
    seen
}

fn fill(seen: &mut TrustSeen, material: &Material<'_>) -> Result<(), String> {
    let place = place(seen.authority)
        .ok_or_else(|| format!("this agent does not rotate the CA {}", seen.authority))?;
    let bundle = read(material, place.bundle)?;
    let first = bundle
        .first()
        .ok_or_else(|| format!("{} holds no certificate", place.bundle))?;
    seen.signer = fingerprint(first);
    if material.signs {
        seen.holds.extend(seen.signer.clone());
    }
    let known: Vec<&Certificate> = bundle.iter().chain(material.aside).collect();
    for one in &known {
        if let Some(key) = fingerprint(one) {
            let about = AuthoritySeen {
                authority: one.authority,
                not_before: one.not_before,
                not_after: one.not_after,
            };
            seen.authorities.insert(key, about);
        }
    }
    let in_file: BTreeSet<Fingerprint> = bundle.iter().filter_map(fingerprint).collect();
    seen.believes
        .insert(place.bundle.to_owned(), in_file.clone());
    let mut signers: BTreeMap<&str, Fingerprint> = BTreeMap::new();
    for (name, file, _) in place.leaves {
        let leaf = read(material, file)?;
        let leaf = leaf
            .first()
            .ok_or_else(|| format!("{file} holds no certificate"))?;
        let signer = known.iter().find(|one| leaf.signed_by(one));
        let signer = signer
            .and_then(|one| fingerprint(one))
            .ok_or_else(|| format!("{file} is signed by no CA that is known here"))?;
        signers.insert(name, signer.clone());
        seen.presents.insert((*name).to_owned(), signer);
    }
    let record = material
        .record
        .clone()
        .map_err(|reason| format!("what processes took up is unknown: {reason}"))?
        .unwrap_or_default();
    let record = record.processes.get(&seen.authority);
    for pod in place.pods {
        let name = pod.component().to_owned();
        let files = taken_up(place, *pod, &in_file, &signers);
        let taken = match record.and_then(|all| all.get(&name)) {
            Some(taken) => taken.clone(),
            // Nothing was ever changed here: it holds what the file does.
            None if in_file.len() == 1 => files,
            None => TakenUp {
                pending: true,
                ..TakenUp::default()
            },
        };
        if taken.pending {
            seen.pending.insert(name.clone());
        }
        seen.believes.insert(name.clone(), taken.believes);
        for signer in taken.presents {
            // One that is not the successor's is told before one that is: whoever asks whether all are looks at each.
            let key = format!("{name} presents {signer}");
            seen.presents.insert(key, signer);
        }
    }
    Ok(())
}

/// What a process that begins now takes up.
pub fn taken_up(
    place: Place,
    pod: StaticPod,
    in_file: &BTreeSet<Fingerprint>,
    signers: &BTreeMap<&str, Fingerprint>,
) -> TakenUp {
    let own = place.leaves.iter().filter(|(.., by)| *by == Some(pod));
    TakenUp {
        believes: in_file.clone(),
        presents: own
            .filter_map(|(name, ..)| signers.get(name).cloned())
            .collect(),
        pending: false,
    }
}

/// What a process took up, from what the node said just before it began.
pub fn takes_up(seen: &TrustSeen, pod: StaticPod) -> Option<TakenUp> {
    let place = place(seen.authority)?;
    let in_file = seen.believes.get(place.bundle)?;
    let signers = place
        .leaves
        .iter()
        .filter_map(|(name, ..)| Some((*name, seen.presents.get(*name)?.clone())))
        .collect();
    Some(taken_up(place, pod, in_file, &signers))
}

/// Before a file is changed to hold these CAs: every process that reads it is marked, and is known to believe no more than what stays.
/// `None` of `stays`: only what is presented changes.
pub fn mark(record: &mut TrustRecord, seen: &TrustSeen, stays: Option<&BTreeSet<Fingerprint>>) {
    let Some(place) = place(seen.authority) else {
        return;
    };
    let all = record.processes.entry(seen.authority).or_default();
    for pod in place.pods {
        let name = pod.component();
        let taken = all.entry(name.to_owned()).or_insert_with(|| TakenUp {
            believes: seen.believes.get(name).cloned().unwrap_or_default(),
            presents: BTreeSet::new(),
            pending: true,
        });
        taken.pending = true;
        if let Some(stays) = stays {
            taken.believes.retain(|one| stays.contains(one));
        }
    }
}

fn read(material: &Material<'_>, file: &str) -> Result<Vec<Certificate>, String> {
    match material.files.get(file) {
        None => Err(format!("{file} is not there")),
        Some(Err(reason)) => Err(reason.clone()),
        Some(Ok(bytes)) => certificates(bytes).map_err(|reason| format!("{file}: {reason}")),
    }
}

#[cfg(test)]
mod tests;
