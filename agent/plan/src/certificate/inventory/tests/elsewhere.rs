//! What has no certificate of its own, is somebody else's, or lies in a kubeconfig.

use super::*;

#[test]
fn the_pair_of_service_accounts_has_to_be_one() {
    let pair = |public: &KeyPair, private: &KeyPair| {
        let mut files = node();
        let (public, private) = (public.public_key_pem(), private.serialize_pem());
        files.insert("/etc/kubernetes/pki/sa.pub".to_owned(), public);
        files.insert("/etc/kubernetes/pki/sa.key".to_owned(), private);
        files
    };
    let (one, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    assert_eq!(checks(&look(&pair(&one, &one))), []);
    // As openssl writes a key: its parameters first.
    let mut files = pair(&one, &one);
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let key = files.get_mut("/etc/kubernetes/pki/sa.key").unwrap();
    *key = format!("{parameters}{key}");
    assert_eq!(checks(&look(&files)), []);
    let told = [(
        "certificate-key",
        "/etc/kubernetes/pki/sa.pub is not the public half of sa.key",
    )];
    assert_eq!(checks(&look(&pair(&one, &other))), told);
    let mut files = pair(&one, &one);
    files.insert(
        "/etc/kubernetes/pki/sa.pub".to_owned(),
        "garbage".to_owned(),
    );
    assert_eq!(checks(&look(&files)), told);
}

#[test]
fn somebody_elses_certificate_in_kubeadms_folders_is_shown_and_none_is_twice() {
    let mut files = node();
    let (certificate, _) = authority("vault").sign("vault", 2027);
    let strange = "/etc/kubernetes/pki/vault.crt";
    files.insert(strange.to_owned(), certificate.clone());
    files.insert("/srv/vault.crt".to_owned(), certificate);
    let seen = look(&files);
    let shown = |file: &str| {
        seen.certificates
            .iter()
            .filter(|one| one.file == file)
            .count()
    };
    assert_eq!(shown(strange), 1);
    assert_eq!(shown("/srv/vault.crt"), 0);
    assert_eq!(shown("/etc/kubernetes/pki/apiserver.crt"), 1);
    assert_eq!(shown("/etc/kubernetes/pki/ca.crt"), 1);
}

#[test]
fn a_kubelets_certificate_may_be_in_its_kubeconfig_and_has_to_be_somewhere() {
    let mut files = node();
    let client = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let pem = files.remove(client).unwrap();
    let (certificate, key) = pem.split_at(pem.find("-----BEGIN PRIVATE KEY").unwrap());
    let ca = files["/etc/kubernetes/pki/ca.crt"].clone();
    let conf = "/etc/kubernetes/kubelet.conf".to_owned();
    files.insert(conf.clone(), kubeconfig(&ca, certificate, key));
    assert_eq!(checks(&look(&files)), []);
    files.remove(&conf);
    let seen = look(&files);
    let missing = checks(&seen).into_iter().map(|(_, observed)| observed);
    assert!(
        missing
            .clone()
            .any(|one| one == "kubelet-client is not on this node")
    );
}
