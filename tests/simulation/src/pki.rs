//! Certificates of the model: real ones, with the names, signers and places of kubeadm's, and keys that are fast to make.

use data_encoding::BASE64;
use hactl_proto::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The certificate.
    pub(crate) certificate: String,
    /// Its key.
    pub(crate) key: String,
}

/// kubeadm's authorities, by their file below `pki` without the ending.
pub(crate) const AUTHORITIES: [(&str, &str); 3] = [
    ("ca", "kubernetes"),
    ("front-proxy-ca", "front-proxy-ca"),
    ("etcd/ca", "etcd-ca"),
];
/// What `kubeadm certs renew` renews: file below `pki`, common name, its authority's file.
pub(crate) const LEAVES: [(&str, &str, &str); 7] = [
    ("apiserver", "kube-apiserver", "ca"),
    (
        "apiserver-kubelet-client",
        "kube-apiserver-kubelet-client",
        "ca",
    ),
    ("front-proxy-client", "front-proxy-client", "front-proxy-ca"),
    (
        "apiserver-etcd-client",
        "kube-apiserver-etcd-client",
        "etcd/ca",
    ),
    ("etcd/server", "etcd", "etcd/ca"),
    ("etcd/peer", "etcd", "etcd/ca"),
    (
        "etcd/healthcheck-client",
        "kube-etcd-healthcheck-client",
        "etcd/ca",
    ),
];

const DAY: i64 = 86_400;
/// How long what kubeadm signs lives.
pub(crate) const YEAR: i64 = 365 * DAY;

fn params(name: &str, from: Timestamp, seconds: i64) -> Option<CertificateParams> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).ok()?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let at = |seconds: i64| time::OffsetDateTime::from_unix_timestamp(seconds).ok();
    params.not_before = at(from.as_second() - DAY)?;
    params.not_after = at(from.as_second() + seconds)?;
    Some(params)
}

/// A fresh authority of ten years.
pub(crate) fn authority(name: &str, now: Timestamp) -> Option<Pair> {
    let key = KeyPair::generate().ok()?;
    let mut params = params(name, now, 10 * YEAR)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Some(Pair {
        certificate: params.self_signed(&key).ok()?.pem(),
        key: key.serialize_pem(),
    })
}

/// What the authority signs, with a fresh key.
pub(crate) fn leaf(authority: &Pair, name: &str, now: Timestamp, seconds: i64) -> Option<Pair> {
    let signer = KeyPair::from_pem(&authority.key).ok()?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, signer).ok()?;
    let key = KeyPair::generate().ok()?;
    let certificate = params(name, now, seconds)?.signed_by(&key, &issuer).ok()?;
    Some(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// A kubeconfig with all in it.
pub(crate) fn kubeconfig(endpoint: &str, authority: &str, client: &Pair) -> String {
    let data = |text: &str| BASE64.encode(text.as_bytes());
    format!(
        "{}    client-certificate-data: {}\n    client-key-data: {}\n",
        start(
            endpoint,
            &format!("certificate-authority-data: {}", data(authority))
        ),
        data(&client.certificate),
        data(&client.key),
    )
}

/// The kubelet's kubeconfig: its certificate is in a file that it replaces itself.
pub(crate) fn kubelet_config(endpoint: &str, authority: &str) -> String {
    let file = hactl_node_plan::certificate::place::KUBELET_CLIENT;
    let data = BASE64.encode(authority.as_bytes());
    let start = start(endpoint, &format!("certificate-authority-data: {data}"));
    format!("{start}    client-certificate: {file}\n    client-key: {file}\n")
}

fn start(endpoint: &str, authority: &str) -> String {
    format!(
        "kind: Config\nclusters:\n- name: kubernetes\n  cluster:\n    {authority}\n    server: https://{endpoint}\n\
         contexts:\n- name: one\n  context:\n    cluster: kubernetes\n    user: one\ncurrent-context: one\nusers:\n- name: one\n  \
         user:\n"
    )
}

/// The first certificate of a PEM file, PEM.
pub(crate) fn first(pem: &str) -> String {
    der(pem).map_or_else(String::new, |der| {
        hactl_node_plan::certificate::pem::written_as(&der)
    })
}

/// The bytes of the first certificate of a PEM file.
pub(crate) fn der(pem: &str) -> Option<Vec<u8>> {
    let blocks = hactl_node_plan::certificate::pem::blocks(pem.as_bytes()).ok()?;
    blocks.first().map(|block| block.der.to_vec())
}
