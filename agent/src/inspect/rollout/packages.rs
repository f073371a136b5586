//! Where Kubernetes' packages come from on this node, and what is to be had there.

use std::collections::BTreeSet;
use std::path::Path;

use hactl_node_plan::command::Command;
use hactl_node_plan::facts::machine::packages::parse_dpkg_status;
use hactl_node_plan::rollout::packages::{self, Repositories};
use hactl_node_plan::step::machine::PackageTool;
use hactl_proto::rollout::survey::PackageSource;
use hactl_proto::version::KubernetesVersion;

use super::ask;
use crate::host::Host;

/// Where kubeadm comes from on this node.
pub async fn source<H: Host>(host: &H) -> PackageSource {
    if let Ok(Some(status)) = host.read(Path::new("/var/lib/dpkg/status")).await
        && parse_dpkg_status(&String::from_utf8_lossy(&status)).contains_key("kubeadm")
    {
        return PackageSource::Apt;
    }
    let query = Command::new("rpm", ["-q", "kubeadm"]);
    if matches!(host.run(&query).await, Ok(answer) if answer.success()) {
        return PackageSource::Dnf;
    }
    PackageSource::Folder
}

/// The tool of a source that has one.
pub const fn tool(source: PackageSource) -> Option<PackageTool> {
    match source {
        PackageSource::Apt => Some(PackageTool::Apt),
        PackageSource::Dnf => Some(PackageTool::Dnf),
        PackageSource::Folder | PackageSource::Unknown => None,
    }
}

/// What the repositories offer.
pub async fn offers<H: Host>(
    host: &H,
    source: PackageSource,
    state: Repositories,
) -> Result<packages::Offers, String> {
    let Some(tool) = tool(source) else {
        return Ok(packages::Offers::new());
    };
    let answer = ask(host, &packages::offers(tool, state)).await?;
    Ok(packages::parse_offers(&answer.stdout))
}

/// Versions that lie whole in the folder of binaries.
pub async fn folder<H: Host>(host: &H) -> BTreeSet<KubernetesVersion> {
    let mut whole = BTreeSet::new();
    let folder = Path::new(packages::FOLDER);
    for entry in host.list(folder).await.ok().flatten().unwrap_or_default() {
        let Ok(version) = entry.name.parse::<KubernetesVersion>() else {
            continue;
        };
        let files = host.list(&folder.join(&entry.name)).await.ok().flatten();
        let files: Vec<String> = files
            .unwrap_or_default()
            .into_iter()
            .map(|file| file.name)
            .collect();
        if packages::KUBERNETES_PACKAGES
            .iter()
            .all(|name| files.iter().any(|file| file == name))
        {
            whole.insert(version);
        }
    }
    whole
}

/// Bytes free where packages, snapshots and kubeadm's copies go.
pub async fn free_bytes<H: Host>(host: &H) -> Result<u64, String> {
    let mut least = u64::MAX;
    for path in ["/var/lib/hactl", "/etc/kubernetes", "/var/lib/containerd"] {
        let space = host.space(Path::new(path)).await;
        least = least.min(space.map_err(|error| error.to_string())?.available);
    }
    Ok(least)
}
