//! Names of the prerequisites: what a spec's `policies.prerequisites` and a finding call each check.
//!
//! What each one looks at, and what puts it right, is the agent's (`hactl-node-plan::prerequisite`).

use std::fmt;

/// One prerequisite. The order is the order of reports: what stands beneath comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Enough processors for the role.
    CpuCount,
    /// Enough memory for the role.
    MemorySize,
    /// Room on the file systems of containerd, the kubelet and etcd.
    DiskSpace,
    /// fsync on etcd's disk is quick enough; control planes only.
    EtcdDisk,
    /// The cgroup version suits the kubelet.
    CgroupVersion,
    /// The host name is the node's name.
    HostName,
    /// Host name, machine-id, `product_uuid` and MAC addresses are this node's alone.
    UniqueIdentity,
    /// The clock agrees with the peers'.
    Clock,
    /// A service keeps the clock right.
    TimeSync,
    /// The advertised address is on an interface.
    AddressPresent,
    /// Datagrams to peers leave from the advertised address.
    RouteSource,
    /// The endpoint's host name resolves.
    EndpointName,
    /// The ports are free, or held by whom they are for.
    PortsFree,
    /// No firewall drops what nodes say to each other.
    Firewall,
    /// `SELinux` has the policy that containers need.
    Selinux,
    /// No swap, now and at the next boot.
    SwapOff,
    /// The overlay file system is there, now and at the next boot.
    ModuleOverlay,
    /// Bridged traffic is seen by netfilter, now and at the next boot.
    ModuleBrNetfilter,
    /// The kernel forwards, now and at the next boot.
    IpForward,
    /// Bridged traffic is filtered, now and at the next boot.
    BridgeNfCall,
    /// The programs that kubeadm and the kubelet call are installed.
    RequiredPrograms,
    /// containerd is installed.
    ContainerdInstalled,
    /// containerd's configuration suits this Kubernetes.
    ContainerdConfig,
    /// containerd runs, and starts at boot.
    ContainerdRunning,
    /// The kubelet's cgroup driver is containerd's.
    KubeletCgroupDriver,
    /// kubeadm, kubelet and kubectl are installed, of one version, the spec's.
    KubernetesPackages,
    /// No unattended upgrade moves them.
    PackagesHeld,
}

impl Check {
    /// Every check, in the order of reports.
    pub const ALL: [Self; 27] = [
        Self::CpuCount,
        Self::MemorySize,
        Self::DiskSpace,
        Self::EtcdDisk,
        Self::CgroupVersion,
        Self::HostName,
        Self::UniqueIdentity,
        Self::Clock,
        Self::TimeSync,
        Self::AddressPresent,
        Self::RouteSource,
        Self::EndpointName,
        Self::PortsFree,
        Self::Firewall,
        Self::Selinux,
        Self::SwapOff,
        Self::ModuleOverlay,
        Self::ModuleBrNetfilter,
        Self::IpForward,
        Self::BridgeNfCall,
        Self::RequiredPrograms,
        Self::ContainerdInstalled,
        Self::ContainerdConfig,
        Self::ContainerdRunning,
        Self::KubeletCgroupDriver,
        Self::KubernetesPackages,
        Self::PackagesHeld,
    ];

    /// The name in specs, findings, digests and tables; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuCount => "cpu-count",
            Self::MemorySize => "memory-size",
            Self::DiskSpace => "disk-space",
            Self::EtcdDisk => "etcd-disk",
            Self::CgroupVersion => "cgroup-version",
            Self::HostName => "host-name",
            Self::UniqueIdentity => "unique-identity",
            Self::Clock => "clock",
            Self::TimeSync => "time-sync",
            Self::AddressPresent => "address-present",
            Self::RouteSource => "route-source",
            Self::EndpointName => "endpoint-name",
            Self::PortsFree => "ports-free",
            Self::Firewall => "firewall",
            Self::Selinux => "selinux",
            Self::SwapOff => "swap-off",
            Self::ModuleOverlay => "module-overlay",
            Self::ModuleBrNetfilter => "module-br-netfilter",
            Self::IpForward => "ip-forward",
            Self::BridgeNfCall => "bridge-nf-call",
            Self::RequiredPrograms => "required-programs",
            Self::ContainerdInstalled => "containerd-installed",
            Self::ContainerdConfig => "containerd-config",
            Self::ContainerdRunning => "containerd-running",
            Self::KubeletCgroupDriver => "kubelet-cgroup-driver",
            Self::KubernetesPackages => "kubernetes-packages",
            Self::PackagesHeld => "packages-held",
        }
    }

    /// Reads [`Check::name`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.name() == name)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_listed_once_and_its_name_reads_back() {
        for (at, check) in Check::ALL.into_iter().enumerate() {
            assert_eq!(Check::parse(check.name()), Some(check));
            // The discriminants count from zero: a variant missing in ALL, or out of order, shows here.
            assert_eq!(check as usize, at, "{check}");
        }
        assert_eq!(Check::parse("swap"), None);
    }
}
