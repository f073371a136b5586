//! Distribution, processors, memory, cgroups, time service, security modules.

use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::machine::system::{
    CgroupVersion, Selinux, SystemFacts, TIME_SERVICES, parse_allowed_cpus, parse_memory_total,
    parse_os_release,
};

use super::reader::{Reader, known};
use super::unit::has_process;
use crate::host::Host;

pub(super) async fn inspect<H: Host>(read: &mut Reader<'_, H>) -> SystemFacts {
    SystemFacts {
        distribution: read
            .parsed("/etc/os-release", |text| Some(parse_os_release(text)))
            .await,
        cpus: read.parsed("/proc/self/status", parse_allowed_cpus).await,
        memory_mib: read.parsed("/proc/meminfo", parse_memory_total).await,
        cgroup: known(cgroup(read).await),
        time_service: known(time_service(read).await),
        selinux: known(selinux(read).await),
        firewalld: known(has_process(read, "firewalld.service").await),
    }
}

/// Version 2 has its controllers in the root; the hybrid layout counts as 1, as for the kubelet.
async fn cgroup<H: Host>(read: &Reader<'_, H>) -> Result<CgroupVersion, String> {
    match read.text("/sys/fs/cgroup/cgroup.controllers").await? {
        Some(_) => Ok(CgroupVersion::V2),
        None if read.names("/sys/fs/cgroup").await?.is_empty() => {
            Err("nothing is mounted at /sys/fs/cgroup".to_owned())
        }
        None => Ok(CgroupVersion::V1),
    }
}

async fn time_service<H: Host>(read: &Reader<'_, H>) -> Result<Option<String>, String> {
    for unit in TIME_SERVICES {
        if has_process(read, unit).await? {
            return Ok(Some(unit.to_owned()));
        }
    }
    Ok(None)
}

async fn selinux<H: Host>(read: &Reader<'_, H>) -> Result<Selinux, String> {
    let enforce = read.text("/sys/fs/selinux/enforce").await?;
    Ok(match enforce.as_deref().map(str::trim) {
        None => Selinux::Absent,
        Some("1") => Selinux::Enforcing,
        Some(_) => Selinux::Permissive,
    })
}

/// A fact that needs no more than a file's trimmed text.
pub(super) async fn trimmed<H: Host>(read: &Reader<'_, H>, path: &str) -> Known<String> {
    read.parsed(path, |text| {
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    })
    .await
}
