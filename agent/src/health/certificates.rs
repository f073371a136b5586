//! The soonest end of a Kubernetes certificate on this node.
//!
//! Those of kubeadm and the kubelet, in files and in kubeconfigs; the agent's own renews itself. A file that cannot be read as
//! one counts as ended, since unknown is unhealthy.

use hactl_node_plan::plan::NodeContext;
use hactl_proto::Timestamp;
use hactl_proto::certificate::{CertificateInventory, Renewal};

use crate::host::Host;
use crate::inspect::certificates::{Ports, certificates};
use crate::paths::Paths;

/// The soonest end; `None` where there is no certificate. No port is asked.
pub async fn soonest_end<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
) -> Option<Timestamp> {
    soonest(&certificates(host, node, paths, Ports::Leave).await)
}

fn soonest(seen: &CertificateInventory) -> Option<Timestamp> {
    let damaged = |check: &str| matches!(check, "certificate-readable" | "certificate-key");
    if seen.findings.iter().any(|finding| damaged(&finding.check)) {
        return Some(Timestamp::UNIX_EPOCH);
    }
    let ours = seen
        .certificates
        .iter()
        .filter(|one| one.renewal != Renewal::Agent && !one.name.starts_with("hactl"));
    ours.map(|one| one.not_after).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_proto::certificate::{CertificateSeen, KeySeen};
    use hactl_proto::finding::{Finding, Severity};

    fn seen(ends: &[(&str, Renewal, &str)], check: Option<&str>) -> CertificateInventory {
        let one = |(name, renewal, end): &(&str, Renewal, &str)| CertificateSeen {
            name: (*name).to_owned(),
            file: String::new(),
            authority: false,
            subject: String::new(),
            issuer: String::new(),
            sans: Vec::new(),
            not_before: Timestamp::UNIX_EPOCH,
            not_after: end.parse().unwrap(),
            serial: String::new(),
            sha256: String::new(),
            signed_by: None,
            key: KeySeen::Belongs,
            renewal: *renewal,
        };
        let finding = |check: &str| Finding {
            check: check.to_owned(),
            severity: Severity::Refusal,
            observed: String::new(),
            wanted: String::new(),
            remedy: String::new(),
            mendable: false,
        };
        CertificateInventory {
            node: hactl_proto::name::NodeName::new("cp1").unwrap(),
            at: Timestamp::UNIX_EPOCH,
            certificates: ends.iter().map(one).collect(),
            served: Vec::new(),
            findings: check.map(finding).into_iter().collect(),
        }
    }

    #[test]
    fn the_soonest_of_kubernetes_counts_and_what_is_damaged_has_ended() {
        let ends = [
            ("apiserver", Renewal::Kubeadm, "2027-01-02T00:00:00Z"),
            ("admin.conf", Renewal::Kubeadm, "2027-01-01T00:00:00Z"),
            ("hactl-agent", Renewal::Agent, "2026-12-01T00:00:00Z"),
        ];
        let end = soonest(&seen(&ends, None)).unwrap();
        assert_eq!(end.to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(soonest(&seen(&[], None)), None);
        let end = soonest(&seen(&ends, Some("certificate-served"))).unwrap();
        assert_eq!(end.to_string(), "2027-01-01T00:00:00Z");
        for check in ["certificate-readable", "certificate-key"] {
            assert_eq!(
                soonest(&seen(&ends, Some(check))),
                Some(Timestamp::UNIX_EPOCH)
            );
        }
    }
}
