//! Waits of an upgrade: nothing counts that was seen once. Each says what it waits for and what it saw last.

use std::time::Duration;

use hactl_node_plan::etcd::{EtcdCall, EtcdRequest, MemberHealth};
use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::config::host_port;
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::plan::kubernetes::stacked;
use hactl_node_plan::rollout::images::VERSIONED;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::API_SERVER_PORT;
use hactl_proto::version::KubernetesVersion;

use super::keep;
use crate::etcd::view;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::{Host, Question};
use crate::inspect::kubernetes::api_server;
use crate::inspect::rollout::{manifests, own_node, running};

/// Looks in a row that have to see the same.
const PASSES: u32 = 3;
const EVERY: Duration = Duration::from_secs(1);
/// Until the first of them: what a node waits for then is most often there within a second or two.
const SOON: Duration = Duration::from_millis(250);
/// Between such looks. What keeps a node from being well shows at any of them; a longer pause only makes its turn longer.
const AGAIN: Duration = Duration::from_millis(500);
/// kubeadm has waited for most of it already.
const CONTROL_PLANE_LIMIT: Duration = Duration::from_mins(6);
const NODE_LIMIT: Duration = Duration::from_mins(10);

/// Waits until `look` finds nothing wrong [`PASSES`] times in a row.
async fn passes<H, F, R>(
    cx: &ExecuteContext<H>,
    condition: &str,
    limit: Duration,
    look: F,
) -> Result<(), StepError>
where
    H: Host,
    F: Fn() -> R + Send + Sync,
    R: Future<Output = Option<String>> + Send,
{
    cx.wait(condition, SOON, limit, || async {
        for pass in 1..=PASSES {
            if pass > 1 {
                tokio::time::sleep(AGAIN).await;
            }
            if let Some(wrong) = look().await {
                return Ok(Condition::Pending(wrong));
            }
        }
        Ok(Condition::Met(()))
    })
    .await
}

/// The static pods' manifests name the target, and the container runtime runs it. An older API server may still be ending beside it: it
/// keeps the watches that came through a load balancer for its 30 s of grace, while the new one has the port and serves.
pub(super) async fn static_pods<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let tag = super::target(cx)?.to_string();
    let name = format!("the static pods of {} at {tag}", cx.node.node);
    cx.wait(&name, EVERY, CONTROL_PLANE_LIMIT, || async {
        let wrong = static_pods_complaint(cx, &tag).await;
        Ok(wrong.map_or(Condition::Met(()), Condition::Pending))
    })
    .await
}

async fn static_pods_complaint<H: Host>(cx: &ExecuteContext<H>, tag: &str) -> Option<String> {
    let (manifests, running) = tokio::join!(manifests(&*cx.host), running(&*cx.host));
    let (manifests, running) = match (manifests, running) {
        (Ok(manifests), Ok(running)) => (manifests, running),
        (Err(reason), _) | (_, Err(reason)) => return Some(reason),
    };
    VERSIONED.iter().find_map(|component| {
        if manifests.get(*component).map(String::as_str) != Some(tag) {
            return Some(format!("{component}'s manifest names another version"));
        }
        let tags = running.get(*component);
        let runs = tags.is_some_and(|tags| tags.contains(tag));
        (!runs).then(|| {
            let tags = tags.map(|tags| tags.iter().cloned().collect::<Vec<_>>().join(" and "));
            format!(
                "{component} runs {}",
                tags.unwrap_or_else(|| "nowhere".to_owned())
            )
        })
    })
}

/// API server ready and live (at that version, where given), etcd member started, voting, healthy and leader known.
pub(in crate::execute) async fn control_plane<H: Host>(
    cx: &ExecuteContext<H>,
    version: Option<&KubernetesVersion>,
) -> Result<(), StepError> {
    let name = format!("API server and etcd member of {} well", cx.node.node);
    passes(cx, &name, CONTROL_PLANE_LIMIT, || {
        control_plane_complaint(cx, version)
    })
    .await
}

async fn control_plane_complaint<H: Host>(
    cx: &ExecuteContext<H>,
    version: Option<&KubernetesVersion>,
) -> Option<String> {
    if stacked(&cx.node)
        && let Some(wrong) = member_complaint(cx).await
    {
        return Some(wrong);
    }
    if !api_server(&*cx.host, cx.node.address).await.serves() {
        return Some("its API server is not ready".to_owned());
    }
    let wanted = version?.to_string();
    if let Some(wrong) = static_pods_complaint(cx, &wanted).await {
        return Some(wrong);
    }
    let said = api_version(cx)
        .await
        .unwrap_or_else(|| "nothing".to_owned());
    (said != wanted).then(|| format!("its API server says {said}"))
}

pub(in crate::execute) async fn member_complaint<H: Host>(
    cx: &ExecuteContext<H>,
) -> Option<String> {
    let endpoint = EtcdCall::local(EtcdRequest::Members).endpoint;
    let list = match view::members(&*cx.host, &endpoint).await {
        Ok(list) => list,
        Err(error) => return Some(error.to_string()),
    };
    let Some(member) = list.at(cx.node.address) else {
        return Some("etcd does not list its member".to_owned());
    };
    if !member.started() || member.learner {
        return Some("its etcd member does not vote yet".to_owned());
    }
    match view::health_of(&*cx.host, member).await {
        MemberHealth::Healthy => None,
        MemberHealth::Unhealthy(reason) => Some(format!("its etcd member: {reason}")),
    }
}

async fn api_version<H: Host>(cx: &ExecuteContext<H>) -> Option<String> {
    let authority = host_port(&cx.node.address.to_string(), API_SERVER_PORT);
    let question = Question::Get {
        url: format!("https://{authority}/version"),
        ca_file: Some(layout::CA.to_owned()),
        identity: None,
    };
    let answer = cx.host.ask(&question).await.ok()?;
    let said: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    said["gitVersion"].as_str().map(str::to_owned)
}

/// The Node, Ready, with a kubelet of this version.
pub(super) async fn node<H: Host>(
    cx: &ExecuteContext<H>,
    version: &KubernetesVersion,
) -> Result<(), StepError> {
    let name = format!("Node {} Ready at {version}", cx.node.node);
    passes(cx, &name, NODE_LIMIT, || async {
        match own_node(&*cx.host, &cx.node).await {
            Known::Is(Some(found)) if found.kubelet.as_ref() != Some(version) => {
                Some(match found.kubelet {
                    Some(kubelet) => format!("its kubelet says {kubelet}"),
                    None => "its kubelet says no version".to_owned(),
                })
            }
            Known::Is(Some(found)) => (!found.ready).then_some(found.message),
            Known::Is(None) => Some("it is not registered".to_owned()),
            Known::Unknown(reason) => Some(reason),
        }
    })
    .await
}

/// The node is as well as it was.
pub(super) async fn restored<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    if cx.node.role == NodeRole::ControlPlane {
        control_plane(cx, None).await?;
    }
    match keep::before(cx).await?.kubelet {
        Some(version) => node(cx, &version).await,
        None => Ok(()),
    }
}

/// Leadership goes to another healthy voter. A member that is alone keeps it.
pub(super) async fn move_leader<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let endpoint = EtcdCall::local(EtcdRequest::Status).endpoint;
    let name = format!("etcd's leadership away from {}", cx.node.node);
    cx.wait(&name, EVERY, Duration::from_mins(1), || async {
        let view = match view::view(&*cx.host, &endpoint).await {
            Ok(view) => view,
            Err(error) => return Ok(Condition::Pending(error.to_string())),
        };
        let Some(own) = view.list.at(cx.node.address) else {
            return Err(StepError::state(
                "move etcd's leadership",
                "etcd does not list this node's member",
                "Look at etcd's member list.",
            ));
        };
        let status = view::status(&*cx.host, &endpoint).await?;
        if view.list.members.len() == 1 || status.leader.is_some_and(|leader| leader != own.id) {
            return Ok(Condition::Met(()));
        }
        let heir = view
            .list
            .voters()
            .find(|member| member.id != own.id && view.healthy(member));
        let Some(heir) = heir else {
            return Ok(Condition::Pending("no other member is healthy".to_owned()));
        };
        let asked = EtcdCall::local(EtcdRequest::MoveLeader(heir.id));
        Ok(match cx.host.etcd(&asked).await {
            Ok(_) => Condition::Pending(format!("{} was asked to lead", heir.name)),
            Err(error) => Condition::Pending(error.to_string()),
        })
    })
    .await
}
