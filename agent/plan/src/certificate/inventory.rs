//! The inventory: files and served certificates become what an operator asks for, with named findings.

mod finding;
mod read;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hactl_proto::Timestamp;
use hactl_proto::certificate::{
    CertificateInventory, CertificateSeen, KeySeen, Renewal, ServedSeen,
};
use hactl_proto::name::NodeName;
use zeroize::Zeroizing;

use super::place::{self, Kind, PORTS};
use super::x509::Certificate;
use read::{Found, Reading};

pub use read::further;

/// What the shell read: it holds private keys, has no `Debug`, and is wiped when dropped.
#[derive(Default)]
pub struct Material {
    /// Files that are there; why one that is there could not be read.
    pub files: BTreeMap<String, Result<Zeroizing<Vec<u8>>, String>>,
    /// What each port gave when it was asked: the first certificate in DER, or why there is none.
    pub served: BTreeMap<u16, Result<Vec<u8>, String>>,
}

/// Whose inventory it is, and what has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The node.
    pub node: NodeName,
    /// Now, by its clock.
    pub at: Timestamp,
    /// Names of certificates that have to be there; see [`place::wanted`].
    pub wanted: Vec<&'static str>,
    /// Whether it is a control plane: CAs' keys are wanted there alone.
    pub control_plane: bool,
    /// The agent's chain and key.
    pub agent: (String, String),
    /// The agent's port.
    pub agent_port: u16,
}

/// Makes the inventory.
pub fn inventory(subject: &Subject, material: &Material) -> CertificateInventory {
    let mut places = place::places((&subject.agent.0, &subject.agent.1));
    places.extend(read::unnamed(&places, material));
    let mut reading = Reading::default();
    for place in &places {
        reading.place(place, material);
    }
    reading.service_account(material);
    let mut findings = std::mem::take(&mut reading.findings);
    let certificates: Vec<CertificateSeen> = reading
        .found
        .iter()
        .map(|found| seen(subject, &reading, found, &mut findings))
        .collect();
    findings.extend(finding::missing(subject, &reading.names, &certificates));
    findings.extend(finding::authorities(&reading));
    let served = served(subject, &reading, material, &mut findings);
    let mut certificates = certificates;
    certificates
        .sort_by(|one, other| (one.not_after, &one.name).cmp(&(other.not_after, &other.name)));
    findings.sort();
    CertificateInventory {
        node: subject.node.clone(),
        at: subject.at,
        certificates,
        served,
        findings,
    }
}

fn seen(
    subject: &Subject,
    reading: &Reading,
    found: &Found,
    findings: &mut Vec<hactl_proto::finding::Finding>,
) -> CertificateSeen {
    let certificate = &found.certificate;
    let signer = signer(reading, certificate);
    let renewal = renewal(subject, reading, found);
    findings.extend(finding::key(found, renewal));
    findings.extend(finding::valid(found, subject.at, renewal));
    let verified = signer.is_some() || certificate.self_signed();
    findings.extend(finding::signer(found, verified));
    CertificateSeen {
        name: found.name.clone(),
        file: found.file.clone(),
        authority: certificate.authority,
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        sans: certificate.sans.clone(),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        serial: certificate.serial.clone(),
        sha256: certificate.sha256.clone(),
        signed_by: signer,
        key: found.key,
        renewal,
    }
}

/// The authority on this node that verifies it; itself where it signed itself.
fn signer(reading: &Reading, certificate: &Certificate) -> Option<String> {
    let of = |found: &&Found| certificate.signed_by(&found.certificate);
    let found = reading
        .found
        .iter()
        .filter(|one| one.certificate.authority)
        .find(of);
    found
        .map(|found| found.name.clone())
        .or_else(|| certificate.self_signed().then(|| "itself".to_owned()))
}

fn renewal(subject: &Subject, reading: &Reading, found: &Found) -> Renewal {
    let by = |authority: &str| {
        let key = reading
            .found
            .iter()
            .find(|one| one.name == authority)
            .map(|one| one.key);
        if key == Some(KeySeen::Absent) {
            Renewal::External
        } else {
            Renewal::Kubeadm
        }
    };
    match found.kind {
        Some(Kind::Leaf(authority)) => by(authority),
        Some(Kind::Kubeconfig) => by("ca"),
        // A kubelet whose certificate is in its kubeconfig, as kubeadm before 1.17 left it, does not rotate it.
        Some(Kind::KubeletConfig | Kind::Kubelet) => Renewal::Kubelet,
        Some(Kind::Agent) if found.certificate.authority => Renewal::Nobody,
        Some(Kind::Agent) => Renewal::Agent,
        Some(Kind::Authority) if subject.control_plane && found.key == KeySeen::Absent => {
            Renewal::External
        }
        Some(Kind::Authority) | None => Renewal::Nobody,
    }
}

fn served(
    subject: &Subject,
    reading: &Reading,
    material: &Material,
    findings: &mut Vec<hactl_proto::finding::Finding>,
) -> Vec<ServedSeen> {
    let mut all = Vec::new();
    for port in PORTS {
        let number = if port.port == 0 {
            subject.agent_port
        } else {
            port.port
        };
        let Some(answer) = material.served.get(&number) else {
            continue;
        };
        let file = port
            .certificates
            .iter()
            .find_map(|name| reading.found.iter().find(|found| found.name == *name));
        let parsed = match answer {
            Ok(der) => Certificate::parse(der),
            Err(reason) => Err(reason.clone()),
        };
        let same = match (&parsed, file) {
            (Ok(served), Some(file)) => served.sha256 == file.certificate.sha256,
            (Ok(_), None) => port.certificates.is_empty(),
            (Err(_), _) => false,
        };
        let one = ServedSeen {
            port: number,
            by: port.by.to_owned(),
            certificate: file.map(|file| file.name.clone()),
            serial: parsed.as_ref().ok().map(|served| served.serial.clone()),
            not_after: parsed.as_ref().ok().map(|served| served.not_after),
            same,
            unknown: parsed.err(),
        };
        findings.extend(finding::served(
            &one,
            file.map(|file| file.certificate.serial.as_str()),
        ));
        all.push(one);
    }
    all
}
