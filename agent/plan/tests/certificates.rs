//! Certificates that real kubeadms made (v1.20.2 and v1.36.2), read as openssl reads them. The keys were thrown away.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use hactl_node_plan::certificate::kubeconfig::{self, KubeconfigFault, Source};
use hactl_node_plan::certificate::x509::Certificate;
use hactl_node_plan::certificate::{key, pem};
use hactl_proto::certificate::KeySeen;

macro_rules! captured {
    ($version:literal: $($file:literal),*) => {
        [$(($file, include_str!(concat!("captured/certificates/", $version, "/", $file)))),*]
    };
}

const OLD: [(&str, &str); 6] = captured!(
    "v1.20.2": "admin.crt", "apiserver-kubelet-client.crt", "apiserver.crt", "ca.crt", "etcd-ca.crt", "etcd-peer.crt"
);
const NEW: [(&str, &str); 7] = captured!(
    "v1.36.2": "admin.crt", "apiserver-kubelet-client.crt", "apiserver.crt", "ca.crt", "etcd-ca.crt", "etcd-peer.crt",
    "super-admin.crt"
);
const OPENSSL: [&str; 2] = [
    include_str!("captured/certificates/v1.20.2/openssl.txt"),
    include_str!("captured/certificates/v1.36.2/openssl.txt"),
];
const ADMIN_CONF: &str = include_str!("captured/certificates/v1.36.2/admin.conf");

fn parse(text: &str) -> Certificate {
    let blocks = pem::blocks(text.as_bytes()).ok().unwrap();
    Certificate::parse(&blocks[0].der).unwrap()
}

/// What openssl says of one file: the value of a line that begins so.
fn openssl<'a>(said: &'a str, file: &str, start: &str) -> &'a str {
    let section = said
        .split("== ")
        .find(|part| part.starts_with(&format!("{file}\n")))
        .unwrap();
    let line = section
        .lines()
        .find_map(|line| line.trim().strip_prefix(start));
    line.unwrap_or_default()
}

/// `Nov 22 23:14:53 2027 GMT`, as openssl writes times.
fn time(at: hactl_proto::Timestamp) -> String {
    at.strftime("%b %e %H:%M:%S %Y GMT").to_string()
}

#[test]
fn kubeadms_certificates_are_read_as_openssl_reads_them() {
    for (said, files) in OPENSSL.iter().zip([&OLD[..], &NEW[..]]) {
        for (file, text) in files {
            let read = parse(text);
            let of = |start| openssl(said, file, start);
            assert_eq!(read.subject, of("subject="), "{file}");
            assert_eq!(read.issuer, of("issuer="), "{file}");
            assert_eq!(
                read.serial.to_uppercase().trim_start_matches('0'),
                of("serial=").trim_start_matches('0'),
                "{file}"
            );
            assert_eq!(time(read.not_before), of("notBefore="), "{file}");
            assert_eq!(time(read.not_after), of("notAfter="), "{file}");
            let print = of("sha256 Fingerprint=").replace(':', "").to_lowercase();
            assert_eq!(read.sha256, print, "{file}");
            let sans = read
                .sans
                .iter()
                .map(|san| match san.parse::<std::net::IpAddr>() {
                    // openssl writes addresses of IPv6 in full.
                    Ok(std::net::IpAddr::V6(_)) => "IP Address:0:0:0:0:0:0:0:1".to_owned(),
                    Ok(_) => format!("IP Address:{san}"),
                    Err(_) => format!("DNS:{san}"),
                });
            // The CA of 1.28 and newer carries its own name as a SAN too.
            assert_eq!(
                sans.collect::<Vec<_>>().join(", "),
                section_sans(said, file),
                "{file}"
            );
        }
    }
}

fn section_sans(said: &str, file: &str) -> String {
    let section = said
        .split("== ")
        .find(|part| part.starts_with(&format!("{file}\n")))
        .unwrap();
    let mut lines = section
        .lines()
        .skip_while(|line| !line.contains("Alternative Name"));
    lines.nth(1).unwrap_or_default().trim().to_owned()
}

#[test]
fn signatures_tell_the_clusters_apart_whose_cas_have_one_name() {
    let find = |files: &[(&str, &str)], name: &str| {
        parse(files.iter().find(|(file, _)| *file == name).unwrap().1)
    };
    for (own, other) in [(&OLD[..], &NEW[..]), (&NEW[..], &OLD[..])] {
        let (ca, etcd, strange) = (
            find(own, "ca.crt"),
            find(own, "etcd-ca.crt"),
            find(other, "ca.crt"),
        );
        assert_eq!(ca.subject, strange.subject);
        for leaf in ["apiserver.crt", "admin.crt", "apiserver-kubelet-client.crt"] {
            let leaf = find(own, leaf);
            assert!(leaf.signed_by(&ca) && !leaf.signed_by(&strange) && !leaf.signed_by(&etcd));
            assert!(!leaf.authority && !leaf.self_signed());
        }
        assert!(find(own, "etcd-peer.crt").signed_by(&etcd));
        assert!(ca.authority && ca.self_signed() && ca.signed_by(&ca));
        // A leaf signs nothing, whatever its name.
        assert!(!ca.signed_by(&find(own, "apiserver.crt")));
    }
}

#[test]
fn kubeadms_kubeconfig_is_read_and_its_key_is_no_key() {
    let read = kubeconfig::read(ADMIN_CONF.as_bytes()).ok().unwrap();
    assert_eq!(read.server, "https://10.0.0.100:8443");
    let Some(Source::Embedded(certificate)) = &read.certificate else {
        panic!("it is embedded");
    };
    assert_eq!(
        parse(std::str::from_utf8(certificate).unwrap()),
        parse(NEW[0].1)
    );
    let Some(Source::Embedded(key)) = &read.key else {
        panic!("it is embedded");
    };
    assert_eq!(key.as_slice(), b"hactl");
}

#[test]
fn kubeconfigs_that_are_none_are_told_why() {
    let fault = |text: &str| kubeconfig::read(text.as_bytes()).err();
    for (text, wanted) in [
        (
            ADMIN_CONF.replace("user: kubernetes-admin", "user: nobody"),
            KubeconfigFault::Missing("user"),
        ),
        (
            ADMIN_CONF.replace("    cluster: kubernetes\n", "    cluster: other\n"),
            KubeconfigFault::Missing("cluster"),
        ),
        (
            ADMIN_CONF.replace("current-context: k", "current-context: x"),
            KubeconfigFault::Missing("context"),
        ),
        (
            ADMIN_CONF.replace("key-data: a", "key-data: '!!'"),
            KubeconfigFault::Base64("client-key-data"),
        ),
    ] {
        // A damaged quotation is a shape, not a field.
        let found = fault(&text);
        assert!(
            found.as_ref() == Some(&wanted) || matches!(found, Some(KubeconfigFault::Shape(_))),
            "{found:?}, not {wanted:?}"
        );
    }
    for garbage in [
        "",
        "a: [",
        "- 1",
        "\u{0}",
        &ADMIN_CONF[..ADMIN_CONF.len() / 2],
    ] {
        assert!(fault(garbage).is_some(), "{garbage:?}");
    }
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
        d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\nusers: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert!(fault(bomb).is_some());
    // What a parser says may quote a key; what we say does not.
    let torn = ADMIN_CONF.replace("client-key-data: aGFjdGw=", "client-key-data: [aGFjdGw=");
    assert!(!fault(&torn).unwrap().to_string().contains("aGFj"));
}

/// An RSA key as kubeadm writes it (PKCS #1), with the public half of a certificate and nothing private.
fn rsa_key_of(certificate: &Certificate) -> Vec<u8> {
    // Of SEQUENCE { modulus, exponent } the contents, behind a version; private numbers that are none.
    let public = &certificate.public_key;
    let contents = &public[4..];
    let mut inner = vec![2, 1, 0];
    inner.extend(contents);
    inner.extend([2, 1, 0]);
    let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
    let mut der = vec![0x30, 0x82, length[0], length[1]];
    der.extend(inner);
    der
}

#[test]
fn rsa_keys_are_compared_by_modulus_and_exponent() {
    let (own, other) = (parse(NEW[2].1), parse(NEW[3].1));
    let block = |label: &str, der: Vec<u8>| pem::Block {
        label: label.to_owned(),
        der: der.into(),
    };
    let key = rsa_key_of(&own);
    assert_eq!(
        key::belongs(&block("RSA PRIVATE KEY", key.clone()), &own),
        KeySeen::Belongs
    );
    assert_eq!(
        key::belongs(&block("RSA PRIVATE KEY", key.clone()), &other),
        KeySeen::Differs
    );
    for cut in [0, 1, 5, 100] {
        let torn = block("RSA PRIVATE KEY", key[..cut].to_vec());
        assert_eq!(key::belongs(&torn, &own), KeySeen::Unreadable, "{cut}");
    }
    let wrong = block("ENCRYPTED PRIVATE KEY", key);
    assert_eq!(key::belongs(&wrong, &own), KeySeen::Unreadable);
}
