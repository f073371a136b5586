//! Cleaning a node of what kubeadm left. Looks once more, right before, whether a member that votes lives here (I9).

use std::path::Path;

use hactl_node_plan::etcd::{EtcdCall, EtcdRequest};
use hactl_node_plan::kubeadm::{command, layout};
use hactl_node_plan::plan::kubernetes::{data_dir, stacked};
use hactl_node_plan::step::kubernetes::KubernetesStep;

use super::installed;
use crate::etcd::{marker, view};
use crate::execute::{ExecuteContext, StepError};
use crate::guard_etcd::HELD;
use crate::host::Host;

/// `kubeadm reset`, then what it leaves. Its exit code says nothing: what has to be gone is looked at.
pub(super) async fn reset<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    if stacked(&cx.node) {
        refuse_living_member(cx).await?;
    }
    let command = command::reset(installed(cx)?);
    cx.progress
        .waiting(&command.line(), "it runs", cx.host.now());
    let ended = cx
        .run(&command.unit(cx.unit(KubernetesStep::Reset.name())))
        .await;
    cx.progress.resumed();
    ended?;
    if stacked(&cx.node) {
        // The folder itself may be a mount point: only what etcd made in it goes.
        let member = Path::new(data_dir(&cx.node)).join("member");
        cx.host.remove(&member).await?;
        cx.host
            .remove(&cx.paths.state.join(HELD).join("etcd.yaml"))
            .await?;
    }
    check_gone(cx).await?;
    // The marker goes last: as long as anything of the member is left, it stands for it.
    Ok(cx.host.remove(&marker::path(&cx.paths)).await?)
}

async fn refuse_living_member<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let endpoint = EtcdCall::local(EtcdRequest::Members).endpoint;
    let Ok(list) = view::members(&*cx.host, &endpoint).await else {
        return Ok(());
    };
    let Some(member) = list.at(cx.node.address) else {
        return Ok(());
    };
    let complete = cx.host.read(&marker::path(&cx.paths)).await?.is_some();
    let others = list.members.len() > 1;
    if member.learner || !(complete || others) {
        return Ok(());
    }
    Err(StepError::State {
        what: "clean this node".to_owned(),
        observed: format!(
            "its etcd member {} answers and votes in cluster {}",
            member.id, list.cluster
        ),
        remedy: "Remove the member by id through etcd on another node first.".to_owned(),
    })
}

async fn check_gone<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let mut left = Vec::new();
    for folder in [layout::MANIFESTS, layout::PKI] {
        for entry in cx.host.list(Path::new(folder)).await?.unwrap_or_default() {
            left.push(format!("{folder}/{}", entry.name));
        }
    }
    for file in [
        layout::ADMIN_CONF,
        layout::KUBELET_CONF,
        layout::BOOTSTRAP_KUBELET_CONF,
        layout::KUBELET_CONFIG,
    ] {
        if cx.host.read(Path::new(file)).await?.is_some() {
            left.push(file.to_owned());
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(StepError::State {
        what: "clean this node".to_owned(),
        observed: format!("kubeadm reset ended well and left {}", left.join(", ")),
        remedy: "Look at the words of `kubeadm reset` in the journal, put the cause right, and try again.".to_owned(),
    })
}
