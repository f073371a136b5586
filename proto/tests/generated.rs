//! The committed prost/tonic code is what the .proto files say.
//!
//! Building hactl needs no protoc: the code is generated here, with protox, and committed. `HACTL_REGENERATE=1 cargo test -p
//! hactl-proto --test generated` (`just proto`) rewrites it.

#![allow(clippy::unwrap_used)]

use std::path::Path;

/// Messages that hold secrets: they get a `Debug` by hand (`src/wire/secrets.rs`), never prost's.
const SECRETS: [&str; 5] = [
    ".hactl.v1.EnrolRequest",
    ".hactl.v1.GetKubeconfigResponse",
    ".hactl.v1.GivePairResponse",
    ".hactl.v1.GossipKey",
    ".hactl.v1.JoinCredentials",
];

fn generate(into: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join("hactl/v1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "proto"))
        .collect();
    files.sort();
    let descriptors = protox::compile(&files, [root]).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .skip_debug(SECRETS)
        .out_dir(into)
        .compile_fds(descriptors)
        .unwrap();
}

#[test]
fn the_committed_code_is_what_the_protos_say() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen/hactl.v1.rs");
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path());
    let fresh = std::fs::read_to_string(folder.path().join("hactl.v1.rs")).unwrap();
    if std::env::var_os("HACTL_REGENERATE").is_some() {
        std::fs::write(&committed, &fresh).unwrap();
    }
    let old = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        old == fresh,
        "{} is stale: run `just proto` and commit the result",
        committed.display()
    );
}
