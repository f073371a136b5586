//! A control plane's certificates, whole and damaged, made afresh for each test.

/// What lies elsewhere, or is somebody else's.
mod elsewhere;

use std::collections::BTreeMap;

use data_encoding::BASE64;
use hactl_proto::certificate::{CertificateInventory, KeySeen, Renewal};
use hactl_proto::name::NodeName;
use proptest::prelude::*;
use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use zeroize::Zeroizing;

use super::{Material, Subject, further, inventory};
use crate::certificate::place::{AGENT, places, wanted};

const CHAIN: &str = "/var/lib/hactl/identity/node.crt";
const KEY: &str = "/var/lib/hactl/identity/node.key";

struct Authority {
    pem: String,
    key: String,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, year: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    params
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = params(name, 2036);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        pem,
        key: key.serialize_pem(),
        issuer: Issuer::new(params, key),
    }
}

impl Authority {
    fn sign(&self, name: &str, year: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params(name, year).signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn kubeconfig(authority: &str, certificate: &str, key: &str) -> String {
    let data = |text: &str| BASE64.encode(text.as_bytes());
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n    server: https://10.0.0.100:8443\n    \
         certificate-authority-data: {}\ncontexts:\n- name: c\n  context: {{cluster: k, user: u}}\ncurrent-context: c\nusers:\n\
         - name: u\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        data(authority),
        data(certificate),
        data(key)
    )
}

const KUBELET_CONF: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster: {server: 'https://10.0.0.100:8443', \
    certificate-authority: /etc/kubernetes/pki/ca.crt}\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\n\
    current-context: c\nusers:\n- name: u\n  user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n    \
    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n";

/// A control plane with stacked etcd, all as it should be.
fn node() -> BTreeMap<String, String> {
    let ca = authority("kubernetes");
    let etcd = authority("etcd-ca");
    let proxy = authority("front-proxy-ca");
    let agent = authority("hactl issuer cp1");
    let pki = |name: &str| format!("/etc/kubernetes/pki/{name}");
    let mut files = BTreeMap::new();
    for (name, one) in [("ca", &ca), ("etcd/ca", &etcd), ("front-proxy-ca", &proxy)] {
        files.insert(pki(&format!("{name}.crt")), one.pem.clone());
        files.insert(pki(&format!("{name}.key")), one.key.clone());
    }
    for (name, by) in [
        ("apiserver", &ca),
        ("apiserver-kubelet-client", &ca),
        ("front-proxy-client", &proxy),
        ("apiserver-etcd-client", &etcd),
        ("etcd/server", &etcd),
        ("etcd/peer", &etcd),
        ("etcd/healthcheck-client", &etcd),
    ] {
        let (certificate, key) = by.sign(name, 2027);
        files.insert(pki(&format!("{name}.crt")), certificate);
        files.insert(pki(&format!("{name}.key")), key);
    }
    for name in ["admin.conf", "controller-manager.conf", "scheduler.conf"] {
        let (certificate, key) = ca.sign(name, 2027);
        files.insert(
            format!("/etc/kubernetes/{name}"),
            kubeconfig(&ca.pem, &certificate, &key),
        );
    }
    files.insert(
        "/etc/kubernetes/kubelet.conf".to_owned(),
        KUBELET_CONF.to_owned(),
    );
    let (certificate, key) = ca.sign("system:node:cp1", 2027);
    files.insert(
        "/var/lib/kubelet/pki/kubelet-client-current.pem".to_owned(),
        format!("{certificate}{key}"),
    );
    let (certificate, key) = agent.sign("cp1", 2027);
    files.insert(CHAIN.to_owned(), format!("{certificate}{}", agent.pem));
    files.insert(KEY.to_owned(), key);
    files
}

fn material(files: &BTreeMap<String, String>) -> Material {
    let bytes = |(file, text): (&String, &String)| {
        (file.clone(), Ok(Zeroizing::new(text.clone().into_bytes())))
    };
    Material {
        files: files.iter().map(bytes).collect(),
        served: BTreeMap::new(),
    }
}

fn subject() -> Subject {
    Subject {
        node: NodeName::new("cp1").unwrap(),
        at: "2026-11-22T20:00:00Z".parse().unwrap(),
        wanted: wanted(true, true),
        control_plane: true,
        agent: (CHAIN.to_owned(), KEY.to_owned()),
        agent_port: 7470,
    }
}

fn look(files: &BTreeMap<String, String>) -> CertificateInventory {
    inventory(&subject(), &material(files))
}

fn checks(seen: &CertificateInventory) -> Vec<(&str, &str)> {
    seen.findings
        .iter()
        .map(|finding| (finding.check.as_str(), finding.observed.as_str()))
        .collect()
}

#[test]
fn a_whole_control_plane_has_no_findings_and_every_signature_is_verified() {
    let seen = look(&node());
    assert_eq!(checks(&seen), []);
    let signed = |name: &str| seen.named(name).unwrap().signed_by.clone().unwrap();
    assert_eq!(signed("apiserver"), "ca");
    assert_eq!(signed("etcd-peer"), "etcd-ca");
    assert_eq!(signed("front-proxy-client"), "front-proxy-ca");
    assert_eq!(signed("admin.conf"), "ca");
    assert_eq!(signed("kubelet-client"), "ca");
    assert_eq!(signed(AGENT), "hactl-agent (2)");
    assert_eq!(signed("ca"), "ca");
    let leaves = seen.certificates.iter().filter(|one| !one.authority);
    assert!(leaves.clone().all(|one| one.key == KeySeen::Belongs));
    assert_eq!(leaves.count(), 12);
    assert_eq!(seen.named("apiserver").unwrap().renewal, Renewal::Kubeadm);
    assert_eq!(seen.soonest().unwrap().to_string(), "2027-01-01T00:00:00Z");
}

#[test]
fn nothing_of_a_private_key_is_in_what_is_told() {
    let files = node();
    let told = serde_json::to_string(&look(&files)).unwrap() + &format!("{:?}", look(&files));
    assert!(!told.contains("PRIVATE"));
    for text in files
        .values()
        .filter(|text| text.contains("PRIVATE KEY-----\n"))
    {
        let start = text.find("PRIVATE KEY-----\n").unwrap() + 17;
        assert!(!told.contains(&text[start..start + 40]));
    }
}

#[test]
fn a_key_of_another_certificate_is_named() {
    let mut files = node();
    let other = files["/etc/kubernetes/pki/etcd/peer.key"].clone();
    files.insert("/etc/kubernetes/pki/apiserver.key".to_owned(), other);
    let seen = look(&files);
    assert_eq!(
        checks(&seen),
        [(
            "certificate-key",
            "/etc/kubernetes/pki/apiserver.crt: its key is another certificate's"
        )]
    );
    assert_eq!(seen.named("apiserver").unwrap().key, KeySeen::Differs);
}

#[test]
fn a_certificate_of_another_cluster_with_the_same_names_is_named() {
    let mut files = node();
    let (certificate, key) = authority("kubernetes").sign("apiserver", 2027);
    files.insert("/etc/kubernetes/pki/apiserver.crt".to_owned(), certificate);
    files.insert("/etc/kubernetes/pki/apiserver.key".to_owned(), key);
    let seen = look(&files);
    assert_eq!(checks(&seen)[0].0, "certificate-signer");
    assert_eq!(seen.named("apiserver").unwrap().signed_by, None);
}

#[test]
fn a_kubeconfig_that_believes_another_ca_is_named() {
    let mut files = node();
    let other = authority("kubernetes");
    let (certificate, key) = other.sign("kubernetes-admin", 2027);
    files.insert(
        "/etc/kubernetes/admin.conf".to_owned(),
        kubeconfig(&other.pem, &certificate, &key),
    );
    let seen = look(&files);
    let found: Vec<&str> = checks(&seen).iter().map(|(check, _)| *check).collect();
    assert_eq!(found, ["certificate-signer", "kubeconfig-authority"]);
}

#[test]
fn an_external_ca_is_told_apart_and_what_it_signs_is_not_ours_to_renew() {
    let mut files = node();
    files.remove("/etc/kubernetes/pki/ca.key");
    let seen = look(&files);
    assert_eq!(checks(&seen).len(), 1);
    assert_eq!(checks(&seen)[0].0, "certificate-external");
    for (name, renewal) in [
        ("apiserver", Renewal::External),
        ("admin.conf", Renewal::External),
        ("etcd-server", Renewal::Kubeadm),
        ("kubelet-client", Renewal::Kubelet),
    ] {
        assert_eq!(seen.named(name).unwrap().renewal, renewal, "{name}");
    }
    // A worker never has the key, and that is no news.
    let files = files
        .into_iter()
        .filter(|(file, _)| file.ends_with("/ca.crt") && !file.contains("etcd"));
    let worker = Subject {
        wanted: Vec::new(),
        control_plane: false,
        ..subject()
    };
    assert_eq!(checks(&inventory(&worker, &material(&files.collect()))), []);
}

#[test]
fn what_ended_and_what_has_not_begun_is_named() {
    let files = node();
    let mut late = subject();
    late.at = "2027-06-01T00:00:00Z".parse().unwrap();
    let seen = inventory(&late, &material(&files));
    assert_eq!(seen.findings.len(), 12);
    assert!(
        seen.findings
            .iter()
            .all(|one| one.check == "certificate-valid")
    );
    late.at = "2025-06-01T00:00:00Z".parse().unwrap();
    let seen = inventory(&late, &material(&files));
    assert!(seen.findings.iter().all(|one| one.remedy.contains("clock")));
}

#[test]
fn missing_files_are_named_by_kubeadms_names() {
    let mut files = node();
    files.remove("/etc/kubernetes/pki/etcd/server.crt");
    files.remove("/etc/kubernetes/scheduler.conf");
    files.remove("/etc/kubernetes/pki/front-proxy-client.key");
    let seen = look(&files);
    assert_eq!(
        checks(&seen),
        [
            (
                "certificate-key",
                "/etc/kubernetes/pki/front-proxy-client.crt: its key is not there"
            ),
            ("certificate-present", "etcd-server is not on this node"),
            ("certificate-present", "scheduler.conf is not on this node"),
        ]
    );
}

#[test]
fn damaged_files_are_named_each() {
    let whole = node();
    let files = [
        "/etc/kubernetes/pki/apiserver.crt",
        "/etc/kubernetes/admin.conf",
    ];
    for file in files {
        for damage in [
            "",
            "garbage: [",
            "-----BEGIN CERTIFICATE-----\nAAAA",
            "\u{0}\u{1}",
        ] {
            let mut files = whole.clone();
            files.insert(file.to_owned(), damage.to_owned());
            let seen = look(&files);
            let (check, observed) = checks(&seen)[0];
            assert_eq!(check, "certificate-readable", "{file} {damage:?}");
            assert!(observed.starts_with(file), "{observed}");
        }
    }
    let mut files = material(&whole);
    files.files.insert(
        "/etc/kubernetes/pki/ca.crt".to_owned(),
        Err("permission denied".to_owned()),
    );
    let seen = inventory(&subject(), &files);
    assert_eq!(checks(&seen)[0].0, "certificate-readable");
}

#[test]
fn a_kubeconfig_may_name_files_and_those_are_asked_for() {
    let mut files = node();
    let (certificate, key) = (
        files["/etc/kubernetes/pki/apiserver.crt"].clone(),
        files["/etc/kubernetes/pki/apiserver.key"].clone(),
    );
    let named = KUBELET_CONF.replace(
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/srv/admin.pem",
    );
    files.insert("/etc/kubernetes/admin.conf".to_owned(), named);
    assert_eq!(further(&material(&files)), ["/srv/admin.pem"]);
    assert_eq!(
        checks(&look(&files)),
        [(
            "certificate-readable",
            "/etc/kubernetes/admin.conf: it names /srv/admin.pem, which is not there"
        )]
    );
    files.insert("/srv/admin.pem".to_owned(), format!("{certificate}{key}"));
    let seen = look(&files);
    assert_eq!(checks(&seen), []);
    assert_eq!(seen.named("admin.conf").unwrap().file, "/srv/admin.pem");
}

#[test]
fn what_a_port_serves_is_compared_with_its_file() {
    let files = node();
    let der = |text: &str| {
        crate::certificate::pem::blocks(text.as_bytes())
            .ok()
            .unwrap()[0]
            .der
            .to_vec()
    };
    let mut given = material(&files);
    given
        .served
        .insert(6443, Ok(der(&files["/etc/kubernetes/pki/apiserver.crt"])));
    given
        .served
        .insert(2379, Ok(der(&files["/etc/kubernetes/pki/etcd/peer.crt"])));
    given
        .served
        .insert(2380, Err("connection refused".to_owned()));
    given
        .served
        .insert(10257, Ok(der(&authority("localhost@1").pem)));
    given.served.insert(7470, Ok(b"garbage".to_vec()));
    let seen = inventory(&subject(), &given);
    let same: Vec<(u16, bool)> = seen.served.iter().map(|one| (one.port, one.same)).collect();
    assert_eq!(
        same,
        [
            (6443, true),
            (2379, false),
            (2380, false),
            (10257, true),
            (7470, false)
        ]
    );
    let found: Vec<&str> = checks(&seen).iter().map(|(check, _)| *check).collect();
    assert_eq!(found, ["certificate-served"; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever one file turns into, the rest is still told, and nothing panics.
    #[test]
    fn one_file_of_any_bytes_costs_no_other_its_place(
        at in 0_usize..64,
        cut in 0_usize..4096,
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let whole = node();
        let mut given = material(&whole);
        let file = whole.keys().nth(at % whole.len()).unwrap().clone();
        let mut bytes = whole[&file].clone().into_bytes();
        bytes.truncate(cut % (bytes.len() + 1));
        bytes.extend(noise);
        given.files.insert(file.clone(), Ok(Zeroizing::new(bytes)));
        let seen = inventory(&subject(), &given);
        let others = places((CHAIN, KEY)).into_iter().filter(|place| {
            place.file != file && whole.contains_key(&place.file) && place.name != "kubelet.conf"
        });
        for place in others {
            prop_assert!(seen.named(&place.name).is_some(), "{} is gone with {file}", place.name);
        }
    }
}
