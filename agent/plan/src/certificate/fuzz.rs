//! What must hold for any bytes in a file or on a port: `tests/fuzz` drives it with libFuzzer, `cargo test` with random bytes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use data_encoding::BASE64;
use hactl_proto::name::NodeName;
use serde_json::json;
use zeroize::Zeroizing;

use super::inventory::{Material, Subject, further, inventory};
use super::place::places;
use super::request::decide;
use super::{kubeconfig, pem};

const AGENT: (&str, &str) = ("/agent.crt", "/agent.key");

/// Puts the bytes into every place and on every port of a node: nothing panics, what is told is told twice the same, and of the
/// bytes of a key nothing is told.
///
/// # Panics
/// Where one of these is broken: that is what it is for.
pub fn fuzz_certificates(bytes: &[u8]) {
    // What either reader takes, the inventory meets in its places.
    let _ = pem::blocks(bytes);
    let _ = kubeconfig::read(bytes);
    let Ok(node) = NodeName::new("n") else {
        return;
    };
    let subject = Subject {
        node,
        at: hactl_proto::Timestamp::UNIX_EPOCH,
        wanted: super::place::wanted(true, true),
        control_plane: true,
        agent: (AGENT.0.to_owned(), AGENT.1.to_owned()),
        agent_port: 7470,
    };
    let mut material = Material::default();
    for place in places(AGENT) {
        for file in std::iter::once(place.file).chain(place.key) {
            material
                .files
                .insert(file, Ok(Zeroizing::new(bytes.to_vec())));
        }
    }
    for file in further(&material) {
        material
            .files
            .insert(file, Ok(Zeroizing::new(bytes.to_vec())));
    }
    for port in [6443, 2379, 10257, 7470] {
        material.served.insert(port, Ok(bytes.to_vec()));
    }
    let told = inventory(&subject, &material);
    assert_eq!(told, inventory(&subject, &material));
    assert!(told.findings.iter().all(|one| !one.remedy.is_empty()));
}

/// Takes the bytes for what `kubectl` shows and for the request of a kubelet: nothing panics, what is decided is decided twice the same,
/// and a request that is approved for one node is approved for no other.
///
/// # Panics
/// Where one of these is broken: that is what it is for.
pub fn fuzz_requests(bytes: &[u8]) {
    let members: BTreeMap<NodeName, IpAddr> = [("n1", [10, 0, 0, 1]), ("n2", [10, 0, 0, 2])]
        .into_iter()
        .filter_map(|(name, address)| Some((NodeName::new(name).ok()?, address.into())))
        .collect();
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(decide(&text, &members), decide(&text, &members));
    let approved = |node: &NodeName| {
        let object = json!({ "items": [{
            "metadata": { "name": "r" },
            "spec": {
                "request": BASE64.encode(bytes),
                "signerName": "kubernetes.io/kubelet-serving",
                "username": format!("system:node:{node}"),
                "groups": ["system:nodes"],
                "usages": ["digital signature", "server auth"],
            },
        }]});
        let decided = decide(&object.to_string(), &members);
        decided.is_some_and(|all| all.iter().any(|one| one.verdict.is_ok()))
    };
    assert!(members.keys().filter(|node| approved(node)).count() <= 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUEST: &str = include_str!("../../../../tests/fuzz/corpus/requests/n1.csr");

    #[test]
    fn the_seed_is_a_request_that_is_approved() {
        let list = include_str!("../../../../tests/fuzz/corpus/requests/list.json");
        let members = [(NodeName::new("n1").unwrap(), [10, 0, 0, 1].into())].into();
        let decided = decide(list, &members).unwrap();
        assert_eq!(decided[0].verdict, Ok(()));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            fuzz_certificates(&bytes);
        }

        #[test]
        fn any_bytes_for_a_request(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            fuzz_requests(&bytes);
        }

        #[test]
        fn almost_a_request(at in 0_usize..REQUEST.len(), byte in any::<u8>()) {
            let mut whole = REQUEST.as_bytes().to_vec();
            whole[at] = byte;
            fuzz_requests(&whole);
        }

        #[test]
        fn almost_a_kubeconfig(cut in 0_usize..2000, noise in "[a-z:{}&*\\[\\] \n-]{0,40}") {
            let whole = include_str!("../../tests/captured/certificates/v1.36.2/admin.conf");
            let at = cut % whole.len();
            fuzz_certificates(format!("{}{noise}{}", &whole[..at], &whole[at..]).as_bytes());
        }

        #[test]
        fn almost_a_certificate(at in 0_usize..2000, byte in any::<u8>()) {
            let mut whole = include_bytes!("../../tests/captured/certificates/v1.36.2/apiserver.crt").to_vec();
            let at = at % whole.len();
            whole[at] = byte;
            fuzz_certificates(&whole);
        }
    }
}
