//! The guard against a rogue empty etcd (kubeadm reference, section 6.9; measured on etcd 3.4 and 3.5).
//!
//! A control plane that lost its data folder would start a new, empty etcd under the old ids, and serve it. Outside the data folder
//! lies a marker: "here lives a member". Where marker and data disagree, etcd's manifest is taken away before the kubelet sees it.

use std::net::IpAddr;

use hactl_proto::Timestamp;
use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use serde::{Deserialize, Serialize};

use super::MemberId;
use crate::facts::Known;

/// The format of the marker.
pub const MARKER_VERSION: u32 = 1;

/// "Here lives a member of that etcd cluster", written once the member votes, outside of etcd's data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdMarker {
    /// [`MARKER_VERSION`].
    pub version: u32,
    /// The node.
    pub node: NodeName,
    /// Its address, part of the member's peer URL.
    pub address: IpAddr,
    /// etcd's cluster id.
    pub cluster: MemberId,
    /// The member's id.
    pub member: MemberId,
    /// etcd's data folder.
    pub data_dir: String,
    /// Whether the data folder is a mount point of its own.
    pub own_mount: bool,
    /// The machine that it was written on: a copied disk is another machine.
    pub machine_id: String,
    /// When.
    pub written: Timestamp,
}

/// What the guard looks at. All of it is local: it works without network, daemon and Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardFacts {
    /// The marker; an unreadable one counts as being there.
    pub marker: Known<Option<EtcdMarker>>,
    /// Whether `<data-dir>/member/wal` holds a file.
    pub data: Known<bool>,
    /// Whether the data folder is a mount point.
    pub mounted: Known<bool>,
    /// `/etc/machine-id`.
    pub machine_id: Known<String>,
}

/// Reads a marker's text.
pub fn read_marker(text: &str) -> Result<EtcdMarker, String> {
    let marker: EtcdMarker = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if marker.version > MARKER_VERSION {
        return Err(format!(
            "it has version {}, this agent reads up to {MARKER_VERSION}",
            marker.version
        ));
    }
    Ok(marker)
}

/// Why etcd must not start here now; empty: it may. Without a marker no member was ever complete here, and kubeadm is free to make one.
pub fn reasons_to_hold(facts: &GuardFacts) -> Vec<Finding> {
    let marker = match &facts.marker {
        Known::Is(None) => return Vec::new(),
        Known::Is(Some(marker)) => marker,
        Known::Unknown(reason) => {
            return vec![hold(
                "etcd-marker",
                &format!("the marker of this node's etcd member can't be read: {reason}"),
                "a marker that can be read",
            )];
        }
    };
    let mut reasons = Vec::new();
    match &facts.machine_id {
        Known::Is(id) if *id == marker.machine_id => {}
        Known::Is(id) => reasons.push(hold(
            "etcd-machine",
            &format!("this is machine {id}, the member was made on {}", marker.machine_id),
            "the machine that the member was made on: a copy of its disk must not run as a second one",
        )),
        Known::Unknown(reason) => reasons.push(hold("etcd-machine", reason, "a machine id that can be read")),
    }
    if marker.own_mount && facts.mounted != Known::Is(true) {
        reasons.push(hold(
            "etcd-mount",
            &format!("{} is not mounted", marker.data_dir),
            "the file system that holds etcd's data, mounted",
        ));
    }
    if facts.data != Known::Is(true) {
        let seen = match &facts.data {
            Known::Is(_) => format!("{}/member/wal is missing or empty", marker.data_dir),
            Known::Unknown(reason) => reason.clone(),
        };
        reasons.push(hold(
            "etcd-data",
            &seen,
            &format!(
                "the data of member {} of cluster {}",
                marker.member, marker.cluster
            ),
        ));
    }
    reasons
}

fn hold(check: &str, observed: &str, wanted: &str) -> Finding {
    Finding::refusal(
        check,
        observed,
        wanted,
        "etcd is held back so that it does not start empty under its old id. Bring the data back and put etcd.yaml back from \
                 /var/lib/hactl/held, or let hactl replace the member: it is removed by id on another node, this node is cleaned and joins again.",
    )
}

/// Whether the folder is a mount point, by `/proc/self/mountinfo` (fifth field; proc(5)).
pub fn is_mount_point(mountinfo: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    mountinfo
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> EtcdMarker {
        EtcdMarker {
            version: MARKER_VERSION,
            node: NodeName::new("cp1").unwrap(),
            address: "10.0.0.1".parse().unwrap(),
            cluster: MemberId(0xc),
            member: MemberId(0xa),
            data_dir: "/var/lib/etcd".to_owned(),
            own_mount: false,
            machine_id: "m1".to_owned(),
            written: Timestamp::UNIX_EPOCH,
        }
    }

    fn facts() -> GuardFacts {
        GuardFacts {
            marker: Known::Is(Some(marker())),
            data: Known::Is(true),
            mounted: Known::Is(false),
            machine_id: Known::Is("m1".to_owned()),
        }
    }

    fn checks(facts: &GuardFacts) -> Vec<String> {
        reasons_to_hold(facts)
            .into_iter()
            .map(|finding| finding.check)
            .collect()
    }

    #[test]
    fn a_node_whose_data_is_there_starts() {
        assert_eq!(checks(&facts()), Vec::<String>::new());
    }

    #[test]
    fn without_a_marker_kubeadm_may_make_a_member() {
        let fresh = GuardFacts {
            marker: Known::Is(None),
            data: Known::Is(false),
            ..facts()
        };
        assert_eq!(checks(&fresh), Vec::<String>::new());
    }

    #[test]
    fn lost_data_a_missing_mount_and_a_copied_disk_are_all_named() {
        let mut mounted = marker();
        mounted.own_mount = true;
        let broken = GuardFacts {
            marker: Known::Is(Some(mounted)),
            data: Known::Is(false),
            mounted: Known::Is(false),
            machine_id: Known::Is("m2".to_owned()),
        };
        assert_eq!(checks(&broken), ["etcd-machine", "etcd-mount", "etcd-data"]);
    }

    #[test]
    fn what_cannot_be_read_holds() {
        let unknown = |reason: &str| reason.to_owned();
        let unreadable = GuardFacts {
            marker: Known::Unknown(unknown("truncated")),
            ..facts()
        };
        assert_eq!(checks(&unreadable), ["etcd-marker"]);
        let unreadable = GuardFacts {
            data: Known::Unknown(unknown("input/output error")),
            ..facts()
        };
        assert_eq!(checks(&unreadable), ["etcd-data"]);
    }

    #[test]
    fn a_truncated_foreign_or_newer_marker_is_not_read() {
        let text = serde_json::to_string(&marker()).unwrap();
        assert_eq!(read_marker(&text), Ok(marker()));
        for wrong in ["", "{}", "garbage", &text[..text.len() / 2]] {
            assert!(read_marker(wrong).is_err(), "{wrong}");
        }
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert!(read_marker(&newer).unwrap_err().contains("version 2"));
    }

    #[test]
    fn a_mount_point_is_found_in_mountinfo() {
        let text = "22 27 0:20 / /proc rw - proc proc rw\n31 27 8:2 / /var/lib/etcd rw - ext4 /dev/sda2 rw\n";
        assert!(is_mount_point(text, "/var/lib/etcd/"));
        assert!(!is_mount_point(text, "/var/lib"));
    }
}
