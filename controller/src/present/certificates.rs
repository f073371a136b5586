//! `certs`: one table of all nodes' certificates, the soonest end first, then what is not as it should be.

use hactl_cluster_plan::observed::Answer;
use hactl_proto::Timestamp;
use hactl_proto::certificate::{CertificateInventory, CertificateSeen, KeySeen};
use hactl_proto::name::NodeName;
use serde::Serialize;

use super::View;
use super::doctor::entry;
use super::style::{Style, Tone};
use super::table::{Cell, Table};
use super::time::{lasting, moment};
use super::words;

/// Below it an end is shown as near: hactl's default for when to renew.
const NEAR_SECONDS: i64 = 30 * 86_400;

/// The certificates of all nodes that were asked.
#[derive(Debug, Clone, Serialize)]
pub struct CertificatesView {
    /// Each node's.
    pub nodes: Vec<NodeCertificates>,
}

/// One node's certificates.
#[derive(Debug, Clone, Serialize)]
pub struct NodeCertificates {
    /// The node.
    pub node: NodeName,
    /// What its agent says.
    pub seen: Answer<CertificateInventory>,
}

impl CertificatesView {
    /// Of these nodes.
    pub const fn new(nodes: Vec<NodeCertificates>) -> Self {
        Self { nodes }
    }

    fn said(&self) -> impl Iterator<Item = &CertificateInventory> {
        self.nodes.iter().filter_map(|node| node.seen.said())
    }
}

impl View for CertificatesView {
    fn text(&self, style: Style) -> String {
        let mut rows: Vec<(&CertificateInventory, &CertificateSeen)> = self
            .said()
            .flat_map(|seen| seen.certificates.iter().map(move |one| (seen, one)))
            .collect();
        rows.sort_by_key(|(seen, one)| (one.not_after, &seen.node, &one.name));
        let mut table = Table::new([
            "LEFT",
            "NODE",
            "CERTIFICATE",
            "ENDS",
            "SIGNED BY",
            "KEY",
            "RENEWED BY",
            "SERVED",
        ]);
        for (seen, one) in rows {
            table.row(row(seen, one));
        }
        let mut text = table.render(style);
        for node in &self.nodes {
            findings(node, style, &mut text);
        }
        text
    }
}

fn findings(node: &NodeCertificates, style: Style, text: &mut String) {
    if let Some(silence) = node.seen.silence() {
        let line = format!("{}: its agent did not say: {}", node.node, silence.reason);
        let line = style.paint(Tone::Bad, &words::clean(&line));
        words::line(text, format_args!("{line}"));
    }
    let Some(seen) = node.seen.said().filter(|seen| !seen.findings.is_empty()) else {
        return;
    };
    let head = style.paint(Tone::Head, node.node.as_str());
    words::line(text, format_args!("{head}"));
    for finding in &seen.findings {
        text.push_str(&entry(finding, style));
    }
}

fn row(seen: &CertificateInventory, one: &CertificateSeen) -> [Cell; 8] {
    let (left, tone) = left(one.not_after, seen.at);
    let key = match one.key {
        KeySeen::Belongs => Cell::plain("belongs"),
        KeySeen::Absent if one.authority => Cell::new(Tone::Faint, "elsewhere"),
        KeySeen::Absent => Cell::new(Tone::Bad, "missing"),
        KeySeen::Differs => Cell::new(Tone::Bad, "another's"),
        KeySeen::Unreadable => Cell::new(Tone::Bad, "unreadable"),
        KeySeen::Unchecked => Cell::new(Tone::Doubtful, "unchecked"),
    };
    let signed = match &one.signed_by {
        Some(name) => Cell::plain(name),
        None => Cell::new(Tone::Doubtful, "?"),
    };
    [
        Cell::new(tone, left),
        Cell::plain(seen.node.as_str()),
        Cell::plain(&one.name),
        Cell::plain(moment(one.not_after)),
        signed,
        key,
        Cell::plain(one.renewal.word()),
        served(seen, one),
    ]
}

/// How long it lasts: a certificate's end is never a clock's error.
fn left(end: Timestamp, now: Timestamp) -> (String, Tone) {
    let seconds = end.as_second() - now.as_second();
    if seconds <= 0 {
        return (format!("ended {} ago", lasting(end, now)), Tone::Bad);
    }
    let tone = if seconds < NEAR_SECONDS {
        Tone::Doubtful
    } else {
        Tone::Plain
    };
    (lasting(now, end), tone)
}

/// The port that serves it, where one should.
fn served(seen: &CertificateInventory, one: &CertificateSeen) -> Cell {
    let port = seen
        .served
        .iter()
        .find(|port| port.certificate.as_deref() == Some(&one.name));
    match port {
        None => Cell::plain(""),
        Some(port) if port.same => Cell::plain(format!("at {}", port.port)),
        Some(port) if port.unknown.is_some() => {
            Cell::new(Tone::Doubtful, format!("unknown at {}", port.port))
        }
        Some(port) => Cell::new(Tone::Bad, format!("another at {}", port.port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::Silence;
    use hactl_proto::certificate::{Renewal, ServedSeen};
    use hactl_proto::finding::{Finding, Severity};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn certificate(name: &str, end: &str, renewal: Renewal) -> CertificateSeen {
        CertificateSeen {
            name: name.to_owned(),
            file: format!("/etc/kubernetes/pki/{name}.crt"),
            authority: renewal == Renewal::Nobody,
            subject: format!("CN={name}"),
            issuer: "CN=kubernetes".to_owned(),
            sans: Vec::new(),
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at(end),
            serial: "0a".to_owned(),
            sha256: "00".to_owned(),
            signed_by: Some("ca".to_owned()),
            key: KeySeen::Belongs,
            renewal,
        }
    }

    #[test]
    fn the_soonest_is_first_and_what_is_served_is_beside_it() {
        let served = ServedSeen {
            port: 6443,
            by: "kube-apiserver".to_owned(),
            certificate: Some("apiserver".to_owned()),
            serial: Some("09".to_owned()),
            not_after: None,
            same: false,
            unknown: None,
        };
        let one = CertificateInventory {
            node: NodeName::new("cp1").unwrap(),
            at: at("2026-11-22T20:00:00Z"),
            certificates: vec![
                certificate("ca", "2036-01-01T00:00:00Z", Renewal::Nobody),
                certificate("apiserver", "2026-11-22T21:00:00Z", Renewal::Kubeadm),
                certificate("kubelet-client", "2026-11-20T20:00:00Z", Renewal::Kubelet),
            ],
            served: vec![served],
            findings: vec![Finding {
                check: "certificate-valid".to_owned(),
                severity: Severity::Refusal,
                observed: "kubelet-client ended".to_owned(),
                wanted: "a certificate that is valid now".to_owned(),
                remedy: "renew it".to_owned(),
                mendable: false,
            }],
        };
        let silent = Silence {
            reason: "connect: no route to host".to_owned(),
            since: at("2026-11-22T20:00:00Z"),
            tried_ms: 5000,
        };
        let view = CertificatesView::new(vec![
            NodeCertificates {
                node: one.node.clone(),
                seen: Answer::Said(one),
            },
            NodeCertificates {
                node: NodeName::new("cp2").unwrap(),
                seen: Answer::Silent(silent),
            },
        ]);
        insta::assert_snapshot!(view.text(Style::Plain), @"
        LEFT           NODE  CERTIFICATE     ENDS                  SIGNED BY  KEY      RENEWED BY  SERVED
        ended 2 d ago  cp1   kubelet-client  2026-11-20 20:00:00Z  ca         belongs  kubelet
        60 min         cp1   apiserver       2026-11-22 21:00:00Z  ca         belongs  kubeadm     another at 6443
        3326 d         cp1   ca              2036-01-01 00:00:00Z  ca         belongs  -
        cp1
          error certificate-valid
              seen:   kubelet-client ended
              wanted: a certificate that is valid now
              remedy: renew it
        cp2: its agent did not say: connect: no route to host
        ");
    }
}
