//! Identity: cloned machines that share what must be one machine's alone make a cluster that can't tell its nodes apart.

use hactl_proto::identity::IdentityFingerprint;
use hactl_proto::name::NodeName;

use super::{Deviation, Situation};
use crate::facts::Known;

/// Something that this node shares with another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duplicate {
    /// The other node.
    pub peer: NodeName,
    /// `host name`, `machine-id`, `product_uuid` or `MAC address`.
    pub what: &'static str,
}

/// What this node shares with other members; what either of two does not tell is not compared.
pub fn duplicates(
    own: &IdentityFingerprint,
    peers: &[(NodeName, IdentityFingerprint)],
) -> Vec<Duplicate> {
    let equal = |own: Option<u64>, other: Option<u64>| own.is_some() && own == other;
    let mut found = Vec::new();
    for (peer, other) in peers {
        let shared = [
            ("host name", equal(own.host_name, other.host_name)),
            ("machine-id", equal(own.machine_id, other.machine_id)),
            ("product_uuid", equal(own.product_uuid, other.product_uuid)),
            (
                "MAC address",
                own.macs.iter().any(|mac| other.macs.contains(mac)),
            ),
        ];
        for (what, _) in shared.into_iter().filter(|(_, equal)| *equal) {
            let peer = peer.clone();
            found.push(Duplicate { peer, what });
        }
    }
    found
}

/// The host name is the node's name: another one would need `hostnameOverride`, and certificates name the node.
pub(super) fn host_name(situation: Situation<'_>) -> Vec<Deviation> {
    let Some(node) = &situation.wanted.node else {
        return vec![];
    };
    match &situation.machine.identity.host_name {
        Known::Is(name) if name.to_ascii_lowercase() == node.as_str() => vec![],
        Known::Is(name) => vec![Deviation::refusal(
            name,
            node.to_string(),
            format!(
                "Run `hostnamectl set-hostname {node}`, or install the bundle that is this machine's."
            ),
        )],
        Known::Unknown(why) => vec![Deviation::unknown("the host name", why)],
    }
}

/// No other member shares host name, machine-id, `product_uuid` or MAC address.
pub(super) fn unique(situation: Situation<'_>) -> Vec<Deviation> {
    let identity = &situation.machine.identity;
    let mut found = Vec::new();
    if let Known::Unknown(why) = &identity.machine_id {
        found.push(Deviation::unknown("the machine-id", why));
    }
    let Some(cluster) = &situation.wanted.cluster else {
        return found;
    };
    let shared = duplicates(&identity.fingerprint(cluster), &situation.peers.identities);
    found.extend(shared.into_iter().map(|Duplicate { peer, what }| {
        let remedy = match what {
            "host name" => "Give each machine a name of its own (`hostnamectl set-hostname`).",
            "machine-id" => {
                "Run `rm /etc/machine-id && systemd-machine-id-setup` on one of them and boot it again; \
                 empty the file in the image that they were cloned from."
            }
            _ => "Give the clone a new one in the hypervisor's settings.",
        };
        Deviation::refusal(
            format!("the same {what} as {peer}"),
            format!("a {what} of its own"),
            remedy,
        )
    }));
    found
}
