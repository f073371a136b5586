//! The one list of files: `package.metadata.deb.assets` of each crate.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// The crates that become packages.
pub(crate) const PACKAGES: [&str; 2] = ["hactl-agent", "hactl-controller"];

/// One line of the list.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Asset {
    /// Below the crate, or `target/release/…`.
    pub(crate) source: String,
    /// Absolute path on the node; ends with `/` for a pattern of several files.
    pub(crate) dest: String,
    /// Octal.
    pub(crate) mode: String,
}

/// A crate that becomes a package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    manifest_path: PathBuf,
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    deb: Option<Deb>,
}

#[derive(Debug, Deserialize)]
struct Deb {
    assets: Vec<Asset>,
}

/// What cargo knows of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    /// Where cargo builds.
    pub(crate) target_directory: PathBuf,
    /// The checkout.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
}

impl Workspace {
    /// Asks cargo, in a folder of the workspace.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(folder)
            .output()
            .context("run cargo metadata")?;
        ensure!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).context("read cargo metadata")
    }

    /// The package of that name.
    pub(crate) fn package(&self, name: &str) -> anyhow::Result<&Package> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .with_context(|| format!("the workspace has no package {name}"))
    }
}

impl Package {
    /// The crate's folder.
    pub(crate) fn folder(&self) -> anyhow::Result<&Path> {
        self.manifest_path
            .parent()
            .context("a manifest lies in a folder")
    }

    /// The list.
    pub(crate) fn assets(&self) -> anyhow::Result<&[Asset]> {
        self.metadata
            .as_ref()
            .and_then(|metadata| metadata.deb.as_ref())
            .map(|deb| deb.assets.as_slice())
            .with_context(|| format!("{} has no package.metadata.deb.assets", self.name))
    }
}
