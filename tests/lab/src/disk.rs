//! A node's disk: an overlay on what all share, plain folders for what can't lie on one, and what makes it this node and no
//! other (host name, machine-id, product_uuid, the pods' network).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::cache::{Cache, remove, write};
use crate::images;
use crate::kubernetes::Kubernetes;
use crate::lab::{Lab, Node, POD_NETWORK, Place};
use crate::machine::PLAIN;
use crate::mount;
use crate::program::program;
use crate::rootfs::{self, Base};

/// What the nodes of one Kubernetes version share.
pub(crate) struct Shared {
    layers: Vec<PathBuf>,
    containerd: PathBuf,
}

impl Shared {
    /// All of it, made where it is not there.
    pub(crate) fn obtain(cache: &Cache, kubernetes: &Kubernetes) -> Result<Self> {
        let base = Base::obtain(cache)?;
        let layer = rootfs::kubernetes_layer(cache, &base, kubernetes)?;
        let containerd = images::containerd_folder(cache, &base, &layer, kubernetes)?;
        Ok(Self {
            layers: vec![layer, base.root],
            containerd,
        })
    }
}

/// Makes a fresh disk for the node and mounts it; what it had is gone.
pub(crate) fn make(lab: &Lab, node: &Node, shared: &Shared) -> Result<()> {
    let dir = folder(lab.place(), &node.name);
    remove(&dir)?;
    fs::create_dir_all(&dir)?;
    for (plain, _) in PLAIN.iter().filter(|(plain, _)| *plain != "containerd") {
        fs::create_dir(dir.join(plain))?;
    }
    copy_containerd(&shared.containerd, &dir.join("containerd"))?;
    mount(lab.place(), node, shared)?;
    personalize(lab, node, &dir)
}

/// Mounts a disk that was made before.
pub(crate) fn mount(place: &Place, node: &Node, shared: &Shared) -> Result<()> {
    let dir = folder(place, &node.name);
    let layers: Vec<&Path> = shared.layers.iter().map(PathBuf::as_path).collect();
    mount::unmount_below(&dir)?;
    mount::overlay(
        &place.named(&node.name),
        &layers,
        &dir.join("upper"),
        &dir.join("work"),
        &dir.join("root"),
    )
}

/// Where the node's root is mounted.
pub(crate) fn root(place: &Place, node: &str) -> PathBuf {
    folder(place, node).join("root")
}

/// Where the node's disk lies.
pub(crate) fn folder(place: &Place, node: &str) -> PathBuf {
    place.path("nodes").join(node)
}

/// Images are never written to once unpacked, so all nodes have the same files by links. The data bases are their own.
fn copy_containerd(from: &Path, to: &Path) -> Result<()> {
    program("cp").arg("-al").arg(from).arg(to).run()?;
    for base in [
        "io.containerd.metadata.v1.bolt/meta.db",
        "io.containerd.snapshotter.v1.overlayfs/metadata.db",
    ] {
        let copy = to.join(base);
        remove(&copy)?;
        fs::copy(from.join(base), &copy)
            .with_context(|| format!("failed to copy containerd's {base}"))?;
    }
    Ok(())
}

fn personalize(lab: &Lab, node: &Node, dir: &Path) -> Result<()> {
    let root = dir.join("root");
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    write(&root.join("etc/machine-id"), uuid.replace('-', ""))?;
    write(&dir.join("product_uuid"), &uuid)?;
    write(&root.join("etc/hostname"), format!("{}\n", node.name))?;
    let mut hosts = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for other in &lab.nodes {
        writeln!(hosts, "{} {}", other.address(), other.name)?;
    }
    write(&root.join("etc/hosts"), hosts)?;
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "hactl-lab",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": node.pods()}]],
                    "routes": [{"dst": "0.0.0.0/0"}, {"dst": POD_NETWORK}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    write(
        &root.join("etc/cni/net.d/10-hactl-lab.conflist"),
        serde_json::to_string_pretty(&network)?,
    )?;
    Ok(())
}
