//! What a node's peers are told of its machine.

use std::collections::BTreeSet;

use hactl_proto::finding::Finding;
use hactl_proto::health::HealthDigest;

use super::{Requirements, median_offset_ms};
use crate::facts::machine::MachineFacts;

/// Fills in the part of a digest that is about the machine: names of findings, identity, clock, disk, the kubelet's version.
pub fn tell(
    digest: &mut HealthDigest,
    machine: &MachineFacts,
    wanted: &Requirements,
    findings: &[Finding],
) {
    let names: BTreeSet<&str> = findings
        .iter()
        .map(|finding| finding.check.as_str())
        .collect();
    digest.findings = names.into_iter().map(str::to_owned).collect();
    digest.identity = wanted
        .cluster
        .as_ref()
        .map(|cluster| machine.identity.fingerprint(cluster));
    // Beyond 24 days a clock is wrong by whatever name.
    digest.clock_offset_ms = median_offset_ms(&machine.peers.clock_offsets).map(|offset| {
        i32::try_from(offset).unwrap_or(if offset < 0 { i32::MIN } else { i32::MAX })
    });
    let times = machine.disk.fsync.known().copied().flatten();
    digest.fsync_p99_us = times.map(|times| times.p99_us);
    digest.disk_used_percent = machine.disk.root_used_percent();
    digest.kubelet_version = machine.packages.kubelet.known().cloned().flatten();
}

#[cfg(test)]
mod tests {
    use hactl_proto::name::NodeName;

    use super::*;
    use crate::example;
    use crate::facts::Known::Is;
    use crate::facts::machine::example::healthy;
    use crate::prerequisite::check_all;

    #[test]
    fn a_digest_tells_names_once_and_no_identity_in_the_clear() {
        let mut machine = healthy();
        machine.swap.active = Is(vec!["/dev/sda2".to_owned()]);
        machine.swap.units = Is(vec!["dev-sda2.swap".to_owned()]);
        machine.peers.clock_offsets = vec![(NodeName::new("cp2").unwrap(), i64::MIN)];
        let wanted = Requirements::of(&example::context("cp1"));
        let findings = check_all(&machine, &wanted, &machine.peers);
        let mut digest = HealthDigest::default();
        tell(&mut digest, &machine, &wanted, &findings);
        assert_eq!(digest.findings, ["clock", "swap-off"]);
        assert_eq!(digest.clock_offset_ms, Some(i32::MIN));
        assert_eq!(
            (digest.fsync_p99_us, digest.disk_used_percent),
            (Some(900), Some(40))
        );
        assert_eq!(
            digest
                .kubelet_version
                .as_ref()
                .map(ToString::to_string)
                .as_deref(),
            Some("v1.36.2")
        );
        assert!(!serde_json::to_string(&digest).unwrap().contains("f00d"));
        assert_eq!(digest.identity.unwrap().macs.len(), 1);
    }
}
