//! Who a machine is, as digests small enough to gossip: cloned machines are found without telling anyone a machine-id.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::name::ClusterName;

/// Interfaces whose MAC addresses are told; a node with more of them tells the lowest digests.
pub const MACS_TOLD: usize = 4;

/// Keyed digests of what must be unique among members. `machine-id(5)` asks that the id itself is never sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct IdentityFingerprint {
    /// Of the host name.
    pub host_name: Option<u64>,
    /// Of `/etc/machine-id`.
    pub machine_id: Option<u64>,
    /// Of `/sys/class/dmi/id/product_uuid`; containers and some boards have none.
    pub product_uuid: Option<u64>,
    /// Of hardware MAC addresses, sorted, at most [`MACS_TOLD`].
    pub macs: Vec<u64>,
}

impl IdentityFingerprint {
    /// Digests what was read. The cluster's name is the key: digests of two clusters can't be compared.
    pub fn new(
        cluster: &ClusterName,
        host_name: Option<&str>,
        machine_id: Option<&str>,
        product_uuid: Option<&str>,
        macs: &[String],
    ) -> Self {
        let told =
            |kind: &str, value: Option<&str>| value.map(|value| digest(cluster, kind, value));
        let mut macs: Vec<u64> = macs.iter().map(|mac| digest(cluster, "mac", mac)).collect();
        macs.sort_unstable();
        macs.dedup();
        macs.truncate(MACS_TOLD);
        Self {
            host_name: told("host-name", host_name),
            machine_id: told("machine-id", machine_id),
            product_uuid: told("product-uuid", product_uuid),
            macs,
        }
    }
}

/// The first 64 bits of SHA-256 over the cluster's name, the kind and the value, in lower case and without spaces.
fn digest(cluster: &ClusterName, kind: &str, value: &str) -> u64 {
    let mut hash = Sha256::new();
    for part in [cluster.as_str(), kind, &value.trim().to_ascii_lowercase()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash = hash.finalize();
    hash.iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cluster: &str, machine_id: &str, macs: &[&str]) -> IdentityFingerprint {
        IdentityFingerprint::new(
            &ClusterName::new(cluster).unwrap(),
            Some("n1"),
            Some(machine_id),
            None,
            &macs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn equal_machines_of_one_cluster_have_equal_digests() {
        let macs = ["52:54:00:00:00:01", "52:54:00:00:00:02"];
        let swapped = ["52:54:00:00:00:02", "52:54:00:00:00:01\n"];
        assert_eq!(of("a", "f00d", &macs), of("a", "F00D\n", &swapped));
        assert_ne!(of("a", "f00d", &macs), of("b", "f00d", &macs));
        assert_ne!(
            of("a", "f00d", &[]).machine_id,
            of("a", "f00d", &[]).host_name
        );
        assert_eq!(of("a", "f00d", &[]).product_uuid, None);
    }

    #[test]
    fn many_interfaces_are_cut_to_the_same_ones() {
        let all: Vec<String> = (0..9).map(|n| format!("52:54:00:00:00:0{n}")).collect();
        let mut turned = all.clone();
        turned.reverse();
        let cluster = ClusterName::new("a").unwrap();
        let told = IdentityFingerprint::new(&cluster, None, None, None, &all);
        assert_eq!(told.macs.len(), MACS_TOLD);
        assert_eq!(
            told,
            IdentityFingerprint::new(&cluster, None, None, None, &turned)
        );
    }
}
