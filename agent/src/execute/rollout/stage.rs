//! What is brought to a node before anything is touched: packages, images, and on one control plane a snapshot of etcd.

use std::path::{Path, PathBuf};

use hactl_node_plan::plan::kubernetes::stacked;
use hactl_node_plan::plan::rollout::snapshot_file;
use hactl_node_plan::rollout::images::{self, component_and_tag, parse_list, wanted};
use hactl_node_plan::rollout::packages::{
    self, FOLDER, KUBERNETES_PACKAGES, Repositories, exactly, fetch, fetch_again, folder, unpack,
    verify,
};
use hactl_node_plan::step::machine::PackageTool;
use hactl_node_plan::step::rollout::RolloutStep;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::survey::{Staged, StagedEtcd};
use hactl_proto::version::KubernetesVersion;

use super::packages::installed;
use super::target;
use crate::execute::{ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::rollout::{ask, offers, source, tool};

/// Where apt keeps what it brought.
const APT_CACHE: &str = "/var/cache/apt/archives";
/// Where dnf does, in a folder of each repository.
const DNF_CACHE: &str = "/var/cache/dnf";
/// Snapshots of earlier rollouts that stay, besides the newest.
const SNAPSHOTS_KEPT: usize = 2;

/// The target's packages, and the installed ones for a way back; those may be gone from the repository, which is no failure.
pub(super) async fn packages<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let source = source(&*cx.host).await;
    let Some(tool) = tool(source) else {
        return Ok(());
    };
    let asked = offers(&*cx.host, source, Repositories::Asked).await;
    let offers =
        asked.map_err(|reason| StepError::state("ask the repositories", reason, REMEDY))?;
    let wanted = target(cx)?;
    let exact = exactly(tool, &offers, &KUBERNETES_PACKAGES, wanted)
        .ok_or_else(|| StepError::state(format!("fetch {wanted}"), "it is not offered", REMEDY))?;
    if let Some(now) = installed(cx).await?.kubelet
        && now != *wanted
        && let Some(back) = exactly(tool, &offers, &KUBERNETES_PACKAGES, &now)
        && let Err(error) = cx.run(&fetch_again(tool, &back)).await
    {
        tracing::warn!("failed to {error}: the way back would need the repository");
    }
    let unit = cx.unit(RolloutStep::FetchPackages.name());
    cx.run(&fetch(tool, &exact).unit(unit)).await?;
    match tool {
        PackageTool::Apt => {
            let deb = deb_of(cx, &exact[0]).await?;
            lay_out(cx, tool, &deb, wanted).await
        }
        PackageTool::Dnf => {
            // Without it the images come with kubeadm's own turn: no reason to stop.
            if let Err(error) = rpm(cx, &exact[0], wanted).await {
                tracing::warn!("failed to {error}: images and etcd of {wanted} are known later");
            }
            Ok(())
        }
    }
}

/// Unpacks kubeadm of the target beside the installed one.
async fn lay_out<H: Host>(
    cx: &ExecuteContext<H>,
    tool: PackageTool,
    file: &str,
    wanted: &KubernetesVersion,
) -> Result<(), StepError> {
    let into = unpacked(cx, wanted);
    cx.run(&folder(&into.to_string_lossy())).await?;
    let unpacked = cx.run(&unpack(tool, file, &into.to_string_lossy())).await;
    unpacked.map(drop)
}

/// A package of kubeadm in dnf's cache, signed by who the node trusts.
async fn rpm<H: Host>(
    cx: &ExecuteContext<H>,
    exact: &str,
    wanted: &KubernetesVersion,
) -> Result<(), StepError> {
    let cache = Path::new(DNF_CACHE);
    for repository in cx.host.list(cache).await?.unwrap_or_default() {
        let folder = cache.join(repository.name).join("packages");
        let files = cx.host.list(&folder).await.ok().flatten();
        let found = files
            .unwrap_or_default()
            .into_iter()
            .find(|file| file.name.starts_with(&format!("{exact}.")));
        if let Some(found) = found {
            let file = folder.join(found.name).to_string_lossy().into_owned();
            cx.run(&verify(&file)).await?;
            return lay_out(cx, PackageTool::Dnf, &file, wanted).await;
        }
    }
    let observed = format!("{DNF_CACHE} does not hold it");
    Err(StepError::state(
        format!("find the package of {exact}"),
        observed,
        REMEDY,
    ))
}

const REMEDY: &str = "Look at the package tool's own words on the node, and at its repositories.";

/// The target's kubeadm names its images; what the runtime lacks is pulled. What was brought is written down last.
pub(super) async fn images<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let wanted_version = target(cx)?;
    let program = program(cx, wanted_version).await?;
    let repository = cx.node.spec.kubernetes.image_repository.as_deref();
    let list = match &program {
        Some(program) => {
            let list = cx
                .run(&images::list(program, wanted_version, repository))
                .await?;
            parse_list(&list.stdout)
        }
        None => Vec::new(),
    };
    let all = wanted(&list, cx.node.role);
    if let Some(program) = &program
        && !missing(cx, &all).await?.is_empty()
    {
        let unit = cx.unit(RolloutStep::FetchImages.name());
        let pulled = cx
            .run(&images::pull(program, wanted_version, repository).unit(unit))
            .await;
        let missing = missing(cx, &all).await?;
        if !missing.is_empty() {
            let why = pulled
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            return Err(StepError::state(
                format!("have the images of {wanted_version}"),
                format!("{} not on this node; {why}", missing.join(", ")),
                "Make the registry reachable from this node, name kubernetes.imageRepository in the spec, or import the images \
                 with `ctr -n k8s.io images import`.",
            ));
        }
    }
    let staged = Staged {
        target: wanted_version.clone(),
        etcd: etcd(cx, program.is_some(), &list)?,
    };
    // Plain data with string keys: serializing it cannot fail.
    let text = serde_json::to_vec(&staged).unwrap_or_default();
    let file = cx.paths.upgrade().join("staged.json");
    Ok(cx.host.replace(&file, &text, 0o600).await?)
}

/// The etcd that the target brings to this node.
fn etcd<H>(
    cx: &ExecuteContext<H>,
    asked: bool,
    images: &[String],
) -> Result<StagedEtcd, StepError> {
    if cx.node.role == NodeRole::Worker || !stacked(&cx.node) {
        return Ok(StagedEtcd::Absent);
    }
    let found = images
        .iter()
        .map(|image| component_and_tag(image))
        .find(|(name, tag)| name == "etcd" && !tag.is_empty());
    match found {
        Some((_, tag)) => Ok(StagedEtcd::Tag(tag)),
        None if !asked => Ok(StagedEtcd::Unknown),
        None => Err(StepError::state(
            "tell which etcd the target brings",
            "its kubeadm lists no image of etcd",
            "Run `kubeadm config images list` on the node, with the kubeadm of the target.",
        )),
    }
}

/// Takes a snapshot, verifies it, and lets old ones go.
pub(super) async fn snapshot<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let folder = cx.paths.snapshots();
    let name = snapshot_file(&cx.instruction);
    cx.progress.waiting(
        "a verified snapshot of etcd",
        "it is being written",
        cx.host.now(),
    );
    let size = cx.host.etcd_snapshot(&folder.join(&name)).await?;
    cx.progress.resumed();
    tracing::info!(size, name, "etcd's snapshot is verified");
    let mut kept = Vec::new();
    for entry in cx.host.list(&folder).await?.unwrap_or_default() {
        if entry.name != name {
            let stamp = cx.host.stamp(&folder.join(&entry.name)).await?;
            kept.push((stamp.map(|stamp| stamp.modified), entry.name));
        }
    }
    kept.sort();
    let old = kept.len().saturating_sub(SNAPSHOTS_KEPT);
    for (_, name) in kept.into_iter().take(old) {
        cx.host.remove(&folder.join(name)).await?;
    }
    Ok(())
}

async fn missing<H: Host>(
    cx: &ExecuteContext<H>,
    wanted: &[String],
) -> Result<Vec<String>, StepError> {
    let present = cx.run(&images::present()).await?.stdout;
    let there = |image: &&String| present.lines().any(|line| line.trim() == image.as_str());
    Ok(wanted
        .iter()
        .filter(|image| !there(image))
        .cloned()
        .collect())
}

/// The target's kubeadm, before it is installed. Where it was not unpacked (dnf, with a repository of local files) it is the
/// installed one, where that is of the target already, else none, and images come when kubeadm pulls them.
async fn program<H: Host>(
    cx: &ExecuteContext<H>,
    wanted: &KubernetesVersion,
) -> Result<Option<String>, StepError> {
    let unpacked = unpacked(cx, wanted).join("usr/bin/kubeadm");
    let folder = PathBuf::from(FOLDER)
        .join(wanted.to_string())
        .join("kubeadm");
    for place in [unpacked, folder] {
        if cx.host.stamp(&place).await?.is_some() {
            return Ok(Some(place.to_string_lossy().into_owned()));
        }
    }
    let own = installed(cx).await?.kubeadm;
    Ok((own.as_ref() == Some(wanted)).then(|| "kubeadm".to_owned()))
}

fn unpacked<H>(cx: &ExecuteContext<H>, version: &KubernetesVersion) -> PathBuf {
    cx.paths.upgrade().join("staged").join(version.to_string())
}

/// The file of `kubeadm=1.36.3-1.1`: in apt's cache, or where a repository of local files has it.
async fn deb_of<H: Host>(cx: &ExecuteContext<H>, exact: &str) -> Result<String, StepError> {
    let (name, revision) = exact.split_once('=').unwrap_or((exact, ""));
    let start = format!("{name}_{}_", revision.replace(':', "%3a"));
    let cached = cx
        .host
        .list(Path::new(APT_CACHE))
        .await?
        .unwrap_or_default();
    if let Some(found) = cached
        .into_iter()
        .find(|entry| entry.name.starts_with(&start))
    {
        return Ok(format!("{APT_CACHE}/{}", found.name));
    }
    let uris = packages::uris(exact);
    let said = ask(&*cx.host, &uris)
        .await
        .map_err(|reason| StepError::state("find kubeadm's package", reason, REMEDY))?;
    packages::local_file(&said.stdout).ok_or_else(|| {
        StepError::state(
            format!("find the package of {exact}"),
            format!("{APT_CACHE} does not hold it"),
            REMEDY,
        )
    })
}
