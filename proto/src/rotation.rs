//! Rotation of a CA: the words that controller and agents share about it.
//!
//! What a node says of its part travels as JSON, as surveys do: a reader skips what it does not know. No private key, nor anything made
//! of one, is here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Timestamp;
use crate::instruction::Fence;
use crate::name::NodeName;

/// A CA of a kubeadm cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// `ca`: API servers, kubelets, kubeconfigs. Pods believe it too.
    Kubernetes,
    /// `etcd/ca`.
    Etcd,
    /// `front-proxy-ca`.
    FrontProxy,
}

/// What a node does in its turn. Each may be repeated, and restarts what has to read its files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Puts the successor's pair where nothing reads it yet.
    Prepare,
    /// Believes the successor beside what it believes. The controller manager signs as before: it takes no file with two CAs for signing.
    Trust,
    /// Has pods begin anew that began before they were given the successor. Of [`Authority::Kubernetes`] alone, on one control plane.
    Pods,
    /// Has all that it presents signed by the successor, which signs from then on.
    Reissue,
    /// Believes the successor alone, and puts the others' pairs aside.
    Distrust,
}

/// SHA-256 of a CA's certificate: 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

/// A node's part in a rotation, as an order to its agent. No key is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationOrder {
    /// Of which CA.
    pub authority: Authority,
    /// What is to be done.
    pub stage: Stage,
    /// The CA that takes the place of all others.
    pub to: Fingerprint,
}

/// A stage of a rotation on one node, as a controller asks its agent for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationTurn {
    /// Of which CA.
    pub authority: Authority,
    /// What is to be done.
    pub stage: Stage,
    /// The CA that takes the place of all others; absent in the first stage alone: make one.
    pub to: Option<Fingerprint>,
    /// To a worker: the lease that the controller holds for it. A control plane takes the lease itself.
    pub fence: Option<Fence>,
    /// To a worker: the certificate of `to`, PEM.
    pub certificate: String,
}

/// A node's part in one CA, read at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustSeen {
    /// The node.
    pub node: NodeName,
    /// When, by its clock.
    pub at: Timestamp,
    /// Of which CA.
    pub authority: Authority,
    /// The first CA of its file: on a control plane the one that `kubeadm` signs with.
    #[serde(default)]
    pub signer: Option<Fingerprint>,
    /// CAs whose pairs lie on this control plane, whether or not something reads them; on a worker, which has no key, CAs that lie aside.
    #[serde(default)]
    pub holds: BTreeSet<Fingerprint>,
    /// What each process took up when it began, by its name, and what its file holds now.
    #[serde(default)]
    pub believes: BTreeMap<String, BTreeSet<Fingerprint>>,
    /// Processes whose files were changed since they began: what they believe and present is known in part.
    #[serde(default)]
    pub pending: BTreeSet<String>,
    /// Who signed what is presented, by the certificate's name; that of a process: what it took up when it began.
    #[serde(default)]
    pub presents: BTreeMap<String, Fingerprint>,
    /// What is known of each CA that lies here.
    #[serde(default)]
    pub authorities: BTreeMap<Fingerprint, AuthoritySeen>,
    /// What pods were given of it; absent: nobody looked. Read where a rotation of [`Authority::Kubernetes`] has to know it.
    #[serde(default)]
    pub pods: Option<PodsSeen>,
    /// Why the node is not well, or what of this could not be read; absent: nothing.
    #[serde(default)]
    pub complaint: Option<String>,
}

/// Pods that use the API, and which CAs they were given to believe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodsSeen {
    /// CAs that are given to pods of every namespace that begin now.
    #[serde(default)]
    pub given: BTreeSet<Fingerprint>,
    /// When that was changed last, by the API servers' clocks.
    #[serde(default)]
    pub changed: Option<Timestamp>,
    /// Owners, as `kind/namespace/name`, of pods that may have begun before.
    #[serde(default)]
    pub older: BTreeSet<String>,
    /// Why it is not known; absent: it is.
    #[serde(default)]
    pub unknown: Option<String>,
}

/// A CA's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthoritySeen {
    /// Whether it says of itself that it may sign.
    pub authority: bool,
    /// Since when: of two the later one is the successor.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// The certificate, PEM: a worker is told by it whom to believe. Public, as all certificates are.
    #[serde(default)]
    pub certificate: String,
}

impl Authority {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kubernetes, Self::Etcd, Self::FrontProxy];

    /// Its word on command lines and in folders' names.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Etcd => "etcd",
            Self::FrontProxy => "front-proxy",
        }
    }
}

impl Stage {
    /// In their order.
    pub const ALL: [Self; 5] = [
        Self::Prepare,
        Self::Trust,
        Self::Pods,
        Self::Reissue,
        Self::Distrust,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Trust => "trust",
            Self::Pods => "pods",
            Self::Reissue => "reissue",
            Self::Distrust => "distrust",
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {known}")]
pub struct UnknownWord {
    word: String,
    known: &'static str,
}

impl FromStr for Authority {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|one| one.word() == word);
        found.ok_or_else(|| UnknownWord {
            word: word.to_owned(),
            known: "kubernetes, etcd, front-proxy",
        })
    }
}

impl FromStr for Stage {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|one| one.word() == word);
        found.ok_or_else(|| UnknownWord {
            word: word.to_owned(),
            known: "prepare, trust, pods, reissue, distrust",
        })
    }
}

impl Fingerprint {
    /// 64 lower-case hexadecimal digits, as [`crate::certificate::CertificateSeen::sha256`] has them; `None`: it is something else.
    pub fn new(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// SHA-256 of something else than a certificate, as a gossip key's name.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    /// Its first digits: enough to tell two apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..12])
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text).ok_or_else(|| "a fingerprint is 64 hexadecimal digits".to_owned())
    }
}

impl From<Fingerprint> for String {
    fn from(one: Fingerprint) -> Self {
        one.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fingerprint_is_none() {
        for wrong in ["", "a", &"A".repeat(64), &"g".repeat(64), &"a".repeat(65)] {
            assert_eq!(Fingerprint::new(wrong), None);
            let json = serde_json::to_string(wrong).unwrap();
            assert!(serde_json::from_str::<Fingerprint>(&json).is_err());
        }
        let one = Fingerprint::new(&"a".repeat(64)).unwrap();
        assert_eq!(one.to_string(), "aaaaaaaaaaaa");
    }

    #[test]
    fn what_a_newer_node_says_reads_and_garbage_does_not() {
        let text = r#"{"node":"cp1","at":"2026-11-23T09:00:00Z","authority":"etcd","new":1}"#;
        let read: TrustSeen = serde_json::from_str(text).unwrap();
        assert!(read.holds.is_empty() && read.complaint.is_none());
        for wrong in ["", "{}", "null", &text[..40]] {
            assert!(serde_json::from_str::<TrustSeen>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_are_read_back_and_others_are_not() {
        for one in Authority::ALL {
            assert_eq!(one.word().parse(), Ok(one));
        }
        for one in Stage::ALL {
            assert_eq!(one.word().parse(), Ok(one));
        }
        assert!("".parse::<Authority>().is_err() && "Trust".parse::<Stage>().is_err());
    }
}
