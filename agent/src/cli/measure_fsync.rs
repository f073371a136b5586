//! Measures how quick a disk is for etcd: writes of 2300 bytes with fdatasync after each, as etcd's log does
//! (etcd's own advice names fio with the same block size). Bounded in number and time, and nothing is left behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hactl_node_plan::facts::machine::disk::FsyncTimes;

/// Bytes of one write.
const BLOCK: usize = 2300;
/// Enough for a 99th percentile.
const MOST_WRITES: usize = 200;
/// A slow disk is known to be slow before that.
const MOST_TIME: Duration = Duration::from_secs(2);

/// Prints the times as JSON.
pub(super) fn run(folder: &Path) -> ExitCode {
    let measured = measure(folder).and_then(|times| Ok(serde_json::to_string(&times)?));
    match measured {
        Ok(text) => {
            // A reader that went away needs no times.
            let _ = writeln!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!(
                "hactl-agent: failed to measure {}: {error}",
                folder.display()
            );
            ExitCode::FAILURE
        }
    }
}

/// On the file system of the folder, or of the nearest one above that is there: kubeadm wants etcd's to be empty or absent.
fn measure(folder: &Path) -> io::Result<FsyncTimes> {
    let there = folder.ancestors().find(|above| above.is_dir());
    let mut file = nameless(there.unwrap_or(Path::new("/")))?;
    let block = [0x5a; BLOCK];
    let mut times = Vec::with_capacity(MOST_WRITES);
    let begin = Instant::now();
    while times.len() < MOST_WRITES && begin.elapsed() < MOST_TIME {
        let started = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    FsyncTimes::of(times).ok_or_else(|| io::Error::other("no write was made"))
}

/// A file without a name, gone with this process; where the file system has none, one that is unlinked at once.
fn nameless(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    let opened = options.custom_flags(nix::libc::O_TMPFILE).open(folder);
    if let Ok(file) = opened {
        return Ok(file);
    }
    let path = folder.join(format!(".hactl-measure-{}", std::process::id()));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_measured_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let times = measure(&folder.path().join("member/not/yet")).unwrap();
        assert!(times.writes >= 1 && times.p50_us <= times.p99_us && times.p99_us <= times.max_us);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_takes_no_file_is_an_error() {
        assert!(measure(Path::new("/proc/self")).is_err());
    }
}
