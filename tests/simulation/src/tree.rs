//! A file tree that knows what a power cut would take: what was written and not fsynced is on the disk only later.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use hactl_agent::host::Entry;

/// Files by their absolute path. Folders are there as long as something is in them.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// As programs see them.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// As a power cut would leave them.
    disk: BTreeMap<PathBuf, Vec<u8>>,
}

/// Below this nothing outlives the power.
const TMPFS: &str = "/run";

impl Tree {
    /// A file's bytes.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.files.get(path.as_ref()).map(Vec::as_slice)
    }

    /// A file's bytes as a power cut would leave them.
    pub fn on_disk(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.disk.get(path.as_ref()).map(Vec::as_slice)
    }

    /// A file's text; empty where there is none.
    pub fn text(&self, path: impl AsRef<Path>) -> String {
        String::from_utf8_lossy(self.read(path).unwrap_or_default()).into_owned()
    }

    /// Whether a file, or a folder with something in it, is there.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.below(path.as_ref()).next().is_some()
    }

    /// A digest of what lies at a path and its length; `None` where nothing does.
    pub fn digest(&self, path: impl AsRef<Path>) -> Option<(u64, u64)> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let path = path.as_ref();
        let mut hasher = DefaultHasher::new();
        let mut length = 0;
        let mut found = false;
        for (file, bytes) in self.below(path) {
            (file, bytes).hash(&mut hasher);
            length += bytes.len() as u64;
            found = true;
        }
        found.then(|| (hasher.finish(), length))
    }

    /// A path's file, or those below it: they follow it in the order of paths.
    fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a PathBuf, &'a Vec<u8>)> {
        let from = (Bound::Included(path), Bound::Unbounded);
        let files = self.files.range::<Path, _>(from);
        files.take_while(move |(file, _)| file.starts_with(path))
    }

    /// A folder's entries, sorted.
    pub fn list(&self, path: impl AsRef<Path>) -> Option<Vec<Entry>> {
        let path = path.as_ref();
        let mut entries = BTreeSet::new();
        for (file, _) in self.below(path) {
            let Ok(rest) = file.strip_prefix(path) else {
                continue;
            };
            let mut parts = rest.components();
            if let Some(first) = parts.next() {
                entries.insert(Entry {
                    name: first.as_os_str().to_string_lossy().into_owned(),
                    folder: parts.next().is_some(),
                });
            }
        }
        (!entries.is_empty()).then(|| entries.into_iter().collect())
    }

    /// Writes a file as most programs do: without an fsync.
    pub fn write(&mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.as_ref().to_owned(), bytes.into());
    }

    /// Writes a file and fsyncs it.
    pub fn write_durably(&mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.disk.insert(path.as_ref().to_owned(), bytes.clone());
        self.write(path, bytes);
    }

    /// Appends to a file and fsyncs it.
    pub fn append_durably(&mut self, path: impl AsRef<Path>, bytes: &[u8]) {
        for files in [&mut self.files, &mut self.disk] {
            let file = files.entry(path.as_ref().to_owned()).or_default();
            file.extend_from_slice(bytes);
        }
    }

    /// Each of two folders gets what the other holds, as a program sees it to which one is bound in the other's place.
    pub(crate) fn swap(&mut self, one: impl AsRef<Path>, other: impl AsRef<Path>) {
        let (one, other) = (one.as_ref(), other.as_ref());
        let files = std::mem::take(&mut self.files);
        let moved = files.into_iter().map(|(file, bytes)| {
            let to = match (file.strip_prefix(one), file.strip_prefix(other)) {
                (Ok(below), _) => other.join(below),
                (_, Ok(below)) => one.join(below),
                _ => file,
            };
            (to, bytes)
        });
        self.files = moved.collect();
    }

    /// Removes a file, or a folder with all in it.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        self.files.retain(|file, _| !file.starts_with(path));
    }

    /// Removes and fsyncs.
    pub fn remove_durably(&mut self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        self.remove(path);
        self.disk.retain(|file, _| !file.starts_with(path));
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
        self.files.retain(|file, _| !file.starts_with(TMPFS));
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
        let names: Vec<_> = tree.list("/a").unwrap();
        assert_eq!(names.len(), 2);
        assert!(names[0].folder && !names[1].folder);
        assert_eq!(tree.list("/nothing"), None);
        tree.remove("/a/b");
        assert!(!tree.exists("/a/b/c"));
    }
}
