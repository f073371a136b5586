//! The committed etcd client code is what `agent/etcd/rpc.proto` says.
//!
//! Building hactl needs no protoc: the code is generated here, with protox, and committed. `HACTL_REGENERATE=1 cargo test -p
//! hactl-agent --test etcd_generated` (`just proto`) rewrites it.

#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_committed_code_is_what_the_proto_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/etcd/gen/etcdserverpb.rs");
    let folder = tempfile::tempdir().unwrap();
    let proto = root.join("etcd/rpc.proto");
    let descriptors = protox::compile([&proto], [root.join("etcd")]).unwrap();
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(folder.path())
        .compile_fds(descriptors)
        .unwrap();
    let fresh = std::fs::read_to_string(folder.path().join("etcdserverpb.rs")).unwrap();
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
