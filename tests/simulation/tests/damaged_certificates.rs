//! Renewals where a file is not what it should be: each damage by its name, nothing overwritten, and a copy aside of all that is.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::path::{Path, PathBuf};

use hactl_proto::finding::Finding;
use hactl_proto::report::Outcome;
use hactl_simulation::tree::Tree;
use hactl_simulation::{Machine, World};
use support::fleet::cluster;
use support::renewing::agents;
use support::{life, name, through};

const CONTROL_PLANES: [&str; 3] = ["cp1", "cp2", "cp3"];
const PKI: &str = "/etc/kubernetes/pki";

fn damaged(world: &World, damage: impl FnOnce(&mut Machine)) {
    damage(world.state().machines.get_mut(&name("cp1")).unwrap());
}

async fn outcome(world: &World) -> Outcome {
    let agents = agents(world, &CONTROL_PLANES).await;
    through::within(agents[&name("cp1")].renew(false)).await
}

/// Has cp1 damaged before a renewal, which is refused and touches nothing; the reasons.
fn refused(damage: impl FnOnce(&mut Machine)) -> Vec<Finding> {
    let world = cluster();
    damaged(&world, damage);
    let lies = |below: &str| world.state().machines[&name("cp1")].tree.digest(below);
    let before = lies("/etc/kubernetes");
    let Outcome::Refused { findings } = life(&world, outcome(&world)) else {
        panic!("not refused");
    };
    assert_eq!(lies("/etc/kubernetes"), before);
    assert_eq!(lies("/var/lib/hactl/certificates/kept"), None);
    assert!(findings.iter().all(|one| !one.remedy.is_empty()));
    findings
}

/// One of the reasons has this name and names this file, or what is missing.
fn named(findings: &[Finding], check: &str, what: &str) {
    assert!(
        findings
            .iter()
            .any(|one| one.check == check && one.observed.contains(what)),
        "no {check} of {what}: {findings:?}"
    );
}

fn pki(file: &str) -> String {
    format!("{PKI}/{file}")
}

fn cut(tree: &mut Tree, file: &str) {
    let text = tree.text(file);
    tree.write_durably(file, &text.as_bytes()[..text.len() / 2]);
}

fn another(tree: &mut Tree, file: &str, of: &str) {
    let text = tree.text(of);
    assert!(!text.is_empty());
    tree.write_durably(file, text);
}

#[test]
fn an_unreadable_file_is_named() {
    let file = pki("etcd/server.crt");
    let unreadable = PathBuf::from(&file);
    let findings = refused(|machine| {
        machine.unreadable.insert(unreadable);
    });
    named(&findings, "certificate-readable", &file);
}

#[test]
fn a_certificate_that_is_cut_off_is_named() {
    let file = pki("apiserver.crt");
    let findings = refused(|machine| cut(&mut machine.tree, &file));
    named(&findings, "certificate-readable", &file);
}

#[test]
fn a_kubeconfig_that_is_cut_off_is_named() {
    let file = "/etc/kubernetes/scheduler.conf";
    let findings = refused(|machine| cut(&mut machine.tree, file));
    named(&findings, "certificate-readable", file);
}

#[test]
fn an_empty_key_is_named() {
    let file = pki("etcd/peer.key");
    let findings = refused(|machine| machine.tree.write_durably(&file, ""));
    named(&findings, "certificate-key", &pki("etcd/peer.crt"));
}

#[test]
fn a_key_of_another_certificate_is_named() {
    let (file, of) = (pki("apiserver.key"), pki("front-proxy-client.key"));
    let findings = refused(|machine| another(&mut machine.tree, &file, &of));
    named(&findings, "certificate-key", &pki("apiserver.crt"));
}

#[test]
fn a_pair_of_another_clusters_ca_is_named() {
    let other = cluster();
    let theirs = other.state().machines[&name("cp1")].tree.clone();
    let findings = refused(|machine| {
        for end in ["crt", "key"] {
            let file = pki(&format!("apiserver.{end}"));
            machine.tree.write_durably(&file, theirs.text(&file));
        }
    });
    named(&findings, "certificate-signer", &pki("apiserver.crt"));
}

/// kubeadm says `MISSING!` and exits with 0; the API server that still runs would not begin anew.
#[test]
fn a_certificate_that_is_gone_is_named() {
    let findings = refused(|machine| {
        for end in ["crt", "key"] {
            let file = pki(&format!("apiserver.{end}"));
            machine.tree.remove_durably(Path::new(&file));
        }
    });
    named(&findings, "certificate-present", "apiserver");
}

#[test]
fn external_cas_are_refused() {
    let findings = refused(|machine| {
        for ca in ["ca", "front-proxy-ca", "etcd/ca"] {
            let key = pki(&format!("{ca}.key"));
            machine.tree.remove_durably(Path::new(&key));
        }
    });
    named(&findings, "certificate-external", "external");
}

#[test]
fn what_is_overwritten_is_kept_aside_as_it_was() {
    let world = cluster();
    let before = world.state().machines[&name("cp1")].tree.clone();
    assert_eq!(life(&world, outcome(&world)), Outcome::Succeeded);
    let after = world.state().machines[&name("cp1")].tree.clone();
    let mut changed = 0;
    for folder in ["/etc/kubernetes", PKI, "/etc/kubernetes/pki/etcd"] {
        for entry in before.list(folder).unwrap() {
            let file = format!("{folder}/{}", entry.name);
            if entry.folder || before.read(&file) == after.read(&file) {
                continue;
            }
            changed += 1;
            let kept = format!("/var/lib/hactl/certificates/kept{file}");
            assert_eq!(after.read(kept), before.read(&file), "{file}");
        }
    }
    // Seven pairs and four kubeconfigs.
    assert_eq!(changed, 18);
}
