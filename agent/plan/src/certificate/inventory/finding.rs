//! The findings of an inventory: what was seen, what is wanted, what to do.

use std::collections::BTreeSet;

use hactl_proto::Timestamp;
use hactl_proto::certificate::{CertificateSeen, KeySeen, Renewal, ServedSeen};
use hactl_proto::finding::{Finding, Severity};

use super::Subject;
use super::read::{Found, Reading};
use crate::certificate::place::Kind;

const RENEW: &str =
    "`hactl-controller certs renew` renews it, and proves that the new one is served.";

/// A file that is there and is not what it should be.
pub(super) fn unreadable(file: &str, reason: &str) -> Finding {
    Finding::refusal(
        "certificate-readable",
        format!("{file}: {reason}"),
        "a whole file",
        "Put it back from a copy (hactl keeps one in /var/lib/hactl/certificates/kept before it renews), or make it anew with \
         `kubeadm init phase certs` or `kubeadm init phase kubeconfig`.",
    )
}

/// A key that is missing, damaged or another's.
pub(super) fn key(found: &Found, renewal: Renewal) -> Option<Finding> {
    let wanted = "the private key of this certificate beside it";
    let observed = match found.key {
        KeySeen::Belongs | KeySeen::Unchecked => return None,
        KeySeen::Differs => format!("{}: its key is another certificate's", found.file),
        KeySeen::Unreadable => format!("{}: its key can't be read", found.file),
        KeySeen::Absent if matches!(found.kind, Some(Kind::Authority) | None) => {
            // On a control plane kubeadm signs with it; whoever keeps it elsewhere does so on purpose.
            return (renewal == Renewal::External).then(|| Finding {
                severity: Severity::Warning,
                ..Finding::refusal(
                    "certificate-external",
                    format!("{}: its key is not on this node: the CA is external", found.file),
                    "nothing: hactl can't renew what this CA signs",
                    "Renew its certificates where the key is: `kubeadm certs generate-csr`, sign, put the files in place, then \
                     `hactl-controller certs renew` restarts what still serves the old ones.",
                )
            });
        }
        KeySeen::Absent if found.kind == Some(Kind::Agent) && found.certificate.authority => {
            return None;
        }
        KeySeen::Absent => format!("{}: its key is not there", found.file),
    };
    Some(Finding::refusal(
        "certificate-key",
        observed,
        wanted,
        "Put the pair back from a copy; or delete both and make them anew with `kubeadm init phase certs`.",
    ))
}

/// A certificate whose time is over, or has not come.
pub(super) fn valid(found: &Found, now: Timestamp, renewal: Renewal) -> Option<Finding> {
    let certificate = &found.certificate;
    let observed = if certificate.not_after <= now {
        format!(
            "{} ({}) ended at {}",
            found.name, found.file, certificate.not_after
        )
    } else if certificate.not_before > now {
        format!(
            "{} ({}) begins at {}; this node's clock says {now}",
            found.name, found.file, certificate.not_before
        )
    } else {
        return None;
    };
    let remedy = match renewal {
        _ if certificate.not_before > now => "Set the node's clock right.",
        Renewal::Kubeadm => RENEW,
        Renewal::Kubelet => {
            "The kubelet asks for a new one by itself once its client certificate is valid and an API server answers."
        }
        Renewal::Agent => {
            "Look at the agent's log: a worker asks a control plane, a control plane signs its own."
        }
        Renewal::External => "Renew it where its CA's key is.",
        Renewal::Nobody => {
            "A CA has to be replaced while it is valid; now it is by hand (kubeadm's manual rotation of CAs)."
        }
    };
    Some(Finding::refusal(
        "certificate-valid",
        observed,
        "a certificate that is valid now",
        remedy,
    ))
}

/// A certificate that no CA of this node signed.
pub(super) fn signer(found: &Found, signed: bool) -> Option<Finding> {
    let checked = !matches!(found.kind, Some(Kind::Authority | Kind::Agent) | None);
    (checked && !signed).then(|| {
        Finding::refusal(
            "certificate-signer",
            format!(
                "{} ({}) names {:?} as its issuer, and no CA on this node verifies it",
                found.name, found.file, found.certificate.issuer
            ),
            "a certificate of this cluster",
            "It may be left from another cluster or another CA: look where it came from before renewing it.",
        )
    })
}

/// What has to be there and is not.
pub(super) fn missing(
    subject: &Subject,
    names: &BTreeSet<String>,
    read: &[CertificateSeen],
) -> Vec<Finding> {
    let there = |name: &str| {
        names.contains(name)
            // A kubelet's client certificate may be in its kubeconfig.
            || (name == "kubelet-client" && read.iter().any(|one| one.name == "kubelet.conf"))
    };
    let missing = subject.wanted.iter().filter(|name| !there(name));
    missing
        .map(|name| {
            Finding::refusal(
                "certificate-present",
                format!("{name} is not on this node"),
                "every certificate of a node of its role",
                "Make it anew with `kubeadm init phase certs` (delete a key without its certificate first), or join the node again.",
            )
        })
        .collect()
}

/// Kubeconfigs that believe another CA than the cluster's.
pub(super) fn authorities(reading: &Reading) -> Vec<Finding> {
    let Some(own) = reading.found.iter().find(|found| found.name == "ca") else {
        return Vec::new();
    };
    let strange = reading
        .believed
        .iter()
        .filter(|(.., known)| !known.contains(&own.certificate.sha256));
    strange
        .map(|(kubeconfig, file, _)| {
            Finding::refusal(
                "kubeconfig-authority",
                format!("{kubeconfig} believes another CA than {} (in {file})", own.file),
                "the cluster's CA",
                "Compare the file with that of another control plane; `kubeadm init phase kubeconfig` makes it anew.",
            )
        })
        .collect()
}

/// A port that serves something else than its file, or nothing.
pub(super) fn served(one: &ServedSeen, in_file: Option<&str>) -> Option<Finding> {
    if one.same {
        return None;
    }
    let wanted = "the certificate of its file";
    if let Some(reason) = &one.unknown {
        return Some(Finding {
            severity: Severity::Warning,
            ..Finding::refusal(
                "certificate-served",
                format!(
                    "what {} serves at port {} is unknown: {reason}",
                    one.by, one.port
                ),
                wanted,
                "Look whether the process runs.",
            )
        });
    }
    let serial = one.serial.as_deref().unwrap_or("unknown");
    let in_file = in_file.map_or_else(
        || "there is no file for it".to_owned(),
        |serial| format!("its file holds {serial}"),
    );
    Some(Finding::refusal(
        "certificate-served",
        format!(
            "{} serves serial {serial} at port {}; {in_file}",
            one.by, one.port
        ),
        wanted,
        "The process still holds the old one: `hactl-controller certs renew` restarts it and looks again.",
    ))
}

/// The service accounts' keys that are no pair.
pub(super) fn service_account() -> Finding {
    Finding::refusal(
        "certificate-key",
        "/etc/kubernetes/pki/sa.pub is not the public half of sa.key".to_owned(),
        "one pair, the same on every control plane",
        "Compare both with another control plane's: tokens of service accounts are signed with the one and checked with the other.",
    )
}
