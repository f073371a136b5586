//! Kubernetes versions: parsing, order, and the minor that kubeadm's behaviour hangs on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Kubernetes release such as `v1.36.2` or `v1.37.0-rc.1`; order is semver's, build metadata is ignored.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubernetesVersion {
    /// Always 1 so far.
    pub major: u16,
    /// The minor: what the version skew policy and kubeadm's configuration API count in.
    pub minor: u16,
    /// The patch release.
    pub patch: u16,
    pre: PreRelease,
}

/// A release sorts after all of its pre-releases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum PreRelease {
    Pre(String),
    Release,
}

/// Why a text is not a Kubernetes version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a Kubernetes version; write it whole, as v1.36.2")]
pub struct VersionError {
    text: String,
}

impl KubernetesVersion {
    /// A released version.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
            pre: PreRelease::Release,
        }
    }
}

impl std::str::FromStr for KubernetesVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let error = || VersionError {
            text: text.to_owned(),
        };
        let bare = text.trim().strip_prefix('v').unwrap_or(text.trim());
        let bare = bare.split('+').next().unwrap_or(bare);
        let (numbers, pre) = match bare.split_once('-') {
            Some((numbers, pre)) if !pre.is_empty() => (numbers, PreRelease::Pre(pre.to_owned())),
            Some(_) => return Err(error()),
            None => (bare, PreRelease::Release),
        };
        let mut parts = numbers.split('.').map(str::parse::<u16>);
        let mut next = || parts.next().and_then(Result::ok).ok_or_else(error);
        let version = Self {
            major: next()?,
            minor: next()?,
            patch: next()?,
            pre,
        };
        match parts.next() {
            None => Ok(version),
            Some(_) => Err(error()),
        }
    }
}

impl TryFrom<String> for KubernetesVersion {
    type Error = VersionError;
    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<KubernetesVersion> for String {
    fn from(version: KubernetesVersion) -> String {
        version.to_string()
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match &self.pre {
            PreRelease::Release => format!("v{}.{}.{}", self.major, self.minor, self.patch),
            PreRelease::Pre(pre) => {
                format!("v{}.{}.{}-{pre}", self.major, self.minor, self.patch)
            }
        };
        f.pad(&text)
    }
}

impl fmt::Debug for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_print_and_sort() {
        let version = |text: &str| text.parse::<KubernetesVersion>().unwrap();
        assert_eq!(version("1.20.2"), KubernetesVersion::new(1, 20, 2));
        assert_eq!(version("v1.36.2+build").to_string(), "v1.36.2");
        assert!(version("v1.37.0-rc.1") < version("v1.37.0"));
        assert!(version("v1.9.0") < version("v1.10.0"));
        for wrong in ["", "v1.2", "1.2.3.4", "latest", "v1.2.x", "v1.2.3-"] {
            assert!(wrong.parse::<KubernetesVersion>().is_err(), "{wrong}");
        }
    }
}
