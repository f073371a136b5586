//! A fresh CA in the place of one that kubeadm made: the same name, ten years, a key of its own.

use hactl_node_plan::certificate::x509::Certificate;
use hactl_proto::Timestamp;
use hactl_proto::secret::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use zeroize::Zeroizing;

use super::authority::{at, serial};

/// As kubeadm's.
const LIFE_SECONDS: i64 = 10 * 365 * 86_400;
/// Clocks may differ by this much when it is first used.
const BACKDATED_SECONDS: i64 = 3_600;

/// Certificate and key, PEM, to succeed that one. It begins later than that: whoever sees both knows by it which is the successor. The key is ECDSA P-256 in PKCS #8, which kubeadm (1.19 and newer), the controller
/// manager and this agent sign with.
pub(super) fn make(predecessor: &Certificate, now: Timestamp) -> Result<(String, Secret), String> {
    let subject = &predecessor.subject;
    let name = subject
        .split(", ")
        .find_map(|part| part.strip_prefix("CN="))
        .ok_or_else(|| format!("the CA in force has no common name: {subject:?}"))?;
    let failed = |error: rcgen::Error| format!("make a CA: {error}");
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.serial_number =
        Some(serial().map_err(|error| format!("draw a serial number: {error}"))?);
    let begins = now.as_second() - BACKDATED_SECONDS;
    params.not_before = at(begins.max(predecessor.not_before.as_second() + 1));
    params.not_after = at(now.as_second() + LIFE_SECONDS);
    let certificate = params.self_signed(&key).map_err(failed)?;
    let text = Zeroizing::new(key.serialize_pem());
    Ok((certificate.pem(), Secret::new(&**text)))
}

#[cfg(test)]
mod tests {
    use hactl_node_plan::certificate::trust::certificates;

    use super::*;

    #[test]
    fn it_is_a_ca_of_the_same_name_that_signed_itself_and_begins_later() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let key = KeyPair::generate().unwrap();
        let named = |name: DnType| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(name, "etcd-ca");
            params.not_before = at(now.as_second() - 60);
            let text = params.self_signed(&key).unwrap().pem();
            certificates(text.as_bytes()).unwrap().remove(0)
        };
        let old = named(DnType::CommonName);
        let parsed = |text: &str| certificates(text.as_bytes()).unwrap().remove(0);
        let (certificate, key) = make(&old, now).unwrap();
        let one = parsed(&certificate);
        let other = parsed(&make(&one, now).unwrap().0);
        assert!(one.authority && one.self_signed());
        assert_eq!((&one.subject, &other.subject), (&old.subject, &old.subject));
        assert_ne!(
            (&one.serial, &one.public_key),
            (&other.serial, &other.public_key)
        );
        assert!(old.not_before < one.not_before && one.not_before < other.not_before);
        assert!(other.not_before < now && !format!("{key:?}").contains("PRIVATE"));
        assert!(make(&named(DnType::OrganizationName), now).is_err());
    }
}
