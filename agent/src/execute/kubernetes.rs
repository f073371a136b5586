//! Effects of the steps that change Kubernetes on this node.
//!
//! No step is done because a program exited with 0: the waits after kubeadm look at the state itself.

mod config;
mod guard;
mod kubeadm;
mod reset;
mod settle;
mod wait;

pub(super) use config::file as config_file;

use hactl_node_plan::kubeadm::Kubeadm;
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::step::kubernetes::KubernetesStep;
use hactl_proto::role::NodeRole;

use super::{ExecuteContext, StepError};
use crate::host::Host;

/// Carries one of these steps out.
pub(super) async fn execute<H: Host>(
    step: &KubernetesStep,
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    match step {
        KubernetesStep::InstallEtcdGuard => guard::install(cx).await,
        KubernetesStep::Reset => reset::reset(cx).await,
        KubernetesStep::WriteConfig(entrance) => config::write(cx, *entrance).await,
        KubernetesStep::RemoveConfig => config::remove(cx).await,
        KubernetesStep::Preflight(entrance) => kubeadm::preflight(cx, *entrance).await,
        KubernetesStep::Init => kubeadm::init(cx).await,
        KubernetesStep::Join => kubeadm::join(cx).await,
        KubernetesStep::FinishInit => kubeadm::finish_init(cx).await,
        KubernetesStep::FinishJoin => kubeadm::finish_join(cx).await,
        KubernetesStep::AwaitApiServer => wait::api_server(cx).await,
        KubernetesStep::AwaitEtcdMember => wait::etcd_member(cx).await.map(|_| ()),
        KubernetesStep::AwaitNode => wait::node(cx).await,
        KubernetesStep::RecordEtcdMember => guard::record(cx).await,
        KubernetesStep::RemoveInitSecrets => settle::remove_init_secrets(cx).await,
        KubernetesStep::KeepEtcdExisting => settle::keep_etcd_existing(cx).await,
        KubernetesStep::ApplyPodNetwork => settle::apply_pod_network(cx).await,
        KubernetesStep::LabelZone => settle::label_zone(cx).await,
    }
}

/// The kubeadm that the spec's version names; a plan exists only where it is the installed one.
fn installed<H>(cx: &ExecuteContext<H>) -> Result<Kubeadm, StepError> {
    let version = &cx.node.spec.kubernetes.version;
    Kubeadm::of(version).ok_or_else(|| StepError::State {
        what: "know this kubeadm".to_owned(),
        observed: version.to_string(),
        remedy: "Choose a Kubernetes version that this agent knows.".to_owned(),
    })
}

/// kubectl as this node may use it.
fn kubectl<H>(cx: &ExecuteContext<H>) -> Kubectl {
    match cx.node.role {
        NodeRole::ControlPlane => Kubectl::admin(cx.node.address),
        NodeRole::Worker => Kubectl::kubelet(),
    }
}
