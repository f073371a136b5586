//! The operator's folder on disk: which file is what, read whole, written whole and with the right mode.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hactl_proto::name::NodeName;

use super::error::AuthorityError;

pub(super) const CLUSTER_ID: &str = "cluster-id";
pub(super) const GENERATION: &str = "generation";
pub(super) const CA_CERTIFICATE: &str = "ca.crt";
pub(super) const CA_KEY: &str = "ca.key";
/// Missing until the first rotation.
pub(super) const TRUST_REVISION: &str = "trust-revision";
pub(super) const GOSSIP_KEYS: &str = "gossip.key";
pub(super) const ENROLMENT_KEY: &str = "enrolment.key";
/// The person that `init` makes a certificate for.
pub const OPERATOR: &str = "operator";

/// Everybody may read it.
pub(super) const PUBLIC: u32 = 0o644;
/// Only its owner may.
pub(super) const PRIVATE: u32 = 0o600;

/// A person's files in the folder: `NAME.crt` and `NAME.key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM, mode 0600.
    pub key: PathBuf,
}

impl Person {
    /// Where the files of a person lie.
    pub fn named(folder: &Path, name: &NodeName) -> Self {
        Self {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        }
    }

    /// Everybody whose files lie there, the CA's among them.
    pub(super) fn all(folder: &Path) -> Result<Vec<NodeName>, AuthorityError> {
        let failed = |source| AuthorityError::File {
            verb: "list",
            path: folder.to_owned(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            let name = name.strip_suffix(".crt").map(NodeName::new);
            if let Some(Ok(name)) = name
                && Self::named(folder, &name).key.exists()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Where a node's bundle lies; any worker's is named after its zone.
pub(super) fn bundle_file(folder: &Path, name: &str) -> PathBuf {
    folder.join("bundles").join(format!("{name}.json"))
}

/// Makes the folder and its `bundles`, mode 0700.
pub(super) fn create(folder: &Path) -> Result<(), AuthorityError> {
    let bundles = folder.join("bundles");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&bundles)
        .map_err(|source| AuthorityError::File {
            verb: "create",
            path: bundles,
            source,
        })
}

/// Reads a file of the folder; one that is missing means that there is no cluster.
pub(super) fn read(folder: &Path, name: &str) -> Result<String, AuthorityError> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim_end().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(AuthorityError::Absent {
            folder: folder.to_owned(),
            missing: name.to_owned(),
        }),
        Err(source) => Err(AuthorityError::File {
            verb: "read",
            path,
            source,
        }),
    }
}

/// Writes a file whole: a temporary one of that mode, fsync, rename, fsync of the folder. A crash leaves the old or the new.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    replace(path, text, mode).map_err(|source| AuthorityError::File {
        verb: "write",
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    // One left by a crash may have another mode.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)?;
    file.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        file.write_all(b"\n")?;
    }
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
