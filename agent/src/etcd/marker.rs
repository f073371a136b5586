//! The marker of a complete etcd member: written by etcd's own word, outside of etcd's data folder, for the guard.

use std::path::{Path, PathBuf};

use hactl_node_plan::etcd::guard::{EtcdMarker, MARKER_VERSION, is_mount_point};
use hactl_node_plan::etcd::{EtcdCall, EtcdRequest, MemberHealth, MemberId};
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::plan::kubernetes::{data_dir, stacked};
use hactl_proto::role::NodeRole;

use super::view;
use crate::guard_etcd::MARKER;
use crate::host::{Host, HostError};
use crate::paths::Paths;

/// Where the marker lies.
pub fn path(paths: &Paths) -> PathBuf {
    paths.state.join(MARKER)
}

/// Writes down that this member of that cluster lives here. A data folder that is a mount point now has to be one at every start.
pub async fn write<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    cluster: MemberId,
    member: MemberId,
) -> Result<(), HostError> {
    let mounts = text(host, "/proc/self/mountinfo").await?;
    let marker = EtcdMarker {
        version: MARKER_VERSION,
        node: node.node.clone(),
        address: node.address,
        cluster,
        member,
        data_dir: data_dir(node).to_owned(),
        own_mount: is_mount_point(&mounts, data_dir(node)),
        machine_id: text(host, layout::MACHINE_ID).await?.trim().to_owned(),
        written: host.now(),
    };
    let file = path(paths);
    let bytes = serde_json::to_vec(&marker).map_err(|error| HostError::File {
        verb: "replace",
        path: file.display().to_string(),
        source: error.into(),
    })?;
    host.replace(&file, &bytes, 0o600).await
}

/// Writes the marker where a join that was interrupted at its end did not: a member votes here, is well, and has none. Gives whether it
/// wrote one.
pub async fn write_missing<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
) -> Result<bool, HostError> {
    let wanted = node.role == NodeRole::ControlPlane && stacked(node);
    if !wanted || host.read(&path(paths)).await?.is_some() {
        return Ok(false);
    }
    let endpoint = EtcdCall::local(EtcdRequest::Members).endpoint;
    let list = view::members(host, &endpoint).await?;
    let Some(member) = list.at(node.address).filter(|member| !member.learner) else {
        return Ok(false);
    };
    if view::health_of(host, member).await != MemberHealth::Healthy {
        return Ok(false);
    }
    write(host, node, paths, list.cluster, member.id).await?;
    Ok(true)
}

async fn text<H: Host>(host: &H, path: &str) -> Result<String, HostError> {
    let bytes = host.read(Path::new(path)).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
