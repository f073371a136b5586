//! Certificates with minutes of life, as no kubeadm before v1beta4 makes them: those that are there, with another end and another serial
//! number, signed anew by the cluster's own CAs. Keys, names and uses stay.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::base64;
use crate::disk;
use crate::lab::{Lab, Node, Role};

/// What kubeadm renews, below `etc/kubernetes`, by the CA that signs it.
const SIGNED: [(&str, &[&str]); 3] = [
    (
        "pki/ca.key",
        &[
            "pki/apiserver.crt",
            "pki/apiserver-kubelet-client.crt",
            "admin.conf",
            "super-admin.conf",
            "controller-manager.conf",
            "scheduler.conf",
        ],
    ),
    ("pki/front-proxy-ca.key", &["pki/front-proxy-client.crt"]),
    (
        "pki/etcd/ca.key",
        &[
            "pki/apiserver-etcd-client.crt",
            "pki/etcd/server.crt",
            "pki/etcd/peer.crt",
            "pki/etcd/healthcheck-client.crt",
        ],
    ),
];
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
const INLINE: &str = "client-certificate-data: ";
/// One in 256 ECDSA signatures is a byte shorter than most.
const TRIES: usize = 10_000;

/// Has all of that end so long from now, and of kubelets where wanted.
pub(crate) fn all(lab: &Lab, life: Duration, kubelets: bool) -> Result<()> {
    control_planes(lab, life)?;
    let mut nodes = lab.nodes.iter().filter(|_| kubelets);
    nodes.try_for_each(|node| kubelet(lab, node, life))
}

/// Has what kubeadm renews end so long from now, on every control plane.
pub(crate) fn control_planes(lab: &Lab, life: Duration) -> Result<()> {
    for node in lab.of_role(Role::ControlPlane) {
        let folder = disk::root(lab.place(), &node.name).join("etc/kubernetes");
        for (key, files) in SIGNED {
            let key = key_of(&folder.join(key))?;
            for file in files {
                file_anew(&folder.join(file), &key, life)?;
            }
        }
    }
    Ok(())
}

/// Has the client certificate of a node's kubelet end so long from now. The kubelet notices when it starts.
fn kubelet(lab: &Lab, node: &Node, life: Duration) -> Result<()> {
    let first = lab.of_role(Role::ControlPlane).next();
    let first = first.context("a lab without control planes")?;
    let key = disk::root(lab.place(), &first.name).join("etc/kubernetes/pki/ca.key");
    let pki = disk::folder(lab.place(), &node.name).join("kubelet/pki");
    // The link names a path of the node's.
    let link = fs::read_link(pki.join("kubelet-client-current.pem"))?;
    let file = pki.join(link.file_name().context("a link to nothing")?);
    file_anew(&file, &key_of(&key)?, life)
}

fn key_of(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| anyhow::anyhow!("failed to read {}: {error}", path.display()))
}

/// A file with one certificate in PEM, or a kubeconfig with one inline; one that is not there is fine.
fn file_anew(path: &Path, key: &PrivateKeyDer<'_>, life: Duration) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(path)?;
    let changed = text_anew(&text, key, SystemTime::now() + life);
    let changed = changed.with_context(|| format!("failed to sign {} anew", path.display()))?;
    let partial = path.with_extension("anew");
    fs::write(&partial, changed)?;
    fs::set_permissions(&partial, fs::metadata(path)?.permissions())?;
    Ok(fs::rename(&partial, path)?)
}

fn text_anew(text: &str, key: &PrivateKeyDer<'_>, end: SystemTime) -> Result<String> {
    let (at, pem) = match text.find(INLINE) {
        Some(at) => {
            let begin = at + INLINE.len();
            let length = text[begin..].find('\n').unwrap_or(text.len() - begin);
            let pem = base64::decode(text[begin..begin + length].trim())?;
            (begin..begin + length, String::from_utf8(pem)?)
        }
        None => (0..text.len(), text.to_owned()),
    };
    let begin = pem.find(BEGIN).context("no certificate is in it")?;
    let stop = pem[begin..]
        .find(END)
        .context("its certificate is cut off")?
        + begin;
    let mut der = base64::decode(&pem[begin + BEGIN.len()..stop])?;
    der_anew(&mut der, key, end)?;
    let body: Vec<char> = base64::encode(&der).chars().collect();
    let lines: Vec<String> = body.chunks(64).map(|line| line.iter().collect()).collect();
    let pem = format!(
        "{}{BEGIN}\n{}\n{}",
        &pem[..begin],
        lines.join("\n"),
        &pem[stop..]
    );
    let inside = if text.contains(INLINE) {
        base64::encode(pem.as_bytes())
    } else {
        pem
    };
    Ok(format!("{}{inside}{}", &text[..at.start], &text[at.end..]))
}

/// RFC 5280, 4.1: the end, the serial number and the signature change in their places, all of them of fixed length.
fn der_anew(der: &mut [u8], key: &PrivateKeyDer<'_>, end: SystemTime) -> Result<()> {
    let whole = inside(der, 0)?;
    let signed = whole.start..inside(der, whole.start)?.end;
    let algorithm = inside(der, signed.end)?;
    let signature = inside(der, algorithm.end)?;
    let version = inside(der, inside(der, whole.start)?.start)?;
    let serial = inside(der, version.end)?;
    let own_algorithm = inside(der, serial.end)?;
    let issuer = inside(der, own_algorithm.end)?;
    let validity = inside(der, issuer.end)?;
    let begins = inside(der, validity.start)?;
    let ends = inside(der, begins.end)?;
    let stamp = Timestamp::try_from(end)?
        .strftime("%y%m%d%H%M%SZ")
        .to_string();
    ensure!(
        der[begins.end] == 0x17 && ends.len() == stamp.len() && serial.len() > 4,
        "the certificate is none of kubeadm's"
    );
    der[ends].copy_from_slice(stamp.as_bytes());
    let salt = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let low = serial.end - 4..serial.end;
    for (byte, salt) in der[low].iter_mut().zip(salt.subsec_nanos().to_be_bytes()) {
        *byte ^= salt;
    }
    let key = any_supported_type(key)?;
    let chosen = key.choose_scheme(&[
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::ECDSA_NISTP256_SHA256,
    ]);
    let chosen = chosen.context("the CA's key is neither RSA nor of P-256")?;
    // ECDSA's differ in length by some bytes: signed until one fits in the old one's place.
    for _ in 0..TRIES {
        let fresh = chosen.sign(&der[signed.clone()])?;
        // The first byte says how many bits of the last are unused: none.
        if signature.len() == fresh.len() + 1 {
            der[signature.start + 1..signature.end].copy_from_slice(&fresh);
            return Ok(());
        }
    }
    bail!("the signature has another length")
}

/// Where the content of the element is that begins there.
fn inside(der: &[u8], at: usize) -> Result<Range<usize>> {
    let byte = |at: usize| {
        der.get(at)
            .copied()
            .map(usize::from)
            .context("it is cut off")
    };
    let first = byte(at + 1)?;
    let (begin, length) = if first < 0x80 {
        (at + 2, first)
    } else {
        let count = first & 0x7f;
        let mut length = 0;
        for place in 0..count {
            length = length << 8 | byte(at + 2 + place)?;
        }
        (at + 2 + count, length)
    };
    ensure!(begin + length <= der.len(), "it is cut off");
    Ok(begin..begin + length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use hactl_node_plan::certificate::trust::certificates;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
    };

    use super::*;

    /// What a rotation leaves: kubeadm's own CAs are RSA ones, which ring does not make.
    #[test]
    fn a_ca_of_p256_signs_anew() {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(2030, 1, 1);
        let leaf = params.signed_by(&KeyPair::generate().unwrap(), &authority);
        let key =
            PrivateKeyDer::from_pem_slice(authority.key().serialize_pem().as_bytes()).unwrap();
        let end = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let changed = text_anew(&leaf.unwrap().pem(), &key, end).unwrap();
        let known = certificates(authority.pem().as_bytes()).unwrap();
        let changed = certificates(changed.as_bytes()).unwrap();
        assert!(changed[0].signed_by(&known[0]));
        assert_eq!(changed[0].not_after.as_second(), 1_800_000_000);
    }
}
