//! A node's part in one CA: which it holds, who believes which, who signed what is presented.
//!
//! A process believes and presents what it took up when it began, not what its files hold now: the agent writes that down when it begins
//! one anew, and marks all that read a file before it changes it. A process that begins anew by itself meanwhile is begun anew once more.

/// What is done to files' texts.
pub mod edit;
mod place;
/// Pods, and what they were given to believe.
pub mod pods;

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::rotation::{Authority, AuthoritySeen, Fingerprint, TrustSeen};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use place::{Leaf, Place, Process, SIGNING_CA, place};

use super::kubeconfig::{self, Source};
use super::pem::{CERTIFICATE, blocks, written_as};
use super::x509::Certificate;
use crate::step::certificates::StaticPod;

/// The format of [`TrustRecord`] that is written.
pub const RECORD_VERSION: u32 = 1;

/// Files that were read; absent ones are not in it. Keys may be among them: wiped when dropped.
pub type Files = BTreeMap<String, Result<Zeroizing<Vec<u8>>, String>>;

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
    /// Where the CA is on it.
    pub place: Option<Place>,
    /// The bundle, the leaves.
    pub files: &'a Files,
    /// CAs that lie aside: on a control plane their keys beside them.
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
        pods: None,
        complaint: None,
    };
    if let Err(complaint) = fill(&mut seen, material) {
        seen.complaint = Some(complaint);
    }
    seen
}

fn fill(seen: &mut TrustSeen, material: &Material<'_>) -> Result<(), String> {
    let place = material
        .place
        .ok_or_else(|| format!("this node has no part in the CA {}", seen.authority))?;
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
                certificate: written_as(one.der()),
            };
            seen.authorities.insert(key, about);
        }
    }
    let in_file: BTreeSet<Fingerprint> = bundle.iter().filter_map(fingerprint).collect();
    seen.believes
        .insert(place.bundle.to_owned(), in_file.clone());
    let by_name = |leaf: &Certificate, file: &str| {
        let signer = known.iter().find(|one| leaf.signed_by(one));
        signer
            .and_then(|one| fingerprint(one))
            .ok_or_else(|| format!("{file} is signed by no CA that is known here"))
    };
    for leaf in place.leaves {
        if !leaf.required && !material.files.contains_key(leaf.file) {
            continue;
        }
        let (own, believed) = shown(material, leaf)?;
        if let Some(own) = own {
            seen.presents
                .insert(leaf.name.to_owned(), by_name(&own, leaf.file)?);
        }
        if let Some(believed) = believed {
            let all = believed.iter().filter_map(fingerprint).collect();
            seen.believes.insert(leaf.name.to_owned(), all);
        }
    }
    // The controller manager signs with it; on workers nothing does.
    if seen.authority == Authority::Kubernetes
        && material.signs
        && let Some(signer) = seen.signer.clone()
    {
        seen.presents.insert(SIGNER.to_owned(), signer);
    }
    let record = material
        .record
        .clone()
        .map_err(|reason| format!("what processes took up is unknown: {reason}"))?
        .unwrap_or_default();
    let record = record.processes.get(&seen.authority);
    for process in place.readers {
        let name = process.name().to_owned();
        let taken = match record.and_then(|all| all.get(&name)) {
            Some(taken) => taken.clone(),
            // Nothing was ever changed here: it holds what the file does.
            None if in_file.len() == 1 => takes_up(seen, place, *process),
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

/// What the controller manager signs with, among what is presented.
const SIGNER: &str = "signer";

/// The certificate of a leaf, and of a kubeconfig whom it believes; each where it has one in itself.
type Shown = (Option<Certificate>, Option<Vec<Certificate>>);

fn shown(material: &Material<'_>, leaf: &Leaf) -> Result<Shown, String> {
    let none = || format!("{} holds no certificate", leaf.file);
    if !leaf.kubeconfig() {
        let all = read(material, leaf.file)?;
        return Ok((Some(all.into_iter().next().ok_or_else(none)?), None));
    }
    let fault = |reason: &dyn std::fmt::Display| format!("{}: {reason}", leaf.file);
    let bytes = match material.files.get(leaf.file) {
        None => return Err(format!("{} is not there", leaf.file)),
        Some(Err(reason)) => return Err(reason.clone()),
        Some(Ok(bytes)) => bytes,
    };
    let held = kubeconfig::read(bytes).map_err(|error| fault(&error))?;
    let embedded = |source: Option<Source>| match source {
        Some(Source::Embedded(bytes)) => certificates(&bytes).map(Some),
        // A file that is looked at by itself.
        Some(Source::File(_)) | None => Ok(None),
    };
    let own = embedded(held.certificate).map_err(|error| fault(&error))?;
    let believed = embedded(held.authority).map_err(|error| fault(&error))?;
    let own = own.map(|all| all.into_iter().next().ok_or_else(none));
    Ok((own.transpose()?, believed))
}

/// What a process that begins now takes up, by what the node says of its files.
pub fn takes_up(seen: &TrustSeen, place: Place, process: Process) -> TakenUp {
    let mut believes = seen.believes.get(place.bundle).cloned().unwrap_or_default();
    let mut presents = BTreeSet::new();
    for leaf in place.leaves.iter().filter(|leaf| leaf.by == Some(process)) {
        presents.extend(seen.presents.get(leaf.name).cloned());
        // Towards the API server it believes its kubeconfig, towards others the file.
        if let Some(all) = seen.believes.get(leaf.name) {
            believes.retain(|one| all.contains(one));
        }
    }
    if process == Process::Pod(StaticPod::ControllerManager) {
        presents.extend(seen.presents.get(SIGNER).cloned());
    }
    TakenUp {
        believes,
        presents,
        pending: false,
    }
}

/// Before a file is changed to hold these CAs: every process that reads it is marked, and is known to believe no more than what stays.
/// `None` of `stays`: only what is presented changes.
pub fn mark(
    record: &mut TrustRecord,
    seen: &TrustSeen,
    stays: Option<&BTreeSet<Fingerprint>>,
    processes: impl IntoIterator<Item = Process>,
) {
    let all = record.processes.entry(seen.authority).or_default();
    for process in processes {
        let name = process.name();
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
