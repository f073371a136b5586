//! Files that survive a power cut: what a verb has returned from is on the disk.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Entry, Space, Stamp};

/// A file's bytes; `None` where there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    absent_is_none(fs::read(path))
}

/// A folder's entries, sorted; `None` where there is none.
pub(super) fn list(path: &Path) -> io::Result<Option<Vec<Entry>>> {
    let Some(folder) = absent_is_none(fs::read_dir(path))? else {
        return Ok(None);
    };
    let mut entries = Vec::new();
    for entry in folder {
        let entry = entry?;
        entries.push(Entry {
            name: entry.file_name().to_string_lossy().into_owned(),
            folder: entry.file_type()?.is_dir(),
        });
    }
    entries.sort();
    Ok(Some(entries))
}

/// Replaces a file whole: nobody ever reads a half of it, before or after a power cut. A symbolic link stays one.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (folder, name) = place(&target)?;
    make_folder(folder)?;
    // A leading dot: the kubelet and containerd read every file of their folders but those.
    let temporary = folder.join(format!(".{name}.hactl"));
    // Made anew, so that the mode holds from the first byte on.
    remove(&temporary)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(&temporary, &target)?;
    sync_folder(folder)
}

/// Appends and fsyncs.
pub(super) fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (folder, _) = place(path)?;
    make_folder(folder)?;
    let new = !path.exists();
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if new { sync_folder(folder) } else { Ok(()) }
}

/// Removes a file, a link, or a folder with all in it.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let Some(kind) = absent_is_none(fs::symlink_metadata(path))? else {
        return Ok(());
    };
    if kind.is_dir() {
        fs::remove_dir_all(path)?;
    } else {
        fs::remove_file(path)?;
    }
    sync_folder(place(path)?.0)
}

/// What changes whenever the file or folder does.
pub(super) fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    let found = absent_is_none(fs::metadata(path))?;
    Ok(found.map(|found| Stamp {
        modified: i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()),
        inode: found.ino(),
        length: found.len(),
        mode: found.mode() & 0o7777,
    }))
}

/// Room on the file system of the path, or of its nearest folder that is there.
pub(super) fn space(path: &Path) -> io::Result<Space> {
    let there = path.ancestors().find(|above| above.exists());
    let found = nix::sys::statvfs::statvfs(there.unwrap_or(Path::new("/")))?;
    let unit = found.fragment_size();
    Ok(Space {
        total: found.blocks().saturating_mul(unit),
        available: found.blocks_available().saturating_mul(unit),
    })
}

/// Makes a folder and those above it, each fsynced into its own parent.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<PathBuf> = folder
        .ancestors()
        .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
        .map(Path::to_owned)
        .collect();
    for made in missing.iter().rev() {
        match fs::create_dir(made) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => sync_folder(place(made)?.0)?,
        }
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder and the bare name of a path.
fn place(path: &Path) -> io::Result<(&Path, String)> {
    let wrong = || io::Error::new(ErrorKind::InvalidInput, "not a path of a file in a folder");
    let folder = path.parent().ok_or_else(wrong)?;
    let name = path.file_name().ok_or_else(wrong)?;
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    Ok((folder, name.to_string_lossy().into_owned()))
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c.yaml");
        replace(&path, b"one", 0o600).unwrap();
        replace(&path, b"two", 0o644).unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(mode(&path), 0o644);
        assert_eq!(stamp(&path).unwrap().unwrap().length, 3);
        let space = space(&path.join("not/there")).unwrap();
        assert!(space.available <= space.total && space.total > 0);
        let names: Vec<_> = list(path.parent().unwrap()).unwrap().unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn what_a_cut_left_of_an_earlier_replacing_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(folder.path().join(".f.hactl"), b"half").unwrap();
        replace(&path, b"whole", 0o600).unwrap();
        assert_eq!(list(folder.path()).unwrap().unwrap().len(), 1);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("t"), folder.path().join("l"));
        fs::write(&target, b"old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace(&link, b"new", 0o644).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn what_is_not_there_is_none_and_removing_it_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(read(&path).unwrap(), None);
        assert_eq!(list(&path).unwrap(), None);
        remove(&path).unwrap();
        append(&path, b"1\n").unwrap();
        append(&path, b"2\n").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"1\n2\n"[..]));
        assert_eq!(mode(&path), 0o600);
        assert!(read(folder.path()).is_err(), "a folder is not a file");
    }

    #[test]
    fn a_link_to_a_folder_is_removed_without_what_it_points_to() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, link) = (folder.path().join("d"), folder.path().join("l"));
        append(&inner.join("kept"), b"k").unwrap();
        std::os::unix::fs::symlink(&inner, &link).unwrap();
        remove(&link).unwrap();
        assert!(inner.join("kept").exists());
        remove(&inner).unwrap();
        assert!(!inner.exists());
    }
}
