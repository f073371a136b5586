//! `certs renew --all`: who has to be renewed where no API answers, and whether all serve afterwards.

use std::time::Duration;

use hactl_proto::certificate::{CertificateInventory, Renewal};
use hactl_proto::name::NodeName;

use super::super::super::session::Session;
use crate::exit::Failure;
use crate::observe::{Target, certificates};
use crate::present::Screen;

/// With most members renewed etcd has its quorum again, and API servers come up within a minute or two.
const LIMIT: Duration = Duration::from_mins(10);
const EVERY: Duration = Duration::from_secs(5);
/// API server, etcd towards clients, etcd towards its peers.
const PORTS: [u16; 3] = [6443, 2379, 2380];

/// Those with a certificate that has ended, the others being left as they are; and those that do not answer: a machine that is broken
/// keeps no other from coming back.
pub(super) async fn ended(
    session: &Session,
    targets: Vec<Target>,
    screen: Screen,
) -> (Vec<Target>, Vec<NodeName>) {
    let (mut wanted, mut silent) = (Vec::new(), Vec::new());
    for (target, answer) in certificates(&session.operator, targets, session.limit).await {
        match answer.said() {
            None => silent.push(target.name),
            Some(seen) if has_ended(seen) => wanted.push(target),
            Some(_) => screen.note(&format!(
                "{}: nothing that kubeadm renews has ended; it is left as it is",
                target.name
            )),
        }
    }
    (wanted, silent)
}

fn has_ended(seen: &CertificateInventory) -> bool {
    seen.certificates
        .iter()
        .any(|one| one.renewal == Renewal::Kubeadm && !one.authority && one.not_after <= seen.at)
}

/// Waits until API server and etcd of each serve what their files hold.
pub(super) async fn served(
    session: &Session,
    targets: &[Target],
    screen: Screen,
) -> Result<(), Failure> {
    let end = tokio::time::Instant::now() + LIMIT;
    let mut said = String::new();
    loop {
        let answers = certificates(&session.operator, targets.to_vec(), session.limit).await;
        let wrong: Vec<String> = answers
            .iter()
            .filter_map(|(target, answer)| match answer.said() {
                Some(seen) => complaint(seen),
                None => Some(format!("{} does not answer", target.name)),
            })
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let wrong = wrong.join("; ");
        if tokio::time::Instant::now() >= end {
            let doing = format!(
                "see the renewed certificates served within {} s",
                LIMIT.as_secs()
            );
            return Err(Failure::failed(doing)(wrong));
        }
        if wrong != said {
            screen.note(&format!("waits for API servers and etcd: {wrong}"));
            said = wrong;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The first port that does not serve what its file holds.
fn complaint(seen: &CertificateInventory) -> Option<String> {
    let mut looked = seen.served.iter().filter(|one| PORTS.contains(&one.port));
    let wrong = looked.find(|one| !one.same)?;
    Some(format!(
        "{} at port {} of {}",
        wrong.by, wrong.port, seen.node
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_proto::Timestamp;
    use hactl_proto::certificate::{CertificateSeen, KeySeen, ServedSeen};

    fn inventory(renewal: Renewal, end: i64, same: bool) -> CertificateInventory {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        CertificateInventory {
            node: NodeName::new("cp1").unwrap(),
            at: at(1_000),
            certificates: vec![CertificateSeen {
                name: "apiserver".to_owned(),
                file: String::new(),
                authority: false,
                subject: String::new(),
                issuer: String::new(),
                sans: Vec::new(),
                not_before: at(0),
                not_after: at(end),
                serial: "1".to_owned(),
                sha256: String::new(),
                signed_by: None,
                key: KeySeen::Belongs,
                renewal,
            }],
            served: vec![ServedSeen {
                port: 6443,
                by: "kube-apiserver".to_owned(),
                certificate: None,
                serial: None,
                not_after: None,
                same,
                unknown: None,
            }],
            findings: Vec::new(),
        }
    }

    #[test]
    fn only_what_kubeadm_renews_and_has_ended_makes_a_control_plane_one_to_renew() {
        assert!(has_ended(&inventory(Renewal::Kubeadm, 1_000, true)));
        assert!(!has_ended(&inventory(Renewal::Kubeadm, 1_001, true)));
        assert!(!has_ended(&inventory(Renewal::Kubelet, 900, true)));
    }

    #[test]
    fn a_port_that_serves_another_is_named() {
        assert_eq!(complaint(&inventory(Renewal::Kubeadm, 9_000, true)), None);
        assert_eq!(
            complaint(&inventory(Renewal::Kubeadm, 9_000, false)).unwrap(),
            "kube-apiserver at port 6443 of cp1"
        );
    }
}
