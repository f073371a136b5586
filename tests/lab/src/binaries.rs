//! Nodes whose Kubernetes is no package's: the programs lie where they are, and those of other versions in a folder.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::cache::{Cache, write_executable};
use crate::disk;
use crate::kubernetes::{Kubernetes, Version};
use crate::lab::Lab;
use crate::machine;

/// What dpkg knows of a node.
const STATUS: &str = "var/lib/dpkg/status";
/// Where the agent looks for other versions.
const FOLDER: &str = "var/lib/hactl/binaries";
const PROGRAMS: [&str; 3] = ["kubeadm", "kubelet", "kubectl"];

/// Has dpkg forget the programs, which go on running, and puts those of a version into the folder.
pub(crate) fn instead_of_packages(
    cache: &Cache,
    lab: &Lab,
    node: &str,
    version: Version,
) -> Result<()> {
    let kubernetes = Kubernetes::obtain(cache, version)?;
    let root = disk::root(lab.place(), node);
    let status = root.join(STATUS);
    let text = fs::read_to_string(&status)
        .with_context(|| format!("failed to read {}", status.display()))?;
    let ours = |stanza: &&str| {
        let name = stanza
            .lines()
            .find_map(|line| line.strip_prefix("Package: "));
        !name.is_some_and(|name| PROGRAMS.contains(&name))
    };
    let left: Vec<&str> = text.split("\n\n").filter(ours).collect();
    ensure!(
        left.len() + PROGRAMS.len() == text.split("\n\n").count(),
        "dpkg of {node} does not know all of {PROGRAMS:?}"
    );
    fs::write(&status, left.join("\n\n"))?;
    for name in PROGRAMS {
        let bytes = fs::read(kubernetes.file(name))?;
        write_executable(
            &root.join(FOLDER).join(version.to_string()).join(name),
            bytes,
        )?;
    }
    let asked = machine::inside(lab.place(), node, &["dpkg-query", "--show", "kubelet"])?;
    ensure!(
        asked.outcome()?.code != Some(0),
        "dpkg of {node} still knows the kubelet"
    );
    Ok(())
}
