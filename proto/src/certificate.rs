//! Certificates of a node as its agent sees them: what lies in files, what is inside kubeconfigs, what each port serves now.
//!
//! They travel as JSON, as surveys do: a reader skips what it does not know. No private key, nor anything made of one, is here.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::finding::Finding;
use crate::name::NodeName;

/// All certificates of one node, read at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateInventory {
    /// The node.
    pub node: NodeName,
    /// When it was looked at, by the node's clock.
    pub at: Timestamp,
    /// What could be read, soonest end first.
    pub certificates: Vec<CertificateSeen>,
    /// What each port of the node serves.
    #[serde(default)]
    pub served: Vec<ServedSeen>,
    /// What is not as it should be, each with its remedy.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// One certificate of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSeen {
    /// kubeadm's own name for it (`apiserver`, `admin.conf`), else a name of its place.
    pub name: String,
    /// The file that it is in.
    pub file: String,
    /// Whether it may sign others.
    pub authority: bool,
    /// The subject, as `O=system:masters, CN=kubernetes-admin`.
    pub subject: String,
    /// The issuer's name, as it says itself.
    pub issuer: String,
    /// DNS names and addresses.
    #[serde(default)]
    pub sans: Vec<String>,
    /// Since when. kubeadm gives leaves the CA's begin: this does not say when one was issued.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// The serial number in hexadecimal: what tells a renewed certificate from the old one.
    pub serial: String,
    /// SHA-256 of the whole certificate, in hexadecimal.
    pub sha256: String,
    /// The CA on this node whose key verifies its signature, by name; absent: none does.
    #[serde(default)]
    pub signed_by: Option<String>,
    /// Whether its private key is there and belongs to it.
    pub key: KeySeen,
    /// Who renews it.
    pub renewal: Renewal,
}

/// What is known of a certificate's private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeySeen {
    /// It is there and belongs to the certificate.
    Belongs,
    /// It is there and is another's.
    Differs,
    /// It is not there.
    Absent,
    /// It is there and can't be read.
    Unreadable,
    /// It is there and does not say its public half, so that it can't be compared.
    Unchecked,
}

/// Who gives a certificate its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renewal {
    /// `kubeadm certs renew`, with the CA's key on this node.
    Kubeadm,
    /// The kubelet, by a certificate signing request.
    Kubelet,
    /// hactl's agent, by itself.
    Agent,
    /// Nobody here: the CA's key is not on this node.
    External,
    /// Nobody yet: a CA.
    Nobody,
}

/// What a port serves now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedSeen {
    /// The TCP port.
    pub port: u16,
    /// Whose it is, as `kube-apiserver`.
    pub by: String,
    /// The certificate that should be served, by name; absent: the process made its own in memory.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The serial number that is served; absent: nothing could be read there.
    #[serde(default)]
    pub serial: Option<String>,
    /// Until when what is served is valid.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
    /// Whether it is the very certificate of the file.
    pub same: bool,
    /// Why nothing could be read there.
    #[serde(default)]
    pub unknown: Option<String>,
}

/// What a renewal in a copy of a node's certificates and keys came to. Nothing of the node itself was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewalRehearsal {
    /// The node.
    pub node: NodeName,
    /// When, by its clock.
    pub at: Timestamp,
    /// The certificates that got another serial number in the copy, by name.
    pub renewed: Vec<String>,
    /// What would fail, each with its remedy; empty: nothing.
    pub findings: Vec<Finding>,
}

impl CertificateInventory {
    /// The soonest end of what is not an authority, of files and of what ports serve out of files.
    pub fn soonest(&self) -> Option<Timestamp> {
        let leaves = self.certificates.iter().filter(|one| !one.authority);
        leaves.map(|one| one.not_after).min()
    }

    /// The certificate of that name.
    pub fn named(&self, name: &str) -> Option<&CertificateSeen> {
        self.certificates.iter().find(|one| one.name == name)
    }
}

impl Renewal {
    /// The word for tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kubeadm => "kubeadm",
            Self::Kubelet => "kubelet",
            Self::Agent => "agent",
            Self::External => "external",
            Self::Nobody => "-",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inventory_of_another_version_reads_and_garbage_does_not() {
        let text = r#"{"node":"cp1","at":"2026-11-22T20:00:00Z","certificates":[],"new":1}"#;
        let read: CertificateInventory = serde_json::from_str(text).unwrap();
        assert_eq!(read.soonest(), None);
        for wrong in ["", "{}", "null", &text[..40]] {
            assert!(
                serde_json::from_str::<CertificateInventory>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
