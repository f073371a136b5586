//! What must be this machine's alone: clones of one image share it.

use hactl_proto::identity::IdentityFingerprint;
use hactl_proto::name::ClusterName;

use crate::facts::Known;

/// Interfaces that software makes, by the beginning of their names; their MAC addresses are random or copied.
const VIRTUAL: [&str; 18] = [
    "lo",
    "veth",
    "cni",
    "flannel",
    "docker",
    "br-",
    "cali",
    "cilium",
    "lxc",
    "kube",
    "nodelocal",
    "dummy",
    "virbr",
    "tun",
    "tap",
    "vxlan",
    "tailscale",
    "wg",
];

/// What must be this machine's alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityFacts {
    /// `/proc/sys/kernel/hostname`.
    pub host_name: Known<String>,
    /// `/etc/machine-id`.
    pub machine_id: Known<String>,
    /// `/sys/class/dmi/id/product_uuid`; `None`: the machine has none, as containers and some boards.
    pub product_uuid: Known<Option<String>>,
    /// MAC addresses of interfaces that are not software's own, sorted.
    pub macs: Known<Vec<String>>,
}

impl IdentityFacts {
    /// The digests that peers are told.
    pub fn fingerprint(&self, cluster: &ClusterName) -> IdentityFingerprint {
        IdentityFingerprint::new(
            cluster,
            self.host_name.known().map(String::as_str),
            self.machine_id.known().map(String::as_str),
            self.product_uuid.known().and_then(Option::as_deref),
            self.macs.known().map_or(&[], Vec::as_slice),
        )
    }
}

/// Whether an interface's address says something of the machine.
pub fn tells_the_machine(interface: &str, mac: &str) -> bool {
    let virtual_one = VIRTUAL.iter().any(|prefix| interface.starts_with(prefix));
    let zero = mac.chars().all(|c| c == '0' || c == ':');
    !virtual_one && !zero && mac.len() == 17
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_interfaces_of_the_machine_tell_it() {
        assert!(tells_the_machine("eth0", "52:54:00:00:00:01"));
        assert!(tells_the_machine("enp1s0", "52:54:00:00:00:01"));
        assert!(!tells_the_machine("veth1a2b", "52:54:00:00:00:01"));
        assert!(!tells_the_machine("eth0", "00:00:00:00:00:00"));
        assert!(!tells_the_machine(
            "ib0",
            "80:00:02:08:fe:80:00:00:00:00:00:00:e4:1d:2d:03:00:00:00:01"
        ));
    }
}
