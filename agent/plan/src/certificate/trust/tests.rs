//! What a node says of its part, from real certificates; damaged and foreign ones by name.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

use super::*;

struct Ca {
    pem: String,
    key: String,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority() -> Ca {
    let key = KeyPair::generate().unwrap();
    // Both are called the same, as kubeadm's are: a name proves nothing.
    let mut params = params("front-proxy-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ca {
        pem: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

fn leaf(by: &Ca) -> String {
    let signer = KeyPair::from_pem(&by.key).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&by.pem, signer).unwrap();
    let key = KeyPair::generate().unwrap();
    let made = params("front-proxy-client").signed_by(&key, &issuer);
    made.unwrap().pem()
}

fn print(ca: &Ca) -> Fingerprint {
    fingerprint(&certificates(ca.pem.as_bytes()).unwrap()[0]).unwrap()
}

fn front_proxy() -> Place {
    place(Authority::FrontProxy, &crate::example::context("cp1")).unwrap()
}

fn told(bundle: &str, leaf: &str, record: Result<Option<TrustRecord>, String>) -> TrustSeen {
    told_by(true, bundle, leaf, record)
}

/// `signs`: the CA's key lies there.
fn told_by(
    signs: bool,
    bundle: &str,
    leaf: &str,
    record: Result<Option<TrustRecord>, String>,
) -> TrustSeen {
    let place = front_proxy();
    let file = |text: &str| Ok(Zeroizing::new(text.as_bytes().to_vec()));
    let files: Files = [
        (place.bundle.to_owned(), file(bundle)),
        (place.leaves[0].file.to_owned(), file(leaf)),
    ]
    .into();
    let material = Material {
        node: NodeName::new("cp1").unwrap(),
        at: Timestamp::UNIX_EPOCH,
        place: Some(place),
        files: &files,
        aside: &[],
        signs,
        record,
    };
    trust(Authority::FrontProxy, &material)
}

#[test]
fn at_rest_every_process_believes_and_presents_what_the_files_hold() {
    let ca = authority();
    let seen = told(&ca.pem, &leaf(&ca), Ok(None));
    assert_eq!(seen.complaint, None);
    assert_eq!(seen.signer, Some(print(&ca)));
    assert_eq!(seen.believes.len(), 3);
    assert!(
        seen.believes
            .values()
            .all(|one| *one == [print(&ca)].into())
    );
    assert!(seen.pending.is_empty() && seen.presents.values().all(|one| *one == print(&ca)));
}

#[test]
fn who_took_what_up_is_not_guessed_from_a_file_with_two() {
    let (old, new) = (authority(), authority());
    let both = format!("{}{}", old.pem, new.pem);
    let seen = told(&both, &leaf(&old), Ok(None));
    let pods = ["kube-apiserver", "kube-controller-manager"].map(str::to_owned);
    assert_eq!(seen.pending, pods.clone().into());
    assert!(pods.iter().all(|pod| seen.believes[pod].is_empty()));
}

fn readers() -> impl Iterator<Item = Process> {
    front_proxy().readers.iter().copied()
}

#[test]
fn a_mark_takes_away_what_does_not_stay_and_a_restart_takes_the_mark_away() {
    let (old, new) = (authority(), authority());
    let both = format!("{}{}", old.pem, new.pem);
    let mut record = TrustRecord::default();
    let before = told(&old.pem, &leaf(&old), Ok(None));
    mark(&mut record, &before, None, readers());
    let marked = told(&both, &leaf(&old), Ok(Some(record.clone())));
    assert_eq!(marked.pending.len(), 2);
    assert_eq!(marked.believes["kube-apiserver"], [print(&old)].into());
    let taken = takes_up(&marked, front_proxy(), Process::Pod(StaticPod::ApiServer));
    assert_eq!(taken.believes, [print(&old), print(&new)].into());
    assert_eq!(taken.presents, [print(&old)].into());
    let all = record.processes.get_mut(&Authority::FrontProxy).unwrap();
    all.insert("kube-apiserver".to_owned(), taken);
    mark(&mut record, &marked, Some(&[print(&new)].into()), readers());
    let text = serde_json::to_string(&record).unwrap();
    let record = read_record(&text).unwrap();
    let last = told(&new.pem, &leaf(&new), Ok(Some(record)));
    assert_eq!(last.believes["kube-apiserver"], [print(&new)].into());
    assert!(last.pending.contains("kube-apiserver"));
}

#[test]
fn damage_and_strangers_are_complaints_and_no_answer() {
    let (ca, other) = (authority(), authority());
    let good = leaf(&ca);
    let complaint = |bundle: &str, leaf: &str| told(bundle, leaf, Ok(None)).complaint;
    assert!(complaint(&ca.pem, &leaf(&other)).unwrap().contains("no CA"));
    for wrong in ["", "garbage", &ca.pem[..ca.pem.len() / 2]] {
        assert!(complaint(wrong, &good).is_some(), "{wrong}");
        assert!(complaint(&ca.pem, wrong).is_some(), "{wrong}");
    }
    let unread = told(&ca.pem, &good, Err("denied".to_owned()));
    assert!(unread.complaint.unwrap().contains("denied"));
}

#[test]
fn a_torn_foreign_or_newer_record_is_not_read() {
    let text = serde_json::to_string(&TrustRecord::default()).unwrap();
    assert_eq!(read_record(&text), Ok(TrustRecord::default()));
    let newer = text.replace("\"version\":1", "\"version\":2");
    for wrong in ["", "{}", "garbage", &text[..9], &newer] {
        assert!(read_record(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn only_a_control_plane_that_has_the_key_holds_the_ca_that_it_signs_with() {
    let ca = authority();
    assert_eq!(
        told(&ca.pem, &leaf(&ca), Ok(None)).holds,
        [print(&ca)].into()
    );
    let seen = told_by(false, &ca.pem, &leaf(&ca), Ok(None));
    assert_eq!(seen.signer, Some(print(&ca)));
    assert!(seen.holds.is_empty());
}

#[test]
fn a_process_believes_what_its_kubeconfig_and_its_file_hold_both_and_the_signer_is_presented_by_its_process()
 {
    let (old, new) = (print(&authority()), print(&authority()));
    let node = crate::example::context("cp1");
    let place = place(Authority::Kubernetes, &node).unwrap();
    let manager = Process::Pod(StaticPod::ControllerManager);
    let leaf = place
        .leaves
        .iter()
        .find(|leaf| leaf.by == Some(manager) && leaf.kubeconfig());
    let leaf = leaf.unwrap().name.to_owned();
    let mut seen = told("", "", Ok(None));
    seen.believes = [
        (place.bundle.to_owned(), [old.clone(), new.clone()].into()),
        (leaf.clone(), [new.clone()].into()),
    ]
    .into();
    seen.presents = [(leaf, old.clone()), (SIGNER.to_owned(), new.clone())].into();
    let taken = takes_up(&seen, place, manager);
    assert_eq!(taken.believes, [new.clone()].into());
    assert_eq!(taken.presents, [old, new].into());
    let taken = takes_up(&seen, place, Process::Pod(StaticPod::ApiServer));
    assert!(taken.presents.is_empty());
}
