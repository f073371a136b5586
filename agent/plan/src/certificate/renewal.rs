//! When certificates are due, and how far a renewal of this node has come.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::Timestamp;
use hactl_proto::certificate::{CertificateInventory, CertificateSeen, KeySeen, Renewal};
use hactl_proto::instruction::OperationId;
use hactl_proto::name::NodeName;
use hactl_proto::rollout::survey::ClusterSurvey;
use hactl_proto::spec::{ClusterSpec, DeclaredNode};
use serde::{Deserialize, Serialize};

/// The format that is written.
pub const PROGRESS_VERSION: u32 = 1;

/// How far a renewal of this node has come: a file outside of what kubeadm writes, replaced whole at each turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewalProgress {
    /// [`PROGRESS_VERSION`].
    pub version: u32,
    /// Which renewal.
    pub renewal: OperationId,
    /// Serial numbers before it, by certificate's name.
    pub before: BTreeMap<String, String>,
    /// Whether every serial number was seen to be another.
    pub renewed: bool,
    /// Static pods that were begun anew since.
    pub restarted: BTreeSet<String>,
    /// Whether all is through.
    pub finished: bool,
}

/// When each certificate was seen first, by serial number: kubeadm backdates what it signs to its CA's begin, so that nothing in a
/// certificate says how long its life is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FirstSeen(pub BTreeMap<String, Timestamp>);

/// Reads the file. One of a newer agent, or a torn one, is an error: what it says must not be guessed.
pub fn read(text: &str) -> Result<RenewalProgress, String> {
    let progress: RenewalProgress =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    if progress.version > PROGRESS_VERSION {
        return Err(format!(
            "it has version {}, this agent reads up to {PROGRESS_VERSION}",
            progress.version
        ));
    }
    Ok(progress)
}

/// What kubeadm renews on this node, by name.
pub fn renewable(seen: &CertificateInventory) -> impl Iterator<Item = &CertificateSeen> {
    seen.certificates
        .iter()
        .filter(|one| one.renewal == Renewal::Kubeadm && !one.authority)
}

/// Serial numbers by name of what kubeadm renews.
pub fn serials(seen: &CertificateInventory) -> BTreeMap<String, String> {
    renewable(seen)
        .map(|one| (one.name.clone(), one.serial.clone()))
        .collect()
}

/// What of it is not renewed: the serial number is the old one, or the pair is none. Empty: all are.
pub fn not_renewed(before: &BTreeMap<String, String>, seen: &CertificateInventory) -> Vec<String> {
    before
        .iter()
        .filter_map(|(name, old)| match seen.named(name) {
            None => Some(format!("{name} can't be read")),
            Some(one) if one.serial == *old => Some(format!("{name} still has serial {old}")),
            Some(one)
                if matches!(
                    one.key,
                    KeySeen::Differs | KeySeen::Absent | KeySeen::Unreadable
                ) =>
            {
                Some(format!("the key of {name} is not its own"))
            }
            Some(_) => None,
        })
        .collect()
}

/// Remembers what is new, forgets what is gone; says whether anything changed.
pub fn remember(known: &mut FirstSeen, seen: &CertificateInventory) -> bool {
    let before = known.clone();
    let serials: BTreeSet<&String> = renewable(seen).map(|one| &one.serial).collect();
    known.0.retain(|serial, _| serials.contains(serial));
    for serial in serials {
        known.0.entry(serial.clone()).or_insert(seen.at);
    }
    *known != before
}

/// What is due, soonest end first: less is left than `before` seconds, or than a third of the life that it had when it was first seen.
pub fn due<'a>(
    seen: &'a CertificateInventory,
    known: &FirstSeen,
    before: i64,
) -> Vec<&'a CertificateSeen> {
    let mut due: Vec<&CertificateSeen> = renewable(seen)
        .filter(|one| {
            let end = one.not_after.as_second();
            let since = known.0.get(&one.serial).copied().unwrap_or(seen.at);
            let life = end - since.max(one.not_before).as_second();
            end - seen.at.as_second() <= before.min(life / 3)
        })
        .collect();
    due.sort_by_key(|one| one.not_after);
    due
}

/// What in the cluster is in the way of restarting a control plane now; empty: nothing. Unknown counts as unhealthy (I2). `serving`: the
/// control planes whose API servers serve. A kubelet may be well beside an API server that is not.
pub fn in_the_way(
    cluster: &ClusterSurvey,
    spec: &ClusterSpec,
    serving: &BTreeSet<NodeName>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for DeclaredNode { name, .. } in &spec.control_planes {
        match cluster.nodes.iter().find(|node| node.name == *name) {
            None => reasons.push(format!("{name} is not registered")),
            Some(node) if !node.ready => reasons.push(format!("{name} is not Ready")),
            Some(_) => {}
        }
        if !serving.contains(name) {
            reasons.push(format!("the API server of {name} does not serve"));
        }
    }
    for member in &cluster.etcd {
        if let Some(complaint) = &member.complaint {
            reasons.push(format!("etcd's member {}: {complaint}", member.name));
        }
        if !member.voter {
            reasons.push(format!("etcd's member {} does not vote yet", member.name));
        }
    }
    reasons.extend(
        cluster
            .alarms
            .iter()
            .map(|alarm| format!("etcd's alarm {alarm}")),
    );
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_proto::rollout::survey::{MemberSeen, NodeSeen};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn one(name: &str, serial: &str, end: i64, renewal: Renewal) -> CertificateSeen {
        CertificateSeen {
            name: name.to_owned(),
            file: String::new(),
            authority: false,
            subject: String::new(),
            issuer: String::new(),
            sans: Vec::new(),
            not_before: at(0),
            not_after: at(end),
            serial: serial.to_owned(),
            sha256: String::new(),
            signed_by: None,
            key: KeySeen::Belongs,
            renewal,
        }
    }

    fn seen(now: i64, certificates: Vec<CertificateSeen>) -> CertificateInventory {
        CertificateInventory {
            node: NodeName::new("cp1").unwrap(),
            at: at(now),
            certificates,
            served: Vec::new(),
            findings: Vec::new(),
        }
    }

    const DAY: i64 = 86_400;

    #[test]
    fn a_years_certificate_is_due_thirty_days_before_and_a_short_one_at_a_third() {
        let start = 1_000 * DAY;
        let year = one("apiserver", "1", start + 365 * DAY, Renewal::Kubeadm);
        let short = one("etcd-peer", "2", start + 600, Renewal::Kubeadm);
        let kubelet = one("kubelet-client", "3", start + 60, Renewal::Kubelet);
        let external = one("admin.conf", "4", start + 60, Renewal::External);
        let all = vec![year, short, kubelet, external];
        let mut known = FirstSeen::default();
        assert!(remember(&mut known, &seen(start, all.clone())));
        assert!(!remember(&mut known, &seen(start + 60, all.clone())));
        let due_at = |now: i64| {
            let seen = seen(now, all.clone());
            due(&seen, &known, 30 * DAY)
                .iter()
                .map(|one| one.name.clone())
                .collect::<Vec<_>>()
        };
        assert!(due_at(start).is_empty());
        assert!(due_at(start + 399).is_empty());
        assert_eq!(due_at(start + 400), ["etcd-peer"]);
        assert_eq!(due_at(start + 334 * DAY), ["etcd-peer"]);
        assert_eq!(due_at(start + 335 * DAY), ["etcd-peer", "apiserver"]);
        // What was just renewed to ten minutes again is not due at once, for ever.
        let again = seen(
            start + 401,
            vec![one("etcd-peer", "9", start + 1001, Renewal::Kubeadm)],
        );
        remember(&mut known, &again);
        assert!(due(&again, &known, 30 * DAY).is_empty());
        assert_eq!(known.0.len(), 1);
    }

    #[test]
    fn only_another_serial_with_its_own_key_is_a_renewal() {
        let before = serials(&seen(
            0,
            vec![
                one("a", "1", 9, Renewal::Kubeadm),
                one("b", "2", 9, Renewal::Kubeadm),
            ],
        ));
        let mut after = seen(
            0,
            vec![
                one("a", "7", 9, Renewal::Kubeadm),
                one("b", "2", 9, Renewal::Kubeadm),
            ],
        );
        assert_eq!(not_renewed(&before, &after), ["b still has serial 2"]);
        after.certificates[1].serial = "8".to_owned();
        assert!(not_renewed(&before, &after).is_empty());
        after.certificates[1].key = KeySeen::Differs;
        assert_eq!(
            not_renewed(&before, &after),
            ["the key of b is not its own"]
        );
        after.certificates.pop();
        assert_eq!(not_renewed(&before, &after), ["b can't be read"]);
    }

    #[test]
    fn a_control_plane_that_is_not_well_in_any_way_is_in_the_way() {
        let spec = crate::example::spec();
        let names: BTreeSet<NodeName> = spec
            .control_planes
            .iter()
            .map(|one| one.name.clone())
            .collect();
        let well = ClusterSurvey {
            nodes: names
                .iter()
                .map(|name| NodeSeen {
                    name: name.clone(),
                    kubelet: None,
                    ready: true,
                    cordoned: false,
                    cordoned_by_hactl: false,
                })
                .collect(),
            etcd: names
                .iter()
                .map(|name| MemberSeen {
                    name: name.to_string(),
                    id: "1".to_owned(),
                    voter: true,
                    complaint: None,
                    version: None,
                })
                .collect(),
            ..ClusterSurvey::default()
        };
        assert!(in_the_way(&well, &spec, &names).is_empty());
        let one = names.iter().next().unwrap().clone();
        let told = |worse: &dyn Fn(&mut ClusterSurvey)| {
            let mut cluster = well.clone();
            worse(&mut cluster);
            in_the_way(&cluster, &spec, &names).len()
        };
        assert_eq!(told(&|cluster| cluster.nodes[0].ready = false), 1);
        assert_eq!(told(&|cluster| drop(cluster.nodes.remove(0))), 1);
        assert_eq!(told(&|cluster| cluster.etcd[0].voter = false), 1);
        let complaint = || Some("it does not answer".to_owned());
        assert_eq!(told(&|cluster| cluster.etcd[0].complaint = complaint()), 1);
        assert_eq!(
            told(&|cluster| cluster.alarms.push("NOSPACE".to_owned())),
            1
        );
        let others = names.iter().filter(|name| **name != one).cloned().collect();
        let reasons = in_the_way(&well, &spec, &others);
        assert_eq!(reasons, [format!("the API server of {one} does not serve")]);
    }

    #[test]
    fn a_torn_foreign_or_newer_progress_is_not_read() {
        let progress = RenewalProgress {
            version: PROGRESS_VERSION,
            renewal: OperationId::new("r1").unwrap(),
            before: BTreeMap::new(),
            renewed: true,
            restarted: BTreeSet::new(),
            finished: false,
        };
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(read(&text), Ok(progress));
        let newer = text.replace("\"version\":1", "\"version\":2");
        for wrong in ["", "{}", "garbage", &text[..40], &newer] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
