//! Whether units run, read from their cgroups: no process is started to learn that one runs.

use hactl_node_plan::command::Command;

use super::reader::Reader;
use crate::host::Host;

/// Where systemd keeps its hierarchy: cgroup version 2, the hybrid layout's, version 1.
const ROOTS: [&str; 3] = [
    "/sys/fs/cgroup/system.slice",
    "/sys/fs/cgroup/unified/system.slice",
    "/sys/fs/cgroup/systemd/system.slice",
];

/// Whether the unit has a process in the slice where services are.
pub(super) async fn has_process<H: Host>(read: &Reader<'_, H>, unit: &str) -> Result<bool, String> {
    for root in ROOTS {
        if let Some(processes) = read.text(&format!("{root}/{unit}/cgroup.procs")).await?
            && !processes.trim().is_empty()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the unit is active. One in a slice of its own is not found by its cgroup: then systemd is asked.
pub(super) async fn is_active<H: Host>(read: &Reader<'_, H>, unit: &str) -> Result<bool, String> {
    if has_process(read, unit).await? {
        return Ok(true);
    }
    let output = read
        .host
        .run(&Command::new("systemctl", ["is-active", unit]))
        .await;
    // "activating" is not yet active; a failure to ask is as good as "no".
    Ok(output.is_ok_and(|output| output.stdout.trim() == "active"))
}
