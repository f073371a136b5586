//! Room on disks, and how quick etcd's is.

use serde::{Deserialize, Serialize};

use crate::facts::Known;

/// Room on disks, and how quick etcd's is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskFacts {
    /// Of the folders that fill: containerd's, the kubelet's, etcd's, `/`.
    pub rooms: Vec<Room>,
    /// Write and fdatasync on etcd's file system; `None`: this node has no etcd.
    pub fsync: Known<Option<FsyncTimes>>,
}

/// Room on the file system of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The folder.
    pub folder: String,
    /// Its file system's bytes, and those still free for use.
    pub bytes: Known<(u64, u64)>,
}

/// Times of a write of 2300 bytes with fdatasync after it, as etcd's log does, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FsyncTimes {
    /// How many were made.
    pub writes: u32,
    /// The median.
    pub p50_us: u32,
    /// The 99th percentile.
    pub p99_us: u32,
    /// The slowest.
    pub max_us: u32,
}

impl FsyncTimes {
    /// Sums measured times up; `None` where there is none.
    pub fn of(mut times_us: Vec<u32>) -> Option<Self> {
        times_us.sort_unstable();
        let last = times_us.len().checked_sub(1)?;
        // The nearest rank: the smallest time that so many per cent do not exceed.
        let rank =
            |percent: usize| times_us[((last + 1) * percent).div_ceil(100).saturating_sub(1)];
        Some(Self {
            writes: u32::try_from(times_us.len()).unwrap_or(u32::MAX),
            p50_us: rank(50),
            p99_us: rank(99),
            max_us: times_us[last],
        })
    }
}

impl DiskFacts {
    /// Per cent of the root file system in use, for the health digest.
    pub fn root_used_percent(&self) -> Option<u8> {
        let root = self.rooms.iter().find(|room| room.folder == "/")?;
        let (total, available) = *root.bytes.known()?;
        let used = total.saturating_sub(available).checked_mul(100)?;
        u8::try_from(used.checked_div(total)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_the_nearest_rank() {
        let times = FsyncTimes::of((1..=200).rev().collect()).unwrap();
        assert_eq!(
            (times.writes, times.p50_us, times.p99_us, times.max_us),
            (200, 100, 198, 200)
        );
        let one = FsyncTimes::of(vec![7]).unwrap();
        assert_eq!((one.p50_us, one.p99_us, one.max_us), (7, 7, 7));
        assert_eq!(FsyncTimes::of(vec![]), None);
    }

    #[test]
    fn the_root_file_system_is_summed_up() {
        let room = |total, available| DiskFacts {
            rooms: vec![Room {
                folder: "/".to_owned(),
                bytes: Known::Is((total, available)),
            }],
            fsync: Known::default(),
        };
        assert_eq!(room(200, 50).root_used_percent(), Some(75));
        assert_eq!(room(0, 0).root_used_percent(), None);
        assert_eq!(DiskFacts::default().root_used_percent(), None);
    }
}
