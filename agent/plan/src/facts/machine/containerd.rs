//! containerd: installed, running, configured.

use std::fmt;

use super::TextFile;
use crate::facts::Known;

/// containerd's own configuration file.
pub const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";

/// containerd: installed, running, configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerdFacts {
    /// `containerd --version`; `None`: not installed.
    pub version: Known<Option<ContainerdVersion>>,
    /// Whether its unit has a process.
    pub running: Known<bool>,
    /// Whether its unit starts at boot.
    pub enabled: Known<bool>,
    /// Whether hactl changed its configuration and did not restart it yet (`/run/hactl/containerd-restart-due`).
    pub restart_due: bool,
    /// [`CONTAINERD_CONFIG`] and what it imports, in the order in which containerd merges them, later ones winning. Empty: no
    /// such file, containerd's defaults hold.
    pub files: Known<Vec<TextFile>>,
    /// The pause image of `kubeadm config images list` for the spec's version; `None`: there is no kubeadm to ask.
    pub pause_image: Known<Option<String>>,
}

/// A release of containerd; what follows the patch is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerdVersion {
    /// 1 or 2.
    pub major: u16,
    /// The minor.
    pub minor: u16,
    /// The patch.
    pub patch: u16,
}

impl fmt::Display for ContainerdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Reads `containerd github.com/containerd/containerd v1.7.24 88bf…` and distributions' forms of it.
pub fn parse_version(output: &str) -> Option<ContainerdVersion> {
    let word = output.split_whitespace().nth(2)?;
    let word = word.strip_prefix('v').unwrap_or(word);
    let numbers = word
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()?;
    let mut parts = numbers.split('.').map(str::parse::<u16>);
    let mut next = || parts.next()?.ok();
    Some(ContainerdVersion {
        major: next()?,
        minor: next()?,
        patch: next()?,
    })
}

/// The pause image in `kubeadm config images list -o json`.
pub fn parse_pause_image(json: &str) -> Option<String> {
    let list: serde_json::Value = serde_json::from_str(json).ok()?;
    list.get("images")?
        .as_array()?
        .iter()
        .filter_map(serde_json::Value::as_str)
        .find(|image| {
            let name = image.rsplit('/').next().unwrap_or_default();
            name.split([':', '@']).next() == Some("pause")
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_distributions_are_read() {
        let version = |text| parse_version(text).map(|version| version.to_string());
        for (text, wanted) in [
            (
                "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n",
                "1.6.20",
            ),
            (
                "containerd github.com/containerd/containerd/v2 2.1.9+unknown \n",
                "2.1.9",
            ),
            (
                "containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da\n",
                "1.7.27",
            ),
            (
                "containerd github.com/containerd/containerd v2.2.0-rc.1 abc\n",
                "2.2.0",
            ),
        ] {
            assert_eq!(version(text).as_deref(), Some(wanted), "{text}");
        }
        for garbage in ["", "containerd", "containerd x vNext", "containerd x 1.6"] {
            assert_eq!(version(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn the_pause_image_is_found_among_the_others() {
        let json =
            r#"{"kind":"Images","images":["r.io/pause-tools/etcd:3.4.13-0","r.io/a/pause:3.2"]}"#;
        assert_eq!(parse_pause_image(json).as_deref(), Some("r.io/a/pause:3.2"));
        for garbage in ["", "{}", "{\"images\":[1]}", "W1122 not json"] {
            assert_eq!(parse_pause_image(garbage), None, "{garbage:?}");
        }
    }
}
