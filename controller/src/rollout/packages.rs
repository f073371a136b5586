//! Packages of hactl-agent in a folder of the operator's: what they are for, by their names, and their digests. What a file really
//! holds the agent itself asks before it puts it in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hactl_proto::rollout::agent::{
    AgentVersion, PACKAGE, PACKAGE_BYTES, PackageDigest, PackageFormat,
};
use ring::digest::{SHA256, digest};

/// One package.
#[derive(Clone, PartialEq, Eq)]
pub struct Package {
    /// Its digest.
    pub digest: PackageDigest,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Packages of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// The version.
    pub version: AgentVersion,
    of: BTreeMap<(PackageFormat, String), Package>,
}

/// Why a folder's packages can't be used. Nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// The folder or a file can't be read.
    #[error("read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is none.
    #[error(
        "find a package of {PACKAGE} in {0}: files named as hactl-agent_0.2.0_amd64.deb or hactl-agent-0.2.0.x86_64.rpm are looked for"
    )]
    None(PathBuf),
    /// More than one version, or more than one file for the same nodes.
    #[error(
        "tell which packages of {0} are meant: keep one version, and one file for each tool and architecture"
    )]
    Ambiguous(PathBuf),
    /// A file is larger than any package of ours.
    #[error("use {0}: it is larger than {PACKAGE_BYTES} bytes")]
    Large(PathBuf),
}

impl Packages {
    /// Reads the folder. Files with other names are not looked at.
    pub fn read(folder: &Path) -> Result<Self, PackagesError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| PackagesError::Read { path, source }
        };
        let (mut of, mut versions) = (BTreeMap::new(), BTreeSet::new());
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let entry = entry.map_err(failed(folder))?;
            let name = entry.file_name();
            let Some((version, format, architecture)) = name.to_str().and_then(named) else {
                continue;
            };
            let path = entry.path();
            let size = entry.metadata().map_err(failed(&path))?.len();
            if size > PACKAGE_BYTES {
                return Err(PackagesError::Large(path));
            }
            let bytes = fs::read(&path).map_err(failed(&path))?;
            versions.insert(version);
            if of
                .insert((format, architecture), Package::new(bytes))
                .is_some()
            {
                return Err(PackagesError::Ambiguous(folder.to_owned()));
            }
        }
        let mut versions = versions.into_iter();
        match (versions.next(), versions.next()) {
            (Some(version), None) => Ok(Self { version, of }),
            (None, _) => Err(PackagesError::None(folder.to_owned())),
            (Some(_), Some(_)) => Err(PackagesError::Ambiguous(folder.to_owned())),
        }
    }

    /// Packages that are at hand already.
    pub fn new(
        version: AgentVersion,
        of: impl IntoIterator<Item = ((PackageFormat, String), Package)>,
    ) -> Self {
        Self {
            version,
            of: of.into_iter().collect(),
        }
    }

    /// What there are packages for.
    pub fn offered(&self) -> BTreeSet<(PackageFormat, String)> {
        self.of.keys().cloned().collect()
    }

    /// The one for a tool and an architecture.
    pub fn fitting(&self, format: PackageFormat, architecture: &str) -> Option<&Package> {
        self.of.get(&(format, architecture.to_owned()))
    }
}

impl Package {
    /// Of a file's bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, &bytes).as_ref());
        Self {
            digest: PackageDigest::from_bytes(sum),
            bytes,
        }
    }
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "package {} of {} bytes", self.digest, self.bytes.len())
    }
}

/// `hactl-agent_0.2.0-1_amd64.deb` and `hactl-agent-0.2.0-1.x86_64.rpm`.
fn named(name: &str) -> Option<(AgentVersion, PackageFormat, String)> {
    let rest = name.strip_prefix(PACKAGE)?;
    if let Some(rest) = rest.strip_suffix(".deb") {
        let (version, architecture) = rest.strip_prefix('_')?.split_once('_')?;
        let architecture = match architecture {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            other => other,
        };
        return Some((
            version.parse().ok()?,
            PackageFormat::Deb,
            architecture.to_owned(),
        ));
    }
    let rest = rest.strip_suffix(".rpm")?.strip_prefix('-')?;
    let (version, architecture) = rest.rsplit_once('.')?;
    Some((
        version.parse().ok()?,
        PackageFormat::Rpm,
        architecture.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(folder.path().join(file), file).unwrap();
        }
        folder
    }

    #[test]
    fn packages_are_known_by_their_names_and_other_files_are_left_alone() {
        let folder = folder(&[
            "hactl-agent_0.2.0_amd64.deb",
            "hactl-agent_0.2.0-1_arm64.deb",
            "hactl-agent-0.2.0.x86_64.rpm",
            "hactl-controller_0.2.0_amd64.deb",
            "hactl-agent_0.2.0_amd64.deb.sig",
            "notes.txt",
        ]);
        let packages = Packages::read(folder.path()).unwrap();
        assert_eq!(packages.version.to_string(), "0.2.0");
        assert_eq!(packages.offered().len(), 3);
        let found = packages.fitting(PackageFormat::Deb, "x86_64").unwrap();
        assert_eq!(found.bytes, b"hactl-agent_0.2.0_amd64.deb");
        assert_eq!(found.digest, Package::new(found.bytes.clone()).digest);
        assert!(packages.fitting(PackageFormat::Rpm, "aarch64").is_none());
    }

    #[test]
    fn none_several_versions_or_two_for_the_same_nodes_are_refused() {
        for (files, text) in [
            (&[][..], "find a package"),
            (
                &["hactl-agent_garbage_amd64.deb", "hactl-agent.rpm"],
                "find a package",
            ),
            (
                &[
                    "hactl-agent_0.2.0_amd64.deb",
                    "hactl-agent-0.3.0.x86_64.rpm",
                ],
                "tell which packages",
            ),
            (
                &[
                    "hactl-agent_0.2.0_amd64.deb",
                    "hactl-agent_0.2.0-2_amd64.deb",
                ],
                "tell which packages",
            ),
        ] {
            let error = Packages::read(folder(files).path())
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(text), "{files:?}: {error}");
        }
        assert!(Packages::read(Path::new("/no/such")).is_err());
    }
}
