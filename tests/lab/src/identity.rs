//! The client certificate in a kubeconfig of kubeadm's, which has it inline.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::base64;

/// Who a client is.
pub(crate) struct Identity {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads it.
    pub(crate) fn read(kubeconfig: &Path) -> Result<Self> {
        let text = fs::read_to_string(kubeconfig)
            .with_context(|| format!("failed to read {}", kubeconfig.display()))?;
        let certificates =
            CertificateDer::pem_slice_iter(&field(&text, "client-certificate-data")?)
                .collect::<Result<_, _>>()
                .context("the kubeconfig's certificate is none")?;
        let key = PrivateKeyDer::from_pem_slice(&field(&text, "client-key-data")?)
            .context("the kubeconfig's key is none")?;
        Ok(Self { certificates, key })
    }
}

fn field(text: &str, name: &str) -> Result<Vec<u8>> {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
    base64::decode(
        line.with_context(|| format!("the kubeconfig has no {name}"))?
            .trim(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_without_the_field_is_refused() {
        assert_eq!(
            field("  client-key-data: aGFjdGw=\n", "client-key-data").unwrap(),
            b"hactl"
        );
        assert!(field("users:\n", "client-key-data").is_err());
    }
}
