//! containerd's configuration: the few keys that Kubernetes needs, everything else untouched.
//!
//! containerd 1.x reads version 2 of its format, 2.x reads 2 and 3 (2.3 also 4, whose CRI tables are those of 3), and an
//! imported file may override the main one: 1.x replaces a plugin's section whole, 2.x merges key by key. Each of these was
//! tried with containerd 1.6.20, 1.7.24 and 2.1.9 (`containerd config dump`). Nothing else of the format is known here.

mod edit;
mod import;
mod read;

pub use edit::mend;
pub use import::{ImportPattern, imports};
pub use read::{Reading, read};

use crate::facts::machine::containerd::ContainerdVersion;

/// What Kubernetes wants of containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriWanted {
    /// Whether runc puts containers below systemd's cgroups.
    pub systemd_cgroup: bool,
    /// The pause image that kubeadm expects; `None`: nobody said.
    pub pause_image: Option<String>,
}

/// Why the files can't be judged or mended by hactl; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file is no TOML.
    #[error("{path} is no valid TOML: {reason}")]
    Syntax {
        /// The file.
        path: String,
        /// The parser's first line.
        reason: String,
    },
    /// The file is of the format's version 1, whose plugins have other names.
    #[error("{path} is of configuration version 1")]
    VersionOne {
        /// The file.
        path: String,
    },
    /// The file is of a version that hactl does not know.
    #[error("{path} is of configuration version {version}")]
    Version {
        /// The file.
        path: String,
        /// What it says.
        version: i64,
    },
    /// Writing the key would touch more than the key.
    #[error("{path} can't be edited without touching the rest of it: {reason}")]
    Shape {
        /// The file.
        path: String,
        /// What is in the way.
        reason: String,
    },
}

impl ConfigError {
    /// What the operator can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Syntax { path, .. } => format!(
                "Correct {path}; `containerd config dump` names the line. Or move it away: containerd then runs with its \
                 defaults, and hactl writes what Kubernetes needs."
            ),
            Self::VersionOne { path } | Self::Version { path, .. } => format!(
                "Run `containerd config migrate > {path}.new`, read it, and put it in the place of {path}."
            ),
            Self::Shape { path, .. } => format!(
                "Set the keys in {path} by hand: docs/prerequisites.md names them for each version."
            ),
        }
    }
}

/// The version of the format, which says where the keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Schema {
    /// One plugin for all of CRI.
    Two,
    /// Images and runtime apart; version 4 too.
    Three,
}

impl Schema {
    /// What a file says of itself. A file without a version counts as 1 for containerd; where it sets nothing whose name
    /// depends on it, hactl treats it as the version that it is going to write into it.
    fn of(
        path: &str,
        doc: &toml_edit::DocumentMut,
        main: Option<Self>,
    ) -> Result<Self, ConfigError> {
        match doc.get("version").and_then(toml_edit::Item::as_integer) {
            Some(2) => Ok(Self::Two),
            Some(3 | 4) => Ok(Self::Three),
            None | Some(1) => match main {
                // An imported file is read as what the main one is.
                Some(main) if doc.get("version").is_none() => Ok(main),
                _ if doc.contains_key("plugins") || names_short_plugins(doc) => {
                    Err(ConfigError::VersionOne {
                        path: path.to_owned(),
                    })
                }
                _ => Ok(Self::Two),
            },
            Some(version) => Err(ConfigError::Version {
                path: path.to_owned(),
                version,
            }),
        }
    }

    /// What a new file is to be, by what will read it.
    const fn for_version(version: ContainerdVersion) -> Self {
        if version.major >= 2 {
            Self::Three
        } else {
            Self::Two
        }
    }

    const fn number(self) -> i64 {
        match self {
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    /// The plugin that runs pods.
    const fn runtime_plugin(self) -> &'static str {
        match self {
            Self::Two => "io.containerd.grpc.v1.cri",
            Self::Three => "io.containerd.cri.v1.runtime",
        }
    }

    /// The path of the pause image below `plugins`.
    const fn pause_path(self) -> &'static [&'static str] {
        match self {
            Self::Two => &["io.containerd.grpc.v1.cri", "sandbox_image"],
            Self::Three => &["io.containerd.cri.v1.images", "pinned_images", "sandbox"],
        }
    }
}

/// Names under which a file disables CRI, or a part of it.
const CRI_PLUGINS: [&str; 4] = [
    "cri",
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.runtime",
    "io.containerd.cri.v1.images",
];

/// Whether a list of plugins holds a short name other than CRI's: only version 1 understands it.
fn names_short_plugins(doc: &toml_edit::DocumentMut) -> bool {
    ["disabled_plugins", "required_plugins"]
        .iter()
        .any(|key| listed(doc, key).any(|plugin| !plugin.contains('.') && plugin != "cri"))
}

/// The texts of a top-level list.
fn listed<'a>(
    doc: &'a toml_edit::DocumentMut,
    key: &str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    doc.get(key)
        .and_then(toml_edit::Item::as_array)
        .into_iter()
        .flatten()
        .filter_map(toml_edit::Value::as_str)
}

/// Parses one file.
fn parse(path: &str, text: &str) -> Result<toml_edit::DocumentMut, ConfigError> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| ConfigError::Syntax {
            path: path.to_owned(),
            reason: error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        })
}

#[cfg(test)]
mod tests;
