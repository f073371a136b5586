//! Which versions lie on the way: one minor at a time, each at the newest patch that every node can have.

use std::collections::BTreeSet;

use hactl_proto::version::KubernetesVersion;

use super::Seen;

/// The versions after `from`, up to and with `to`. Errs with the minor that no version is offered of on all nodes.
pub(super) fn path(
    seen: &Seen,
    from: &KubernetesVersion,
    to: &KubernetesVersion,
) -> (Vec<KubernetesVersion>, Vec<u16>) {
    let mut hops = Vec::new();
    let mut missing = Vec::new();
    if to <= from {
        return (hops, missing);
    }
    let common = (from.minor + 1 < to.minor).then(|| common(seen));
    for minor in from.minor + 1..to.minor {
        let newest = common
            .iter()
            .flatten()
            .rfind(|version| version.minor == minor);
        match newest {
            Some(version) => hops.push(version.clone()),
            None => missing.push(minor),
        }
    }
    hops.push(to.clone());
    (hops, missing)
}

/// The versions that every node that answers can have.
fn common(seen: &Seen) -> BTreeSet<KubernetesVersion> {
    let mut sets = seen.nodes.iter().filter_map(|node| {
        let offered = node.survey.said()?.offered.as_ref().ok()?;
        Some(offered.iter().cloned().collect::<BTreeSet<_>>())
    });
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |all, set| all.intersection(&set).cloned().collect())
}

/// How many minors a kubelet may be older than the API server (policy of 1.28).
pub(super) const fn kubelet_skew(api_server_minor: u16) -> u16 {
    if api_server_minor >= 28 { 3 } else { 2 }
}

/// etcd's own minor that a Kubernetes minor brings; for gates and tables alone, the patch is the target's kubeadm to say.
pub(super) const fn etcd_minor(minor: u16) -> u16 {
    match minor {
        ..=21 => 4,
        22..=33 => 5,
        34..=36 => 6,
        _ => 7,
    }
}

/// The lowest patch of etcd's present minor from which the next may be entered: 3.5.26 before 3.6 (members that were removed
/// come back else), 3.6.11 before 3.7.
pub(super) const fn etcd_gate(to_minor: u16) -> Option<(u16, u16)> {
    match to_minor {
        6 => Some((5, 26)),
        7 => Some((6, 11)),
        _ => None,
    }
}
