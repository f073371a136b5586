//! Names: what a cluster, a node and a zone may be called, checked once where they enter.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: {reason}")]
pub struct NameError {
    what: &'static str,
    text: String,
    reason: &'static str,
}

/// RFC 1123 label: what Kubernetes accepts in a label value, a DNS name and (lower case) a host name.
fn check_label(what: &'static str, text: &str) -> Result<(), NameError> {
    let fail = |reason| {
        Err(NameError {
            what,
            text: text.to_owned(),
            reason,
        })
    };
    if text.is_empty() {
        return fail("it is empty");
    }
    if text.len() > 63 {
        return fail("it has more than 63 characters");
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return fail("only a-z, 0-9 and '-' are allowed");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return fail("it starts or ends with '-'");
    }
    Ok(())
}

/// RFC 1123 subdomain: labels joined by dots, 253 characters at most (Kubernetes node names).
fn check_subdomain(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.len() > 253 {
        return Err(NameError {
            what,
            text: text.to_owned(),
            reason: "it has more than 253 characters",
        });
    }
    text.split('.')
        .try_for_each(|label| check_label(what, label))
        .map_err(|error| NameError {
            text: text.to_owned(),
            ..error
        })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the text; see the type for what is allowed.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                $check($what, &text)?;
                Ok(Self(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

name!(
    /// A cluster's name: an RFC 1123 label.
    ClusterName, "cluster name", check_label
);
name!(
    /// A node's name: an RFC 1123 subdomain, the same text as the Kubernetes Node object's name.
    NodeName, "node name", check_subdomain
);
name!(
    /// A zone's name: an RFC 1123 label, used as the value of `topology.kubernetes.io/zone`.
    ZoneName, "zone name", check_label
);

/// A cluster's identity: 128 random bits made once by `hactl-controller init`, so that two clusters of one name
/// never take each other's bundles, certificates or datagrams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId([u8; 16]);

impl ClusterId {
    /// From 16 random bytes, drawn by the caller.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The raw bytes, for key derivation.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl TryFrom<String> for ClusterId {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| NameError {
            what: "cluster id",
            text,
            reason: "32 hexadecimal digits are wanted",
        })?;
        Ok(Self(bytes))
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> String {
        hex::encode(id.0)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outside_rfc_1123_says_why() {
        assert!(NodeName::new("cp1.example.org").is_ok());
        let wrong = [
            ("", "empty"),
            ("Cp1", "a-z"),
            ("-a", "starts"),
            ("a..b", "empty"),
        ];
        for (text, reason) in wrong {
            let error = NodeName::new(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(ZoneName::new("a.b").is_err());
    }

    #[test]
    fn a_cluster_id_reads_back() {
        let id = ClusterId::from_bytes([7; 16]);
        assert_eq!(ClusterId::try_from(id.to_string()), Ok(id));
        assert!(ClusterId::try_from("07".to_owned()).is_err());
    }
}
