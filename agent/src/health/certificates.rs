//! The soonest end of a Kubernetes certificate on this node.
//!
//! Certificates of kubeadm and the kubelet alone; a file that cannot be read as one counts as ended, since unknown is
//! unhealthy.

use std::path::Path;

use hactl_proto::Timestamp;
use x509_parser::pem::Pem;

use crate::host::Host;

/// Folders of kubeadm's certificates (kubeadm.md 5.1).
const FOLDERS: [&str; 2] = ["/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd"];
/// The kubelet's client certificate, with its key.
const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// The soonest end; `None` where there is no certificate.
pub async fn soonest_end<H: Host>(host: &H) -> Option<Timestamp> {
    let mut files = vec![KUBELET_CLIENT.to_owned()];
    for folder in FOLDERS {
        let entries = host.list(Path::new(folder)).await.ok().flatten();
        for entry in entries.unwrap_or_default() {
            // kubeadm's own names, always in lower case.
            if Path::new(&entry.name)
                .extension()
                .is_some_and(|end| end == "crt")
            {
                files.push(format!("{folder}/{}", entry.name));
            }
        }
    }
    let mut soonest = None;
    for file in files {
        let end = match host.read(Path::new(&file)).await {
            Ok(Some(bytes)) => end_of(&bytes).unwrap_or(Timestamp::UNIX_EPOCH),
            Ok(None) => continue,
            Err(_) => Timestamp::UNIX_EPOCH,
        };
        soonest = Some(soonest.map_or(end, |known: Timestamp| known.min(end)));
    }
    soonest
}

/// The soonest end among the certificates of a PEM file; `None` if there is none, or one that cannot be read.
fn end_of(pem: &[u8]) -> Option<Timestamp> {
    let mut soonest: Option<Timestamp> = None;
    for block in Pem::iter_from_buffer(pem) {
        let block = block.ok()?;
        if block.label != "CERTIFICATE" {
            continue;
        }
        let seconds = block.parse_x509().ok()?.validity().not_after.timestamp();
        let end = Timestamp::from_second(seconds).ok()?;
        soonest = Some(soonest.map_or(end, |known| known.min(end)));
    }
    soonest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn the_soonest_of_a_chain_counts_and_a_key_beside_it_does_not() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let pem = format!("{}{key}{}", certificate(2031), certificate(2029));
        assert_eq!(
            end_of(pem.as_bytes()).unwrap().to_string(),
            "2029-01-01T00:00:00Z"
        );
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        assert_eq!(end_of(b""), None);
        assert_eq!(end_of(b"garbage"), None);
        let whole = certificate(2031);
        assert_eq!(end_of(&whole.as_bytes()[..whole.len() / 2]), None);
        let broken = whole.replace("MII", "AAA");
        assert_eq!(end_of(broken.as_bytes()), None);
    }
}
