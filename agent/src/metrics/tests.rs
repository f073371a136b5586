use hactl_proto::certificate::{CertificateSeen, Renewal, ServedSeen};
use hactl_proto::health::HealthDigest;
use hactl_proto::name::NodeName;

use super::*;
use crate::membership::counters::Counters;

fn certificate(name: &str, authority: bool, key: KeySeen) -> CertificateSeen {
    CertificateSeen {
        name: name.to_owned(),
        file: format!("/etc/kubernetes/pki/{name}.crt"),
        authority,
        subject: format!("CN={name}"),
        issuer: "CN=kubernetes".to_owned(),
        sans: Vec::new(),
        not_before: Timestamp::UNIX_EPOCH,
        not_after: "2027-01-02T00:00:00Z".parse().unwrap(),
        serial: "1f".to_owned(),
        sha256: String::new(),
        signed_by: Some("ca".to_owned()),
        key,
        renewal: if authority {
            Renewal::Nobody
        } else {
            Renewal::Kubeadm
        },
    }
}

fn served(port: u16, by: &str, certificate: Option<&str>, same: bool) -> ServedSeen {
    ServedSeen {
        port,
        by: by.to_owned(),
        certificate: certificate.map(str::to_owned),
        serial: None,
        not_after: certificate.map(|_| "2026-12-01T00:00:00Z".parse().unwrap()),
        same,
        unknown: None,
    }
}

fn inventory() -> CertificateInventory {
    let finding = Finding::refusal(
        "certificate-served",
        "6443 serves \"another\"",
        "the file's",
        "See docs/certificates.md.",
    );
    CertificateInventory {
        node: NodeName::new("cp1").unwrap(),
        at: Timestamp::UNIX_EPOCH,
        certificates: vec![
            certificate("apiserver", false, KeySeen::Belongs),
            certificate("odd\"\\\nname", false, KeySeen::Differs),
            certificate("ca", true, KeySeen::Belongs),
        ],
        served: vec![
            served(6443, "kube-apiserver", Some("apiserver"), false),
            served(10257, "kube-controller-manager", None, false),
        ],
        findings: vec![finding.clone(), finding],
    }
}

#[test]
fn what_is_told_of_a_node() {
    let health = Health {
        digest: HealthDigest {
            containerd: ComponentHealth::Healthy,
            kubelet: ComponentHealth::Unhealthy,
            etcd: ComponentHealth::Absent,
            clock_offset_ms: Some(-1500),
            ..HealthDigest::default()
        },
        ..Health::default()
    };
    let gossip = Status {
        counters: Counters {
            bytes_received: 7,
            ..Counters::default()
        },
        ..Status::default()
    };
    let told = text(&Seen {
        at: "2026-11-29T14:00:00Z".parse().unwrap(),
        health: &health,
        certificates: &inventory(),
        members: &[MemberState::Alive, MemberState::Alive, MemberState::Down],
        gossip: Some(&gossip),
    });
    let samples: Vec<&str> = told.lines().filter(|line| !line.starts_with('#')).collect();
    insta::assert_snapshot!(samples.join("\n"));
    well_formed(&told);
}

/// Every sample stands below the type of its own family, each family once; what promtool asks besides is its affair.
fn well_formed(told: &str) {
    let mut family = "";
    let mut all = std::collections::BTreeSet::new();
    for line in told.lines() {
        if let Some(of) = line.strip_prefix("# TYPE ") {
            family = of.split(' ').next().unwrap();
            assert!(all.insert(family), "{family} comes twice");
            assert_eq!(of.ends_with(" counter"), family.ends_with("_total"), "{of}");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(name, family, "{line}");
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
