//! Reads the facts that only a rolling upgrade asks for. Every question is bounded; nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hactl_node_plan::certificate::renewal::{self, RenewalProgress};
use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::etcd::{EtcdCall, EtcdRequest, MemberId};
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::machine::packages::parse_dpkg_status;
use hactl_node_plan::facts::rollout::RolloutFacts;
use hactl_node_plan::join::lease::{self, Lease};
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::{self, NodeObject, config_map, last_line};
use hactl_node_plan::kubeadm::{Kubeadm, layout};
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::rollout::budget::pods;
use hactl_node_plan::rollout::packages::Repositories;
use hactl_node_plan::rollout::progress::{self, Progress};
use hactl_node_plan::rollout::{agent_package, images, kubelet_config, packages};
use hactl_node_plan::step::machine::PackageTool;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::RolloutOrder;
use hactl_proto::rollout::agent::{AgentVersion, PackageFormat};
use hactl_proto::rollout::survey::{PackageSource, Staged};
use hactl_proto::version::KubernetesVersion;

use crate::etcd::view;
use crate::host::{Host, Question};
use crate::inspect::certificates::{Ports, certificates};
use crate::inspect::trust;
use crate::paths::Paths;
use crate::rollout::installed_agent;

/// HAProxy's admin socket, as our own configuration names it.
pub const ADMIN_SOCKET: &str = "/run/haproxy/admin.sock";
/// Static pods with an image of their own name.
const COMPONENTS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

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
        RolloutOrder::Upgrade(_) => upgrade(host, node, facts).await,
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
            facts.trust = Known::Is(trust::seen(host, node, paths, order.authority).await);
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

async fn upgrade<H: Host>(host: &H, node: &NodeContext, facts: &mut RolloutFacts) {
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
    facts.cluster_version = version;
    facts.leader = leader;
}

/// This node's own Node: as administrator at its own API server, else through the endpoint; a worker as its kubelet.
pub async fn own_node<H: Host>(host: &H, node: &NodeContext) -> Known<Option<NodeObject>> {
    if node.role == NodeRole::Worker {
        return object(host, &Kubectl::kubelet(), &node.node).await;
    }
    match object(host, &Kubectl::admin(node.address), &node.node).await {
        Known::Unknown(_) => object(host, &Kubectl::admin_at_endpoint(), &node.node).await,
        known @ Known::Is(_) => known,
    }
}

async fn object<H: Host>(
    host: &H,
    kubectl: &Kubectl,
    name: &NodeName,
) -> Known<Option<NodeObject>> {
    match host.run(&kubectl.node(name)).await {
        Ok(answer) => output::object(&answer, output::node),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

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

/// Tags of the images in the static pods' manifests.
pub async fn manifests<H: Host>(host: &H) -> Result<BTreeMap<String, String>, String> {
    let mut tags = BTreeMap::new();
    for component in COMPONENTS {
        let path = format!("{}/{component}.yaml", layout::MANIFESTS);
        let text = host
            .read(Path::new(&path))
            .await
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        if let Some(tag) = images::of_manifest(&text, component) {
            tags.insert(component.to_owned(), tag);
        }
    }
    Ok(tags)
}

/// Tags that run, as the container runtime sees them.
pub async fn running<H: Host>(host: &H) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let [containers, tasks, digests] = runtime(host).await?;
    Ok(images::running(&containers, &tasks, &digests))
}

/// The ids of a component's containers that run.
pub async fn running_of<H: Host>(host: &H, component: &str) -> Result<BTreeSet<String>, String> {
    let [containers, tasks, digests] = runtime(host).await?;
    Ok(images::running_of(component, &containers, &tasks, &digests))
}

/// The runtime's containers, tasks, and images where they are wanted.
async fn runtime<H: Host>(host: &H) -> Result<[String; 3], String> {
    let (containers, tasks) = (images::containers(), images::tasks());
    let (containers, tasks) = tokio::try_join!(ask(host, &containers), ask(host, &tasks))?;
    let (containers, tasks) = (containers.stdout, tasks.stdout);
    let by_digest = containers.contains(" sha256:");
    let digests = if by_digest {
        ask(host, &images::digests()).await?.stdout
    } else {
        String::new()
    };
    Ok([containers, tasks, digests])
}

/// What was brought here for a version.
pub async fn staged<H: Host>(host: &H, paths: &Paths) -> Known<Option<Staged>> {
    match host.read(&paths.upgrade().join("staged.json")).await {
        Ok(None) => Known::Is(None),
        Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_or_else(
            |error| Known::Unknown(error.to_string()),
            |staged| Known::Is(Some(staged)),
        ),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// How far a renewal of certificates has come.
pub async fn renewal<H: Host>(host: &H, paths: &Paths) -> Known<Option<RenewalProgress>> {
    match host.read(&paths.renewal()).await {
        Ok(None) => Known::Is(None),
        Ok(Some(bytes)) => match renewal::read(&String::from_utf8_lossy(&bytes)) {
            Ok(progress) => Known::Is(Some(progress)),
            Err(reason) => Known::Unknown(reason),
        },
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// How far an upgrade of this node has come.
pub async fn progress<H: Host>(host: &H, paths: &Paths) -> Known<Option<Progress>> {
    match host.read(&paths.upgrade().join("progress.json")).await {
        Ok(None) => Known::Is(None),
        Ok(Some(bytes)) => match progress::read(&String::from_utf8_lossy(&bytes)) {
            Ok(progress) => Known::Is(Some(progress)),
            Err(reason) => Known::Unknown(reason),
        },
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// `kubernetesVersion` of kubeadm-config.
pub async fn cluster_version<H: Host>(
    host: &H,
    node: &NodeContext,
) -> Known<Option<KubernetesVersion>> {
    let command = Kubectl::admin(node.address).object("kube-system", "configmap", "kubeadm-config");
    let answer = match host.run(&command).await {
        Ok(answer) => answer,
        Err(error) => return Known::Unknown(error.to_string()),
    };
    let Known::Is(data) = output::object(&answer, config_map) else {
        return Known::Unknown(last_line(&answer.stderr));
    };
    let text = data
        .unwrap_or_default()
        .remove("ClusterConfiguration")
        .unwrap_or_default();
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("kubernetesVersion:"));
    Known::Is(version.and_then(|version| version.trim().parse().ok()))
}

/// What `kubeadm upgrade` would overwrite of the kubelet's configuration.
pub async fn kubelet_changes<H: Host>(host: &H, node: &NodeContext) -> Result<Vec<String>, String> {
    let own = host
        .read(Path::new(layout::KUBELET_CONFIG))
        .await
        .map_err(|error| error.to_string())?;
    let own = own.ok_or_else(|| format!("there is no {}", layout::KUBELET_CONFIG))?;
    let installed = ask(host, &Command::new("kubelet", ["--version"])).await?;
    let version =
        hactl_node_plan::facts::machine::packages::parse_kubernetes_version(&installed.stdout)
            .ok_or("the kubelet names no version")?;
    let kubeadm = Kubeadm::of(&version).ok_or("the kubelet's version is not known here")?;
    let kubectl = match node.role {
        NodeRole::ControlPlane => Kubectl::admin(node.address),
        NodeRole::Worker => Kubectl::kubelet(),
    };
    let map = kubeadm.kubelet_config_map();
    let answer = ask(host, &kubectl.object("kube-system", "configmap", &map)).await?;
    let data = config_map(&answer.stdout).ok_or_else(|| format!("{map} can't be read"))?;
    let kept = data
        .get("kubelet")
        .ok_or_else(|| format!("{map} holds no configuration"))?;
    Ok(kubelet_config::changes(
        &String::from_utf8_lossy(&own),
        kept,
    ))
}

/// The cluster's lease, read at this node's own API server.
pub async fn cluster_lease<H: Host>(host: &H, node: &NodeContext) -> Known<Option<Lease>> {
    let command = Kubectl::admin(node.address).object(lease::NAMESPACE, "lease", lease::NAME);
    match host.run(&command).await {
        Ok(answer) => output::object(&answer, lease::read),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

async fn leader<H: Host>(host: &H) -> Known<Option<MemberId>> {
    let endpoint = EtcdCall::local(EtcdRequest::Status).endpoint;
    match view::status(host, &endpoint).await {
        Ok(status) => Known::Is(status.leader),
        Err(error) => Known::Unknown(error.to_string()),
    }
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

async fn evictable<H: Host>(
    host: &H,
    node: &NodeContext,
    subject: &NodeName,
) -> Result<Vec<String>, String> {
    let answer = ask(host, &Kubectl::admin(node.address).pods(Some(subject))).await?;
    let pods = pods(&answer.stdout).ok_or("the pods can't be read")?;
    let left = pods.into_iter().filter(|pod| !pod.stays);
    Ok(left
        .map(|pod| format!("{}/{}", pod.namespace, pod.name))
        .collect())
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
