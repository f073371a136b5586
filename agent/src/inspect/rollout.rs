//! Reads the facts that only a rolling upgrade asks for. Every question is bounded; nothing is changed.

mod cluster;
mod packages;
mod records;
mod static_pods;

use std::collections::BTreeSet;
use std::path::Path;

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::rollout::RolloutFacts;
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::last_line;
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::rollout::agent_package;
use hactl_node_plan::rollout::packages::Repositories;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::RolloutOrder;
use hactl_proto::rollout::agent::{AgentVersion, PackageFormat};
use hactl_proto::rotation::{Authority, Stage};

pub use cluster::{cluster_lease, cluster_version, kubelet_changes, own_node};
use cluster::{evictable, leader, object};
pub use packages::{folder, free_bytes, offers, source, tool};
pub use records::{progress, renewal, staged};
pub use static_pods::{manifests, running, running_of};

use crate::host::{Host, Question};
use crate::inspect::certificates::{Ports, certificates};
use crate::inspect::trust;
use crate::paths::Paths;
use crate::rollout::installed_agent;

/// HAProxy's admin socket, as our own configuration names it.
pub const ADMIN_SOCKET: &str = "/run/haproxy/admin.sock";

/// Reads what this order's plan asks for.
pub async fn inspect<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    order: &RolloutOrder,
) -> RolloutFacts {
    let mut facts = RolloutFacts {
        staged: staged(host, paths).await,
        progress: progress(host, paths).await,
        ..RolloutFacts::default()
    };
    let lease = async {
        match node.role {
            NodeRole::ControlPlane => cluster_lease(host, node).await,
            NodeRole::Worker => RolloutFacts::default().lease,
        }
    };
    let (lease, ()) = tokio::join!(lease, asked(host, node, paths, order, &mut facts));
    facts.lease = lease;
    facts
}

async fn asked<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    order: &RolloutOrder,
    facts: &mut RolloutFacts,
) {
    match order {
        RolloutOrder::Stage { .. } => {
            facts.source = source(host).await;
            facts.offers = known(offers(host, facts.source, Repositories::Asked).await);
            facts.folder = folder(host).await;
            facts.free_bytes = known(free_bytes(host).await);
        }
        RolloutOrder::SnapshotEtcd => {
            let kept = host.list(&paths.snapshots()).await.ok().flatten();
            let kept = kept.unwrap_or_default().into_iter();
            facts.snapshots = kept.map(|entry| entry.name).collect();
        }
        RolloutOrder::ReleaseBackend { .. } | RolloutOrder::ReturnBackend { .. } => {
            facts.released = known(released(host).await);
        }
        RolloutOrder::Drain(drain) => {
            facts.subject = object(host, &Kubectl::admin(node.address), &drain.node).await;
            facts.evictable = known(evictable(host, node, &drain.node).await);
        }
        RolloutOrder::Uncordon { node: subject } => {
            facts.subject = object(host, &Kubectl::admin(node.address), subject).await;
        }
        RolloutOrder::Upgrade(_) => upgrade(host, node, paths, facts).await,
        RolloutOrder::ReplaceAgent(order) => {
            facts.agent = known(installed_agent(host).await);
            if let Known::Is(Some(installed)) = &facts.agent {
                let file = paths.packages().join(order.digest.to_string());
                facts.brought = known(brought(host, installed.format, &file).await);
            }
        }
        RolloutOrder::RenewCertificates { .. } => {
            facts.renewal = renewal(host, paths).await;
            facts.certificates = Known::Is(certificates(host, node, paths, Ports::Leave).await);
            facts.leader = leader(host).await;
        }
        RolloutOrder::RotateAuthority(order) => {
            let mut seen = trust::seen(host, node, paths, order.authority).await;
            if order.stage == Stage::Pods {
                seen.pods = Some(trust::pods(host, node).await);
            }
            let alone = order.authority == Authority::Kubernetes && order.stage == Stage::Distrust;
            if alone && seen.complaint.is_none() {
                seen.complaint = trust::other_record(host, paths).await;
            }
            facts.trust = Known::Is(seen);
            facts.kubelet_pair = known(there(host, &paths.kubelet_pair()).await);
            facts.renewal = renewal(host, paths).await;
            facts.certificates = Known::Is(certificates(host, node, paths, Ports::Leave).await);
            facts.leader = leader(host).await;
        }
        RolloutOrder::InstallKubeletCertificate => {
            facts.kubelet_pair = known(there(host, &paths.kubelet_pair()).await);
            facts.certificates = Known::Is(certificates(host, node, paths, Ports::Leave).await);
        }
    }
}

/// What a package that was brought holds; `None`: there is no such file.
async fn brought<H: Host>(
    host: &H,
    format: PackageFormat,
    file: &Path,
) -> Result<Option<(String, AgentVersion)>, String> {
    let there = host.stamp(file).await.map_err(|error| error.to_string())?;
    if there.is_none() {
        return Ok(None);
    }
    let answer = ask(host, &agent_package::holds(format, &file.to_string_lossy())).await?;
    let held = agent_package::parse_holds(&answer);
    held.map(Some)
        .ok_or_else(|| "the package tool tells no name and version".to_owned())
}

async fn upgrade<H: Host>(host: &H, node: &NodeContext, paths: &Paths, facts: &mut RolloutFacts) {
    let of_the_cluster = async {
        match node.role {
            NodeRole::ControlPlane => {
                tokio::join!(cluster_version(host, node), leader(host))
            }
            NodeRole::Worker => {
                let unread = RolloutFacts::default();
                (unread.cluster_version, unread.leader)
            }
        }
    };
    let (manifests, running, object, changes, (version, leader)) = tokio::join!(
        manifests(host),
        running(host),
        own_node(host, node),
        kubelet_changes(host, node),
        of_the_cluster
    );
    facts.manifests = known(manifests);
    facts.running = known(running);
    facts.node = object;
    facts.kubelet_changes = known(changes);
    facts.rotating = known(trust::rotating(host, node, paths).await);
    facts.cluster_version = version;
    facts.leader = leader;
}

async fn there<H: Host>(host: &H, path: &Path) -> Result<bool, String> {
    let stamp = host.stamp(path).await;
    Ok(stamp.map_err(|error| error.to_string())?.is_some())
}

/// Control planes that this node's HAProxy was told to let go of.
pub async fn released<H: Host>(host: &H) -> Result<BTreeSet<NodeName>, String> {
    let question = Question::Converse {
        path: ADMIN_SOCKET.to_owned(),
        line: "show servers state api-servers".to_owned(),
    };
    let answer = host
        .ask(&question)
        .await
        .map_err(|error| error.to_string())?;
    Ok(hactl_node_plan::endpoint::haproxy::released(
        &String::from_utf8_lossy(&answer.body),
    ))
}

/// Runs a command that has to succeed.
pub async fn ask<H: Host>(host: &H, command: &Command) -> Result<Output, String> {
    let answer = host.run(command).await.map_err(|error| error.to_string())?;
    if answer.success() {
        Ok(answer)
    } else {
        Err(format!(
            "{}: {}",
            command.program,
            last_line(&answer.stderr)
        ))
    }
}

fn known<T>(read: Result<T, String>) -> Known<T> {
    read.map_or_else(Known::Unknown, Known::Is)
}
