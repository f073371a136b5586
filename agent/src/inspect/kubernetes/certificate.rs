//! The cluster's CA by kubeadm's own pin.

use std::path::Path;

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::layout;
use ring::digest::{SHA256, digest};
use x509_parser::pem::parse_x509_pem;

use crate::host::Host;

/// `sha256:<hex>` over the public key of the CA on this node, as `--discovery-token-ca-cert-hash` wants it.
pub async fn ca_fingerprint<H: Host>(host: &H) -> Known<Option<String>> {
    match host.read(Path::new(layout::CA)).await {
        Ok(None) => Known::Is(None),
        Ok(Some(pem)) => fingerprint(&pem).map_or_else(
            || Known::Unknown(format!("{} is no certificate", layout::CA)),
            |pin| Known::Is(Some(pin)),
        ),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// The pin of a PEM certificate: SHA-256 over its `SubjectPublicKeyInfo`.
fn fingerprint(pem: &[u8]) -> Option<String> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let hash = digest(&SHA256, certificate.public_key().raw);
    Some(format!("sha256:{}", hex::encode(hash)))
}
