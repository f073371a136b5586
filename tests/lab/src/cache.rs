//! The cache folder: what took minutes to make, outside the repository, keyed by what it was made from, safe to delete.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Names another cache folder.
const VARIABLE: &str = "HACTL_LAB_CACHE";
/// Ends the name of the file that says what a thing was made from.
const KEY: &str = ".made-from";
const DEFAULT: &str = "/var/cache/hactl-lab";

/// The cache folder.
#[derive(Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The folder that the environment names, else the usual one; made if it is not there.
    pub(crate) fn open() -> Result<Self> {
        let root = std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from);
        fs::create_dir_all(&root)
            .with_context(|| format!("failed to make the cache folder {}", root.display()))?;
        Ok(Self {
            root: root.canonicalize()?,
        })
    }

    /// A path below it.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// A thing made once for each key, at a path of its own: a lab that is up may lie on what was made from another.
    /// What was made from others goes where no mount needs it any more.
    pub(crate) fn keyed(
        &self,
        below: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let kept = self.once(&format!("{below}-{:016x}", hasher.finish()), key, make)?;
        let _only = self.lock()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let prefix = format!("{}-", name_of(&self.path(below)));
        let siblings = fs::read_dir(kept.parent().unwrap_or(&self.root))?;
        for other in siblings.flatten().map(|entry| entry.path()) {
            let name = name_of(&other);
            let is_old = name.strip_prefix(&prefix).is_some_and(is_hash) && other != kept;
            if is_old && !mounts.contains(&other.display().to_string()) {
                remove(&other)?;
                remove(&beside(&other, KEY))?;
            }
        }
        Ok(kept)
    }

    /// A thing made once, and anew when its key has changed. `make` gets the path where to put it; what an interrupted
    /// run left there is gone. The thing gets its name only when it is whole.
    pub(crate) fn once(
        &self,
        below: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let _only = self.lock()?;
        let path = self.path(below);
        let key_file = beside(&path, KEY);
        if path.exists() && fs::read_to_string(&key_file).is_ok_and(|made_from| made_from == key) {
            return Ok(path);
        }
        let partial = beside(&path, ".partial");
        for old in [&key_file, &partial, &path] {
            remove(old)?;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        make(&partial).with_context(|| format!("failed to make {}", path.display()))?;
        fs::rename(&partial, &path)?;
        fs::write(&key_file, key)?;
        Ok(path)
    }

    /// Keeps other runs, of a second lab perhaps, from making the same thing; for as long as the file is open.
    fn lock(&self) -> Result<File> {
        let file = File::create(self.path("lock")).context("failed to make the cache's lock")?;
        file.lock().context("failed to lock the cache")?;
        Ok(file)
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    path.with_file_name(format!("{}{end}", name_of(path)))
}

fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Removes a file or a folder with all in it; that it isn't there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    };
    gone.with_context(|| format!("failed to remove {}", path.display()))
}

/// Writes a file, making the folders that lead to it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("failed to make {}", parent.display()))?;
    }
    fs::write(path, content).with_context(|| format!("failed to write {}", path.display()))
}

/// Writes a file that may be executed.
pub(crate) fn write_executable(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The last part of a path.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
