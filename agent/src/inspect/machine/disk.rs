//! Room on disks, and how quick etcd's is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::machine::disk::{DiskFacts, FsyncTimes, Room};
use hactl_node_plan::prerequisite::Requirements;
use hactl_proto::Timestamp;
use serde::{Deserialize, Serialize};

use super::reader::{Reader, known, succeeded};
use crate::host::Host;

/// Folders that fill.
const FOLDERS: [&str; 3] = ["/", "/var/lib/containerd", "/var/lib/kubelet"];
/// A measurement is good for that long; a disk rarely changes, and measuring costs etcd its turn.
const LIFE: Duration = Duration::from_hours(7 * 24);
/// Longest measurement: two seconds of writes, the last of which may hang on a broken disk.
const LIMIT: Duration = Duration::from_secs(30);

/// What was measured, when and where, as it is kept over restarts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Measured {
    at: Timestamp,
    folder: String,
    times: FsyncTimes,
}

/// What measures, and where its times are kept.
pub(super) struct Meter<'a> {
    pub(super) program: &'a str,
    pub(super) kept: PathBuf,
    pub(super) keeps: bool,
}

pub(super) async fn inspect<H: Host>(
    read: &mut Reader<'_, H>,
    meter: &Meter<'_>,
    wanted: &Requirements,
) -> DiskFacts {
    let folders = FOLDERS.into_iter().chain(wanted.etcd_data.as_deref());
    let mut rooms: Vec<Room> = Vec::new();
    for folder in folders {
        let bytes = match read.host.space(Path::new(folder)).await {
            Ok(space) => Known::Is((space.total, space.available)),
            Err(error) => Known::Unknown(format!("failed to {error}")),
        };
        // Folders of one file system are one room.
        if !rooms.iter().any(|room| room.bytes == bytes) {
            rooms.push(Room {
                folder: folder.to_owned(),
                bytes,
            });
        }
    }
    let fsync = match &wanted.etcd_data {
        None => Ok(None),
        Some(folder) => fsync(read, meter, folder).await.map(Some),
    };
    DiskFacts {
        rooms,
        fsync: known(fsync),
    }
}

/// The kept times, or new ones.
async fn fsync<H: Host>(
    read: &mut Reader<'_, H>,
    meter: &Meter<'_>,
    folder: &str,
) -> Result<FsyncTimes, String> {
    let now = read.host.now();
    if read.cache.fsync.is_none() {
        let text = read
            .text(&meter.kept.display().to_string())
            .await
            .unwrap_or_default();
        let measured = text.and_then(|text| serde_json::from_str::<Measured>(&text).ok());
        read.cache.fsync = measured.map(|kept| (kept.at, kept.folder, kept.times));
    }
    if let Some((at, of, times)) = &read.cache.fsync
        && of == folder
        && now.duration_since(*at).unsigned_abs() < LIFE
    {
        return Ok(*times);
    }
    let command = Command::new(meter.program, ["measure-fsync", folder]).limit(LIMIT);
    let line = command.line();
    let output = read.host.run(&command).await;
    let output = output.map_err(|error| format!("failed to {error}"));
    let text = succeeded(&line, output)?;
    let times = serde_json::from_str(&text).map_err(|error| format!("{line}: {error}"))?;
    read.cache.fsync = Some((now, folder.to_owned(), times));
    if meter.keeps {
        keep(read.host, &meter.kept, now, folder, times).await;
    }
    Ok(times)
}

/// Keeps the times over restarts; where that fails the next start measures again.
async fn keep<H: Host>(host: &H, kept: &Path, at: Timestamp, folder: &str, times: FsyncTimes) {
    let measured = Measured {
        at,
        folder: folder.to_owned(),
        times,
    };
    let Ok(text) = serde_json::to_vec(&measured) else {
        return;
    };
    if let Err(error) = host.replace(kept, &text, 0o600).await {
        tracing::debug!("failed to {error}");
    }
}
