//! What Prometheus is told of a node: its health, its certificates, what ports serve, and the gossip.
//!
//! As a file for node_exporter's textfile collector and not as a port: machines are watched by it already, and a port of our own would
//! need a say in who may read it. Only the text is made here; `daemon/expose.rs` looks and writes. Names and units are Prometheus'
//! (seconds, `_total`); nothing secret is in what it is made of.

mod exposition;
#[cfg(test)]
mod tests;

use hactl_proto::Timestamp;
use hactl_proto::certificate::{CertificateInventory, KeySeen, Renewal};
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::health::ComponentHealth;
use hactl_proto::member::MemberState;

use crate::health::Health;
use crate::membership::core::Status;
use exposition::{Exposition, Kind};

/// What is told, all of one node.
#[derive(Debug)]
pub struct Seen<'a> {
    /// When, by the node's clock: a file that is not written any more is told by it.
    pub at: Timestamp,
    /// Its health as the last look found it.
    pub health: &'a Health,
    /// Its certificates, ports asked.
    pub certificates: &'a CertificateInventory,
    /// What it believes of each member, itself included.
    pub members: &'a [MemberState],
    /// How its gossip is; absent: it did not say.
    pub gossip: Option<&'a Status>,
}

/// The text.
pub fn text(seen: &Seen<'_>) -> String {
    let mut out = Exposition::default();
    out.family(
        "hactl_looked_timestamp_seconds",
        Kind::Gauge,
        "When the agent wrote this, by its own clock.",
    );
    out.sample(&[], seen.at.as_second());
    health(&mut out, seen.health);
    certificates(&mut out, seen.certificates);
    findings(&mut out, seen);
    members(&mut out, seen.members);
    if let Some(status) = seen.gossip {
        gossip(&mut out, status);
    }
    out.into_text()
}

fn health(out: &mut Exposition, health: &Health) {
    let digest = &health.digest;
    out.family(
        "hactl_component_healthy",
        Kind::Gauge,
        "Whether a component of the node answers as it should; unknown counts as 0, one that the node should not have is left out.",
    );
    for (component, state) in [
        ("containerd", digest.containerd),
        ("kubelet", digest.kubelet),
        ("kube-apiserver", digest.api_server),
        ("etcd", digest.etcd),
        ("endpoint", digest.endpoint),
    ] {
        if state != ComponentHealth::Absent {
            let healthy = u8::from(state == ComponentHealth::Healthy);
            out.sample(&[("component", component)], healthy);
        }
    }
    if let Some(offset) = digest.clock_offset_ms {
        out.family(
            "hactl_clock_offset_seconds",
            Kind::Gauge,
            "The node's clock against the median of its peers', positive when ahead.",
        );
        out.sample(&[], f64::from(offset) / 1000.0);
    }
}

fn certificates(out: &mut Exposition, seen: &CertificateInventory) {
    out.family(
        "hactl_certificate_not_after_timestamp_seconds",
        Kind::Gauge,
        "Until when a certificate of a file or kubeconfig is valid.",
    );
    for one in &seen.certificates {
        let labels = [
            ("certificate", one.name.as_str()),
            ("file", &one.file),
            ("renewed_by", renewed_by(one.renewal)),
            ("authority", if one.authority { "true" } else { "false" }),
        ];
        out.sample(&labels, one.not_after.as_second());
    }
    out.family(
        "hactl_certificate_key_belongs",
        Kind::Gauge,
        "Whether the private key of a certificate is there and its own.",
    );
    for one in seen.certificates.iter().filter(|one| !one.authority) {
        let belongs = u8::from(one.key == KeySeen::Belongs);
        out.sample(&[("certificate", &one.name), ("file", &one.file)], belongs);
    }
    out.family(
        "hactl_served_certificate_current",
        Kind::Gauge,
        "Whether a port serves the very certificate of the file; ports whose process makes its own in memory are left out.",
    );
    let of_files = seen.served.iter().filter_map(|one| {
        let certificate = one.certificate.as_deref()?;
        Some((one.port.to_string(), one, certificate))
    });
    for (port, one, certificate) in of_files {
        let labels = [
            ("port", port.as_str()),
            ("by", &one.by),
            ("certificate", certificate),
        ];
        out.sample(&labels, u8::from(one.same));
    }
    out.family(
        "hactl_served_certificate_not_after_timestamp_seconds",
        Kind::Gauge,
        "Until when what a port serves now is valid.",
    );
    for one in &seen.served {
        if let Some(end) = one.not_after {
            let port = one.port.to_string();
            out.sample(&[("port", &port), ("by", &one.by)], end.as_second());
        }
    }
}

/// As in the inventory's JSON, which dashboards know too.
const fn renewed_by(renewal: Renewal) -> &'static str {
    match renewal {
        Renewal::Kubeadm => "kubeadm",
        Renewal::Kubelet => "kubelet",
        Renewal::Agent => "agent",
        Renewal::External => "external",
        Renewal::Nobody => "nobody",
    }
}

/// Each check and weight once, with how many findings it has.
fn findings(out: &mut Exposition, seen: &Seen<'_>) {
    out.family(
        "hactl_findings",
        Kind::Gauge,
        "What is not as it should be, by check; `hactl-controller doctor` tells each with its remedy.",
    );
    let all = || {
        seen.health
            .findings
            .iter()
            .chain(&seen.certificates.findings)
    };
    let key = |finding: &Finding| (finding.check.clone(), finding.severity);
    let mut keys: Vec<_> = all().map(key).collect();
    keys.sort();
    keys.dedup();
    for wanted in keys {
        let count = all().filter(|finding| key(finding) == wanted).count();
        let severity = match wanted.1 {
            Severity::Warning => "warning",
            Severity::Refusal => "refusal",
        };
        out.sample(&[("check", &wanted.0), ("severity", severity)], count);
    }
}

fn members(out: &mut Exposition, members: &[MemberState]) {
    out.family(
        "hactl_members",
        Kind::Gauge,
        "Members as this node believes them to be, itself included.",
    );
    for (word, state) in [
        ("alive", MemberState::Alive),
        ("suspect", MemberState::Suspect),
        ("down", MemberState::Down),
    ] {
        let count = members.iter().filter(|one| **one == state).count();
        out.sample(&[("state", word)], count);
    }
}

fn gossip(out: &mut Exposition, status: &Status) {
    let counters = &status.counters;
    for (name, help, value) in [
        (
            "hactl_gossip_received_bytes_total",
            "Bytes of datagrams received, without IP and UDP headers.",
            counters.bytes_received,
        ),
        (
            "hactl_gossip_sent_bytes_total",
            "Bytes of datagrams sent, without IP and UDP headers.",
            counters.bytes_sent,
        ),
        (
            "hactl_gossip_probes_failed_total",
            "Probes that failed directly and indirectly.",
            counters.probes_failed,
        ),
        (
            "hactl_gossip_suspected_total",
            "Suspicions that this node learned of.",
            counters.suspected,
        ),
        (
            "hactl_gossip_down_total",
            "Members that this node found down.",
            counters.down,
        ),
        (
            "hactl_gossip_stalls_total",
            "Times that the agent's own loop stalled.",
            counters.stalls,
        ),
    ] {
        out.family(name, Kind::Counter, help);
        out.sample(&[], value);
    }
    out.family(
        "hactl_gossip_rejected_total",
        Kind::Counter,
        "Datagrams that were not taken, by reason.",
    );
    for (reason, count) in counters.rejected.by_reason() {
        out.sample(&[("reason", reason)], count);
    }
}
