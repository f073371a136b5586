//! Steps that put a prerequisite right.
//!
//! Each is safe to repeat. A file is written whole from what was read, and only if it still says what the plan was computed from.

/// Steps that put a prerequisite right, in the order in which a plan has them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineStep {
    /// Install packages of a repository that is configured already.
    InstallPackages {
        /// Who installs.
        by: PackageTool,
        /// Their names, sorted.
        packages: Vec<String>,
    },
    /// Load a kernel module now.
    LoadModule(KernelModule),
    /// Write a configuration file whole.
    WriteFile(FileEdit),
    /// Set a kernel parameter now.
    SetSysctl(Sysctl),
    /// Stop using every swap now.
    SwapOff,
    /// Stop and disable units of swap that the operator wrote.
    DisableUnits {
        /// Their names, sorted.
        units: Vec<String>,
    },
    /// Mask units that would bring swap back at the next boot.
    MaskUnits {
        /// Their names, sorted.
        units: Vec<String>,
    },
    /// Start containerd at boot.
    EnableContainerd,
    /// Restart containerd, or start it: it reads its configuration only then. Running containers go on.
    RestartContainerd,
    /// Keep unattended upgrades away from packages.
    HoldPackages {
        /// Who holds.
        by: PackageTool,
        /// Their names, sorted.
        packages: Vec<String>,
    },
}

/// What installs and holds packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackageTool {
    /// Debian, Ubuntu.
    Apt,
    /// RHEL and its kin.
    Dnf,
}

/// A kernel module that Kubernetes wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KernelModule {
    /// containerd's snapshotter.
    Overlay,
    /// Bridged traffic is seen by netfilter.
    BrNetfilter,
}

/// A kernel parameter that Kubernetes wants to be 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sysctl {
    /// `net.ipv4.ip_forward`.
    Ipv4Forward,
    /// `net.ipv6.conf.all.forwarding`.
    Ipv6Forward,
    /// `net.bridge.bridge-nf-call-iptables`.
    BridgeNfCallIptables,
    /// `net.bridge.bridge-nf-call-ip6tables`.
    BridgeNfCallIp6tables,
}

/// A file as it was read, and as it is to be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEdit {
    /// Which file; its path is with it because containerd's may be an imported one.
    pub file: EditedFile,
    /// Absolute path.
    pub path: String,
    /// What it said when the plan was computed; `None`: there was none.
    pub before: Option<String>,
    /// What it is to say.
    pub after: String,
    /// Permission bits.
    pub mode: u32,
}

/// Which file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditedFile {
    /// `/etc/fstab`; systemd is told to read it again.
    Fstab,
    /// `/etc/modules-load.d/hactl.conf`.
    ModulesLoad,
    /// `/etc/sysctl.d/99-hactl.conf`.
    SysctlD,
    /// containerd's configuration, or a file it imports; containerd itself checks it before it replaces the old one.
    Containerd,
}

impl MachineStep {
    /// The step's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InstallPackages { .. } => "install-packages",
            Self::LoadModule(KernelModule::Overlay) => "load-module-overlay",
            Self::LoadModule(KernelModule::BrNetfilter) => "load-module-br-netfilter",
            Self::WriteFile(edit) => match edit.file {
                EditedFile::Fstab => "write-fstab",
                EditedFile::ModulesLoad => "write-modules-load",
                EditedFile::SysctlD => "write-sysctl",
                EditedFile::Containerd => "write-containerd-config",
            },
            Self::SetSysctl(Sysctl::Ipv4Forward) => "set-ipv4-forward",
            Self::SetSysctl(Sysctl::Ipv6Forward) => "set-ipv6-forward",
            Self::SetSysctl(Sysctl::BridgeNfCallIptables) => "set-bridge-nf-call-iptables",
            Self::SetSysctl(Sysctl::BridgeNfCallIp6tables) => "set-bridge-nf-call-ip6tables",
            Self::SwapOff => "swap-off",
            Self::DisableUnits { .. } => "disable-swap-units",
            Self::MaskUnits { .. } => "mask-swap-units",
            Self::EnableContainerd => "enable-containerd",
            Self::RestartContainerd => "restart-containerd",
            Self::HoldPackages { .. } => "hold-packages",
        }
    }
}

impl KernelModule {
    /// As `modprobe(8)` and `modules-load.d(5)` name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::BrNetfilter => "br_netfilter",
        }
    }
}

impl Sysctl {
    /// As `sysctl(8)` names it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ipv4Forward => "net.ipv4.ip_forward",
            Self::Ipv6Forward => "net.ipv6.conf.all.forwarding",
            Self::BridgeNfCallIptables => "net.bridge.bridge-nf-call-iptables",
            Self::BridgeNfCallIp6tables => "net.bridge.bridge-nf-call-ip6tables",
        }
    }

    /// Its file under `/proc/sys`.
    pub fn path(self) -> String {
        format!("/proc/sys/{}", self.key().replace('.', "/"))
    }
}

impl std::fmt::Debug for FileEdit {
    /// The path only: a file of the node may hold what no log should (registry passwords in containerd's).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileEdit")
            .field("path", &self.path)
            .field("before", &self.before.as_ref().map(String::len))
            .field("after", &self.after.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_setting_is_a_file_under_proc() {
        let path = Sysctl::BridgeNfCallIptables.path();
        assert_eq!(path, "/proc/sys/net/bridge/bridge-nf-call-iptables");
    }
}
