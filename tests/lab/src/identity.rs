//! The client certificate in a kubeconfig of kubeadm's, which has it inline.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
    base64(
        line.with_context(|| format!("the kubeconfig has no {name}"))?
            .trim(),
    )
}

/// Standard base64.
fn base64(text: &str) -> Result<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let Some(value) = LETTERS.iter().position(|known| *known == letter) else {
            bail!("{:?} is no letter of base64", char::from(letter));
        };
        buffer = (buffer << 6) | u32::try_from(value)?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff)?);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_and_garbage_is_not() {
        assert_eq!(base64("aGFjdGwgbGFi").unwrap(), b"hactl lab");
        assert_eq!(base64("aGFjdGw=").unwrap(), b"hactl");
        assert!(base64("a b").is_err());
        assert!(field("users:\n", "client-key-data").is_err());
    }
}
