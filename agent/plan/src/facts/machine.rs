//! Facts about the machine under Kubernetes, with the parsers of the files that they are read from.
//!
//! One file a concern. No judgement lives here: what a fact means for Kubernetes is `prerequisite`'s.

/// containerd: installed, running, configured.
pub mod containerd;
/// Room on disks, and how quick etcd's is.
pub mod disk;
#[cfg(test)]
pub(crate) mod example;
/// What must be this machine's alone.
pub mod identity;
/// Modules and kernel parameters, now and at the next boot.
pub mod kernel;
/// What the kubelet was told.
pub mod kubelet;
/// Addresses, routes, listeners.
pub mod network;
/// Programs, packages and their versions.
pub mod packages;
/// What is known of the other members.
pub mod peers;
/// Swap, now and at the next boot.
pub mod swap;
/// Distribution, processors, memory, cgroups, time service, security modules.
pub mod system;

/// Kernel, runtime, packages, identity, disk. The default is a machine of which nothing is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MachineFacts {
    /// Distribution, processors, memory, cgroups, time service, security modules.
    pub system: system::SystemFacts,
    /// What must be this machine's alone.
    pub identity: identity::IdentityFacts,
    /// Swap, now and at the next boot.
    pub swap: swap::SwapFacts,
    /// Modules and kernel parameters, now and at the next boot.
    pub kernel: kernel::KernelFacts,
    /// containerd: installed, running, configured.
    pub containerd: containerd::ContainerdFacts,
    /// What the kubelet was told.
    pub kubelet: kubelet::KubeletFacts,
    /// Programs, packages and their versions.
    pub packages: packages::PackageFacts,
    /// Addresses, routes, listeners.
    pub network: network::NetworkFacts,
    /// Room on disks, and how quick etcd's is.
    pub disk: disk::DiskFacts,
    /// What is known of the other members.
    pub peers: peers::PeerFacts,
}

/// A configuration file as it was read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextFile {
    /// Absolute path.
    pub path: String,
    /// All of it.
    pub text: String,
    /// Permission bits.
    pub mode: u32,
}

impl std::fmt::Debug for TextFile {
    /// The path only: a file of the node may hold what no log should (registry passwords in containerd's).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextFile({}, {} bytes)", self.path, self.text.len())
    }
}
