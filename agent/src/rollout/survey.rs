//! What an upgrade has to know of this node and, on a control plane that serves, of the cluster. Nothing is changed.

use std::collections::BTreeSet;

use hactl_node_plan::etcd::MemberHealth;
use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::{NodeObject, nodes};
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::plan::kubernetes::stacked;
use hactl_node_plan::prerequisite::Requirements;
use hactl_node_plan::rollout::budget::{blocking, pods};
use hactl_node_plan::rollout::deprecated::deprecated;
use hactl_node_plan::rollout::packages::Repositories;
use hactl_node_plan::rollout::{CORDONED_ANNOTATION, FENCE_ANNOTATION, packages};
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::survey::{
    ClusterSurvey, Installed, MemberSeen, NodeSeen, NodeSurvey, PackageSource, Unfinished,
};
use hactl_proto::spec::EndpointMode;
use hactl_proto::status::InstalledVersions;
use hactl_proto::version::KubernetesVersion;

use super::Rollouts;
use crate::etcd::view;
use crate::health::certificates;
use crate::host::Host;
use crate::inspect::kubernetes::etcd_view;
use crate::inspect::rollout::{
    ask, cluster_lease, cluster_version, folder, free_bytes, kubelet_changes, manifests, offers,
    progress, released, source, staged,
};
use crate::inspect::trust::rotating;

impl<H: Host> Rollouts<H> {
    /// Looks now.
    pub(crate) async fn look(&self, cluster: bool) -> NodeSurvey {
        let (host, node) = (&*self.host, self.operations.node());
        let source = source(host).await;
        let offered = match source {
            PackageSource::Folder => Ok(folder(host).await.into_iter().collect()),
            _ => offers(host, source, Repositories::Asked)
                .await
                .map(|offers| packages::complete(&offers)),
        };
        let unfinished = match progress(host, &self.paths).await {
            Known::Is(Some(progress)) if !progress.finished => Some(Unfinished {
                target: progress.target,
                part: progress.part,
            }),
            _ => None,
        };
        let (seen, unknown) = if cluster {
            match survey(host, &node).await {
                Ok(seen) => (Some(seen), None),
                Err(reason) => (None, Some(reason)),
            }
        } else {
            (None, None)
        };
        let (released, released_unknown) = match let_go(host, &node).await {
            Ok(released) => (released, None),
            Err(reason) => (BTreeSet::new(), Some(reason)),
        };
        NodeSurvey {
            node: node.node.clone(),
            installed: Installed {
                versions: self.versions().await,
                source,
            },
            offered,
            staged: staged(host, &self.paths).await.known().cloned().flatten(),
            static_pods: manifests(host).await.unwrap_or_default(),
            unfinished,
            free_bytes: free_bytes(host).await.ok(),
            certificate_expiry: certificates::soonest_end(host, &node, &self.paths).await,
            kubelet_changes: kubelet_changes(host, &node).await,
            rotating: rotating(host, &node, &self.paths).await,
            released,
            released_unknown,
            agent: Some(self.own().await),
            cluster: seen,
            cluster_unknown: unknown,
        }
    }

    async fn versions(&self) -> InstalledVersions {
        let wanted = Requirements::of(&self.operations.node());
        let machine = self
            .operations
            .machine()
            .inspect(&*self.host, &wanted)
            .await;
        let installed = |fact: &Known<Option<KubernetesVersion>>| fact.known().cloned().flatten();
        InstalledVersions {
            kubeadm: installed(&machine.packages.kubeadm),
            kubelet: installed(&machine.packages.kubelet),
            kubectl: installed(&machine.packages.kubectl),
        }
    }
}

/// What our load balancer was told to let go of.
async fn let_go<H: Host>(host: &H, node: &NodeContext) -> Result<BTreeSet<NodeName>, String> {
    let ours = matches!(node.spec.endpoint.mode, EndpointMode::Managed { .. });
    if ours && node.role == NodeRole::ControlPlane {
        released(host).await
    } else {
        Ok(BTreeSet::new())
    }
}

/// The cluster through this node's own API server and etcd member.
async fn survey<H: Host>(host: &H, node: &NodeContext) -> Result<ClusterSurvey, String> {
    let kubectl = Kubectl::admin(node.address);
    let seen =
        nodes(&ask(host, &kubectl.nodes()).await?.stdout).ok_or("the Nodes can't be read")?;
    let pods =
        pods(&ask(host, &kubectl.pods(None)).await?.stdout).ok_or("the pods can't be read")?;
    let budgets = ask(host, &kubectl.budgets()).await?;
    let (etcd, alarms) = members(host, node).await?;
    Ok(ClusterSurvey {
        version: match cluster_version(host, node).await {
            Known::Is(version) => version,
            Known::Unknown(reason) => return Err(reason),
        },
        nodes: seen.into_iter().filter_map(node_seen).collect(),
        budgets: blocking(&budgets.stdout, &pods).ok_or("the budgets can't be read")?,
        etcd,
        alarms,
        deprecated: deprecated(&ask(host, &kubectl.metrics()).await?.stdout),
        lease: match cluster_lease(host, node).await {
            Known::Is(lease) => lease
                .filter(|lease| !lease.free(host.now()))
                .map(|lease| lease.holder),
            Known::Unknown(reason) => return Err(reason),
        },
    })
}

fn node_seen(node: NodeObject) -> Option<NodeSeen> {
    Some(NodeSeen {
        name: NodeName::new(node.name).ok()?,
        kubelet: node.kubelet,
        ready: node.ready,
        cordoned: node.unschedulable,
        cordoned_by_hactl: [CORDONED_ANNOTATION, FENCE_ANNOTATION]
            .iter()
            .any(|mark| node.annotations.contains_key(*mark)),
    })
}

async fn members<H: Host>(
    host: &H,
    node: &NodeContext,
) -> Result<(Vec<MemberSeen>, Vec<String>), String> {
    if !stacked(node) {
        return Ok((Vec::new(), Vec::new()));
    }
    let seen = match etcd_view(host).await {
        Known::Is(Some(view)) => view,
        Known::Is(None) => return Err("no etcd runs here".to_owned()),
        Known::Unknown(reason) => return Err(reason),
    };
    let mut members = Vec::new();
    for member in &seen.list.members {
        let version = match member.client_urls.first() {
            Some(url) => view::status(host, url)
                .await
                .ok()
                .map(|status| status.version),
            None => None,
        };
        members.push(MemberSeen {
            name: member.name.clone(),
            id: member.id.to_string(),
            voter: !member.learner,
            complaint: (seen.health.get(&member.id) != Some(&MemberHealth::Healthy))
                .then(|| seen.complaint(member)),
            version,
        });
    }
    match seen.alarms {
        Known::Is(alarms) => Ok((members, alarms)),
        Known::Unknown(reason) => Err(format!("etcd's alarms: {reason}")),
    }
}
