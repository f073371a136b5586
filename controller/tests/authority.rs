//! The operator's folder: made once, private, opened again, and never overwritten.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hactl_controller::trust::{Authority, AuthorityError, OPERATOR};
use hactl_proto::Timestamp;
use hactl_proto::mtls::Certified;
use hactl_proto::name::NodeName;
use hactl_proto::role::CallerRole;

fn now() -> Timestamp {
    Timestamp::now()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_cluster_has_its_files_and_their_modes() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("prod");
    let authority = Authority::create(&folder, now()).unwrap();
    assert_eq!(mode(&folder), 0o700);
    for private in ["ca.key", "gossip.key", "enrolment.key", "operator.key"] {
        assert_eq!(mode(&folder.join(private)), 0o600, "{private}");
    }
    for public in ["ca.crt", "operator.crt", "cluster-id", "generation"] {
        assert_eq!(mode(&folder.join(public)), 0o644, "{public}");
    }
    let operator = fs::read_to_string(folder.join(format!("{OPERATOR}.crt"))).unwrap();
    let operator = Certified::read_pem(&operator).unwrap();
    assert_eq!(operator.subject.role, CallerRole::Operator);
    assert_eq!(operator.subject.cluster, authority.cluster());
    assert_eq!(operator.issuer, format!("hactl ca {}", authority.cluster()));
}

#[test]
fn a_folder_is_opened_again_with_its_generation() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = Authority::create(folder.path(), now()).unwrap();
    assert_eq!(made.raise_generation().unwrap(), 2);
    let opened = Authority::open(folder.path()).unwrap();
    assert_eq!(opened.cluster(), made.cluster());
    assert_eq!(opened.generation(), 2);
}

#[test]
fn a_cluster_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    Authority::create(folder.path(), now()).unwrap();
    let before = fs::read(folder.path().join("ca.key")).unwrap();
    for lost in [None, Some("cluster-id")] {
        if let Some(lost) = lost {
            fs::remove_file(folder.path().join(lost)).unwrap();
        }
        let refused = Authority::create(folder.path(), now()).err().unwrap();
        assert!(matches!(refused, AuthorityError::Occupied { .. }));
        assert!(refused.to_string().contains("is there already"));
    }
    assert_eq!(fs::read(folder.path().join("ca.key")).unwrap(), before);
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = |folder: &Path| Authority::open(folder).err().unwrap().to_string();
    assert!(text(folder.path()).contains("cluster-id is missing"));
    Authority::create(folder.path(), now()).unwrap();
    for (file, wrong, says) in [
        ("cluster-id", "prod", "32 hexadecimal digits"),
        ("generation", "one", "invalid digit"),
        ("gossip.key", "[", "EOF"),
        ("enrolment.key", "abc", "64 hexadecimal digits"),
        ("ca.key", "garbage", "no key of ca.crt"),
    ] {
        let path = folder.path().join(file);
        let good = fs::read(&path).unwrap();
        fs::write(&path, wrong).unwrap();
        let told = text(folder.path());
        assert!(told.contains(says), "{file}: {told}");
        fs::write(&path, good).unwrap();
    }
    assert!(Authority::open(folder.path()).is_ok());
}

#[test]
fn a_viewer_gets_a_certificate_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), now()).unwrap();
    let vera = NodeName::new("vera").unwrap();
    let files = authority
        .write_person(CallerRole::Viewer, &vera, now())
        .unwrap();
    let certified = Certified::read_pem(&fs::read_to_string(files.certificate).unwrap()).unwrap();
    assert_eq!(certified.subject.to_string(), "viewer vera");
    assert_eq!(mode(&files.key), 0o600);
}
