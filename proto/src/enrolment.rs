//! The enrolment token: what a worker without a certificate shows to a control plane's agent.
//!
//! `hactl-enrol-v1.PAYLOAD.MAC`: the payload is hexadecimal JSON of a [`Claim`], the MAC is HMAC-SHA256 over all before the last
//! dot, hexadecimal. The operator's machine makes the MAC, a control plane's agent verifies it in constant time; the key
//! is with these alone, so neither is done here. The role is always worker: a control plane's bundle brings its own issuer.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{ClusterId, NodeName, ZoneName};
use crate::secret::Secret;

/// Names the format, and keeps the MAC apart from any other use of the key.
const VERSION: &str = "hactl-enrol-v1";

/// What a token allows: one certificate after another for a worker, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    /// The hactl cluster.
    pub cluster: ClusterId,
    /// The one worker that may use it; `None`: any that the spec does not declare.
    pub node: Option<NodeName>,
    /// The zone that the worker is in.
    pub zone: ZoneName,
    /// When it ends. A certificate that it brought lives on.
    pub expires: Timestamp,
}

/// A token as it was shown: nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownToken {
    /// What it says.
    pub claim: Claim,
    /// What the MAC is over.
    pub signed: String,
    /// The MAC that was shown.
    pub mac: [u8; 32],
}

/// The text is not of the form of an enrolment token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the enrolment token: it is not of the form hactl-enrol-v1.PAYLOAD.MAC")]
pub struct TokenFormError;

impl Claim {
    /// What the MAC has to be made over.
    pub fn signed(&self) -> String {
        // A claim is plain owned data: serializing it to JSON cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{VERSION}.{}", hex::encode(json))
    }

    /// The token, with the MAC over [`Claim::signed`].
    pub fn token(&self, mac: &[u8]) -> Secret {
        Secret::new(format!("{}.{}", self.signed(), hex::encode(mac)))
    }
}

impl ShownToken {
    /// Takes a token apart. The caller verifies the MAC before it believes a word.
    pub fn parse(token: &Secret) -> Result<Self, TokenFormError> {
        let parse = || {
            let (signed, shown) = token.expose().trim().rsplit_once('.')?;
            let payload = signed.strip_prefix(VERSION)?.strip_prefix('.')?;
            let claim = serde_json::from_slice(&hex::decode(payload).ok()?).ok()?;
            let mut mac = [0; 32];
            hex::decode_to_slice(shown, &mut mac).ok()?;
            Some(Self {
                claim,
                signed: signed.to_owned(),
                mac,
            })
        };
        parse().ok_or(TokenFormError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Claim {
            cluster: ClusterId::from_bytes([5; 16]),
            node: Some(NodeName::new("w1").unwrap()),
            zone: ZoneName::new("a").unwrap(),
            expires: "2030-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_token_reads_back() {
        let shown = ShownToken::parse(&claim().token(&[9; 32])).unwrap();
        assert_eq!(shown.claim, claim());
        assert_eq!(shown.signed, claim().signed());
        assert_eq!(shown.mac, [9; 32]);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let good = claim().token(&[9; 32]).expose().to_owned();
        let other_version = good.replacen("v1", "v2", 1);
        let cut = good[..good.len() - 2].to_owned();
        let not_hex = good.replacen(".7b", ".zz", 1);
        let not_json = format!("{VERSION}.00.{}", "00".repeat(32));
        for text in ["", "a.b.c", &other_version, &cut, &not_hex, &not_json] {
            let shown = ShownToken::parse(&Secret::new(text));
            assert_eq!(shown, Err(TokenFormError), "{text}");
        }
    }
}
