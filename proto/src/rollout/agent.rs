//! hactl's own agent as a package: what is installed, what is brought, and how versions of it compare.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest package that an agent takes, in bytes; ours have some five million.
pub const PACKAGE_BYTES: u64 = 64 << 20;
/// The package's name.
pub const PACKAGE: &str = "hactl-agent";

/// A version of hactl, such as `0.2.0`. A package's own revision behind it is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentVersion {
    /// The major.
    pub major: u16,
    /// The minor.
    pub minor: u16,
    /// The patch.
    pub patch: u16,
}

/// Why a text is no version of hactl.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version of hactl, such as 0.2.0")]
pub struct AgentVersionError(String);

/// SHA-256 of a package's file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageDigest([u8; 32]);

/// What installs packages on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageFormat {
    /// dpkg.
    Deb,
    /// rpm.
    Rpm,
}

/// The agent as a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentSurvey {
    /// The version that runs.
    pub runs: AgentVersion,
    /// How it is installed; absent where it is no package's.
    pub format: Option<PackageFormat>,
    /// The machine's architecture, in Rust's words: `x86_64`, `aarch64`.
    pub architecture: String,
}

impl AgentVersion {
    /// The version of the program that asks.
    pub fn own() -> Option<Self> {
        env!("CARGO_PKG_VERSION").parse().ok()
    }

    /// Whether agents and controllers of the two work together: they are of one minor, or of neighbours.
    pub const fn works_with(self, other: Self) -> bool {
        self.major == other.major && self.minor.abs_diff(other.minor) <= 1
    }
}

impl PackageDigest {
    /// From the 32 bytes of a digest.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::str::FromStr for AgentVersion {
    type Err = AgentVersionError;
    fn from_str(text: &str) -> Result<Self, AgentVersionError> {
        let bare = text.split(['-', '+', '~']).next().unwrap_or(text);
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| digits)
        };
        let mut parts = bare.split('.');
        let mut next = || number(parts.next()?);
        let parsed = match (next(), next(), next()) {
            (Some(major), Some(minor), Some(patch)) => Some(Self {
                major,
                minor,
                patch,
            }),
            _ => None,
        };
        parsed
            .filter(|_| parts.next().is_none())
            .ok_or_else(|| AgentVersionError(text.chars().take(60).collect()))
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl TryFrom<String> for AgentVersion {
    type Error = AgentVersionError;
    fn try_from(text: String) -> Result<Self, AgentVersionError> {
        text.parse()
    }
}

impl From<AgentVersion> for String {
    fn from(version: AgentVersion) -> Self {
        version.to_string()
    }
}

impl std::str::FromStr for PackageDigest {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for PackageDigest {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        text.parse()
    }
}

impl From<PackageDigest> for String {
    fn from(digest: PackageDigest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for PackageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PackageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for PackageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_revision_is_no_part_of_the_version() {
        for text in ["0.2.0", "0.2.0-1", "0.2.0~rc1-1", "0.2.0+b"] {
            let version: AgentVersion = text.parse().unwrap();
            assert_eq!(version.to_string(), "0.2.0");
        }
        for bad in [
            "",
            "0.2",
            "0.2.0.1",
            "v0.2.0",
            "0.-2.0",
            "0..0",
            "a.b.c",
            "0.2.99999",
        ] {
            assert!(bad.parse::<AgentVersion>().is_err(), "{bad}");
        }
        assert!(AgentVersion::own().is_some());
    }

    #[test]
    fn neighbours_work_together() {
        let version = |text: &str| text.parse::<AgentVersion>().unwrap();
        assert!(version("0.1.9").works_with(version("0.2.0")));
        assert!(version("0.3.0").works_with(version("0.2.7")));
        assert!(!version("0.1.0").works_with(version("0.3.0")));
        assert!(!version("0.9.0").works_with(version("1.0.0")));
    }

    #[test]
    fn a_digest_is_64_digits() {
        let text = "ab".repeat(32);
        assert_eq!(text.parse::<PackageDigest>().unwrap().to_string(), text);
        for bad in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(bad.parse::<PackageDigest>().is_err(), "{bad}");
        }
    }
}
