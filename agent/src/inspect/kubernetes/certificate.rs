//! The cluster's CA by kubeadm's own pin.

use std::path::Path;

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::layout;
use ring::digest::{SHA256, digest};
use x509_parser::pem::Pem;

use crate::host::Host;

/// `sha256:<hex>` over the public key of the CA on this node, as `--discovery-token-ca-cert-hash` wants it.
pub async fn ca_fingerprint<H: Host>(host: &H) -> Known<Option<String>> {
    match ca_fingerprints(host).await {
        Known::Is(all) => Known::Is(all.into_iter().next()),
        Known::Unknown(reason) => Known::Unknown(reason),
    }
}

/// The same of every CA in its file; there are two while it is rotated. Empty: there is no such file.
pub async fn ca_fingerprints<H: Host>(host: &H) -> Known<Vec<String>> {
    match host.read(Path::new(layout::CA)).await {
        Ok(None) => Known::Is(Vec::new()),
        Ok(Some(pem)) => fingerprints(&pem).map_or_else(
            || Known::Unknown(format!("{} is no certificate", layout::CA)),
            Known::Is,
        ),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// The pins of PEM certificates, one at least: SHA-256 over the `SubjectPublicKeyInfo` of each.
fn fingerprints(pem: &[u8]) -> Option<Vec<String>> {
    let mut pins = Vec::new();
    for pem in Pem::iter_from_buffer(pem) {
        let pem = pem.ok()?;
        let certificate = pem.parse_x509().ok()?;
        let hash = digest(&SHA256, certificate.public_key().raw);
        pins.push(format!("sha256:{}", hex::encode(hash)));
    }
    (!pins.is_empty()).then_some(pins)
}
