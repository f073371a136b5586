//! What must hold for any bytes in a file or on a port: `tests/fuzz` drives it with libFuzzer, `cargo test` with random bytes.

use zeroize::Zeroizing;

use super::inventory::{Material, Subject, further, inventory};
use super::place::places;
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
    let Ok(node) = hactl_proto::name::NodeName::new("n") else {
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

#[cfg(test)]
mod tests {
    use super::fuzz_certificates;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            fuzz_certificates(&bytes);
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
