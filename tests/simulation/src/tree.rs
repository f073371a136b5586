//! A file tree that knows what a power cut would take: what was written and not fsynced is on the disk only later.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Bound;
use std::path::Path;

use foldhash::fast::FixedState;
use hactl_agent::host::Entry;

/// Files by their absolute path. Folders are there as long as something is in them.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// As programs see them.
    files: Files,
    /// As a power cut would leave them.
    disk: Files,
}

/// By path as text: the simulator asks for files more often than for anything else, and a `Path` is compared part by part.
type Files = BTreeMap<String, File>;

#[derive(Debug, Clone, Default)]
struct File {
    bytes: Vec<u8>,
    /// A digest of them.
    digest: u64,
}

impl File {
    fn new(bytes: Vec<u8>) -> Self {
        let mut file = Self::default();
        file.append(&bytes);
        Self { bytes, ..file }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.digest = FixedState::default().hash_one((self.digest, bytes));
        self.bytes.extend_from_slice(bytes);
    }
}

/// Below this nothing outlives the power.
const TMPFS: &str = "/run";

/// A path as files are kept by: a folder's may end with a slash.
fn key(path: &Path) -> Cow<'_, str> {
    match path.to_string_lossy() {
        Cow::Borrowed(text) => text.trim_end_matches('/').into(),
        Cow::Owned(text) => text.trim_end_matches('/').to_owned().into(),
    }
}

/// What is left of a path below a folder; empty: it is the folder itself.
fn rest<'a>(file: &'a str, folder: &str) -> Option<&'a str> {
    let rest = file.strip_prefix(folder)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

impl Tree {
    /// A file's bytes.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        let file = self.files.get(key(path.as_ref()).as_ref())?;
        Some(&file.bytes)
    }

    /// A file's bytes as a power cut would leave them.
    pub fn on_disk(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        let file = self.disk.get(key(path.as_ref()).as_ref())?;
        Some(&file.bytes)
    }

    /// A file's text; empty where there is none.
    pub fn text(&self, path: impl AsRef<Path>) -> String {
        let bytes = self.read(path).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        text.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Whether a file, or a folder with something in it, is there.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.below(&key(path.as_ref())).next().is_some()
    }

    /// A digest of what lies at a path and its length; `None` where nothing does.
    pub fn digest(&self, path: impl AsRef<Path>) -> Option<(u64, u64)> {
        let mut hasher = FixedState::default().build_hasher();
        let mut length = 0;
        let mut found = false;
        for (below, file) in self.below(&key(path.as_ref())) {
            (below, file.digest).hash(&mut hasher);
            length += file.bytes.len() as u64;
            found = true;
        }
        found.then(|| (hasher.finish(), length))
    }

    /// A path's file, or those below it, by what is left of their paths.
    fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a File)> {
        let own = self.files.get(path).map(|file| ("", file));
        let folder = format!("{path}/");
        let from = self
            .files
            .range::<str, _>((Bound::Excluded(folder.as_str()), Bound::Unbounded));
        let inside = from.map_while(move |(name, file)| {
            let below = name.strip_prefix(folder.as_str())?;
            Some((below, file))
        });
        own.into_iter().chain(inside)
    }

    /// A folder's entries, sorted.
    pub fn list(&self, path: impl AsRef<Path>) -> Option<Vec<Entry>> {
        let mut entries = BTreeSet::new();
        for (below, _) in self.below(&key(path.as_ref())) {
            let (name, folder) = below
                .split_once('/')
                .map_or((below, false), |(name, _)| (name, true));
            if !name.is_empty() {
                entries.insert(Entry {
                    name: name.to_owned(),
                    folder,
                });
            }
        }
        (!entries.is_empty()).then(|| entries.into_iter().collect())
    }

    /// Writes a file as most programs do: without an fsync.
    pub fn write(&mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        let path = key(path.as_ref()).into_owned();
        self.files.insert(path, File::new(bytes.into()));
    }

    /// Writes a file and fsyncs it.
    pub fn write_durably(&mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        let path = key(path.as_ref()).into_owned();
        let file = File::new(bytes.into());
        self.disk.insert(path.clone(), file.clone());
        self.files.insert(path, file);
    }

    /// Appends to a file and fsyncs it.
    pub fn append_durably(&mut self, path: impl AsRef<Path>, bytes: &[u8]) {
        for files in [&mut self.files, &mut self.disk] {
            let path = key(path.as_ref()).into_owned();
            files.entry(path).or_default().append(bytes);
        }
    }

    /// Each of two folders gets what the other holds, as a program sees it to which one is bound in the other's place.
    pub(crate) fn swap(&mut self, one: impl AsRef<Path>, other: impl AsRef<Path>) {
        let (one, other) = (key(one.as_ref()), key(other.as_ref()));
        let files = std::mem::take(&mut self.files);
        let moved = files.into_iter().map(|(path, file)| {
            let to = match (rest(&path, &one), rest(&path, &other)) {
                (Some(below), _) => format!("{other}/{below}"),
                (_, Some(below)) => format!("{one}/{below}"),
                _ => path,
            };
            (to, file)
        });
        self.files = moved.collect();
    }

    /// Removes a file, or a folder with all in it.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        let path = key(path.as_ref());
        self.files.retain(|file, _| rest(file, &path).is_none());
    }

    /// Removes and fsyncs.
    pub fn remove_durably(&mut self, path: impl AsRef<Path>) {
        self.remove(path.as_ref());
        let path = key(path.as_ref());
        self.disk.retain(|file, _| rest(file, &path).is_none());
    }

    /// All that was written is on the disk now.
    pub fn sync(&mut self) {
        self.disk.clone_from(&self.files);
    }

    /// The power went and came: tmpfs is empty, and with `lose` so is all that was not on the disk.
    pub fn power_cycle(&mut self, lose: bool) {
        if lose {
            self.files.clone_from(&self.disk);
        }
        self.files.retain(|file, _| rest(file, TMPFS).is_none());
        self.sync();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_takes_what_was_not_fsynced() {
        let mut tree = Tree::default();
        tree.write_durably("/etc/a", "old");
        tree.write("/etc/a", "new");
        tree.write("/etc/b", "b");
        tree.write_durably("/run/c", "c");
        let mut kept = tree.clone();
        tree.power_cycle(true);
        assert_eq!(tree.text("/etc/a"), "old");
        assert!(!tree.exists("/etc/b") && !tree.exists("/run/c"));
        kept.power_cycle(false);
        assert_eq!(kept.text("/etc/a"), "new");
        assert!(kept.exists("/etc/b") && !kept.exists("/run/c"));
    }

    #[test]
    fn folders_list_what_lies_directly_in_them() {
        let mut tree = Tree::default();
        tree.write("/a/b/c", "");
        tree.write("/a/d", "");
        tree.write("/a-1/e", "");
        let names: Vec<_> = tree.list("/a").unwrap();
        assert_eq!(names.len(), 2);
        assert!(names[0].folder && !names[1].folder);
        assert_eq!(tree.list("/a/"), Some(names));
        assert_eq!(tree.list("/nothing"), None);
        tree.remove("/a/b");
        assert!(!tree.exists("/a/b/c") && tree.exists("/a/d"));
    }

    #[test]
    fn a_digest_is_of_all_that_lies_below() {
        let mut tree = Tree::default();
        tree.write("/a/b", "1");
        let (before, length) = tree.digest("/a").unwrap();
        assert_eq!(length, 1);
        tree.write("/a/b", "1");
        assert_eq!(tree.digest("/a"), Some((before, 1)));
        tree.write("/a/b", "2");
        assert_ne!(tree.digest("/a"), Some((before, 1)));
        assert_eq!(tree.digest("/b"), None);
    }
}
