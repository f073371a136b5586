//! Distribution, processors, memory, cgroups, time service, security modules.

use crate::facts::Known;
use crate::step::machine::PackageTool;

/// Services that keep a clock right, as Debian, Ubuntu and RHEL name their units.
pub const TIME_SERVICES: [&str; 8] = [
    "systemd-timesyncd.service",
    "chrony.service",
    "chronyd.service",
    "ntpsec.service",
    "ntp.service",
    "ntpd.service",
    "openntpd.service",
    "ptp4l.service",
];

/// Distribution, processors, memory, cgroups, time service, security modules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SystemFacts {
    /// `/etc/os-release`.
    pub distribution: Known<Distribution>,
    /// Processors that this process may use (`/proc/self/status`): kubeadm counts the same way.
    pub cpus: Known<u32>,
    /// `MemTotal` in MiB.
    pub memory_mib: Known<u64>,
    /// What is mounted at `/sys/fs/cgroup`.
    pub cgroup: Known<CgroupVersion>,
    /// The unit of [`TIME_SERVICES`] that runs, if any.
    pub time_service: Known<Option<String>>,
    /// `/sys/fs/selinux/enforce`.
    pub selinux: Known<Selinux>,
    /// Whether firewalld runs.
    pub firewalld: Known<bool>,
}

/// Where packages come from and where their settings lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// `PRETTY_NAME`, for people.
    pub name: String,
    /// The family, by `ID` and `ID_LIKE`.
    pub family: Family,
}

/// Families that hactl knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu.
    Debian,
    /// RHEL, Fedora, CentOS, Rocky, Alma, Oracle, Amazon.
    RedHat,
    /// Another one: hactl changes no packages there.
    Other,
}

/// Which cgroup hierarchy the kubelet will find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One mount a controller, or the hybrid layout.
    V1,
    /// The unified one.
    V2,
}

/// State of `SELinux`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selinux {
    /// Not compiled in, or disabled.
    Absent,
    /// It logs only.
    Permissive,
    /// It refuses.
    Enforcing,
}

impl Family {
    /// What installs packages there.
    pub const fn tool(self) -> Option<PackageTool> {
        match self {
            Self::Debian => Some(PackageTool::Apt),
            Self::RedHat => Some(PackageTool::Dnf),
            Self::Other => None,
        }
    }
}

/// Reads `os-release(5)`.
pub fn parse_os_release(text: &str) -> Distribution {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(found, _)| found.trim() == key)
            .map_or("", |(_, value)| value.trim().trim_matches(['"', '\'']))
    };
    let ids = format!("{} {}", value("ID"), value("ID_LIKE"));
    let family = ids
        .split_whitespace()
        .find_map(|id| match id {
            "debian" | "ubuntu" => Some(Family::Debian),
            "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => {
                Some(Family::RedHat)
            }
            _ => None,
        })
        .unwrap_or(Family::Other);
    let name = match value("PRETTY_NAME") {
        "" => "an unnamed distribution".to_owned(),
        name => name.to_owned(),
    };
    Distribution { name, family }
}

/// Counts `Cpus_allowed_list` of `/proc/self/status`, such as `0-3,8`.
pub fn parse_allowed_cpus(status: &str) -> Option<u32> {
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    list.trim().split(',').try_fold(0_u32, |sum, range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        sum.checked_add(to.checked_sub(from)?.checked_add(1)?)
    })
}

/// `MemTotal` of `/proc/meminfo`, in MiB.
pub fn parse_memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_fall_into_families() {
        let of = |text: &str| parse_os_release(text).family;
        assert_eq!(of("ID=debian\n"), Family::Debian);
        assert_eq!(
            of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            Family::Debian
        );
        assert_eq!(
            of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            Family::RedHat
        );
        assert_eq!(of("ID=arch\n"), Family::Other);
        assert_eq!(of("\u{0}garbage"), Family::Other);
        assert_eq!(
            parse_os_release("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian").name,
            "Debian GNU/Linux 12 (bookworm)"
        );
    }

    #[test]
    fn processors_are_counted_as_the_scheduler_allows() {
        let cpus =
            |list: &str| parse_allowed_cpus(&format!("Name:\tx\nCpus_allowed_list:\t{list}\n"));
        assert_eq!(cpus("0-1"), Some(2));
        assert_eq!(cpus("3"), Some(1));
        assert_eq!(cpus("0-3,8,10-11"), Some(7));
        for garbage in ["", "x", "3-1", "0-4294967295,1", "1-"] {
            assert_eq!(cpus(garbage), None, "{garbage:?}");
        }
        assert_eq!(parse_allowed_cpus("Name:\tx\n"), None);
    }

    #[test]
    fn memory_is_read_in_mib() {
        assert_eq!(
            parse_memory_total("MemTotal:       24679044 kB\nMemFree: 1 kB\n"),
            Some(24100)
        );
        for garbage in ["", "MemTotal: 12", "MemTotal: many kB"] {
            assert_eq!(parse_memory_total(garbage), None, "{garbage:?}");
        }
    }
}
