//! Every reason against an upgrade that can be seen beforehand, all at once, each with what to do. Unknown counts as unhealthy.

mod node;

use std::collections::BTreeMap;

use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::survey::{ClusterSurvey, NodeSeen};
use hactl_proto::spec::EtcdTopology;
use hactl_proto::version::KubernetesVersion;

use super::hops::{etcd_gate, etcd_minor};
use super::plan::chosen;
use node::{of_kubelet, of_node};

use super::{Blocker, Request, Seen, SeenNode};

/// Where no version can be upgraded from.
pub(super) fn no_version(seen: &Seen) -> Blocker {
    let silent: Vec<String> = seen
        .control_planes()
        .filter(|node| node.api_server().is_none())
        .map(|node| match node.survey.silence() {
            Some(silence) => format!("{} ({})", node.name, silence.reason),
            None => format!("{} (no manifest of an API server)", node.name),
        })
        .collect();
    blocker(
        None,
        "api-server-versions",
        format!("no word from {}", silent.join(", ")),
        "the version of every control plane's API server",
        "Bring these control planes up, see `hactl-controller status`, then ask again.",
    )
}

/// Every reason.
pub(super) fn of(
    seen: &Seen,
    request: &Request,
    from: &KubernetesVersion,
    hops: &[KubernetesVersion],
    missing: &[u16],
) -> Vec<Blocker> {
    let mut reasons = path(seen, request, from, missing);
    reasons.extend(canaries(seen, request));
    let known: BTreeMap<&NodeName, &NodeSeen> = match &seen.cluster {
        Ok(cluster) => cluster
            .nodes
            .iter()
            .map(|node| (&node.name, node))
            .collect(),
        Err(_) => BTreeMap::new(),
    };
    for node in seen.nodes.iter().filter(|node| chosen(node, request)) {
        reasons.extend(of_node(seen, node, request, hops));
        if seen.cluster.is_ok() {
            reasons.extend(of_kubelet(
                node,
                known.get(&node.name).copied(),
                from,
                request,
            ));
        }
    }
    match &seen.cluster {
        Ok(cluster) => reasons.extend(of_cluster(seen, cluster, request, from)),
        Err(why) => reasons.push(blocker(
            None,
            "cluster-known",
            format!("no control plane tells of the cluster: {why}"),
            "the word of a control plane that serves",
            "Bring a control plane's API server and etcd up, see `hactl-controller status`, then ask again.",
        )),
    }
    reasons
}

fn path(seen: &Seen, request: &Request, from: &KubernetesVersion, missing: &[u16]) -> Vec<Blocker> {
    let mut reasons = Vec::new();
    let to = &request.to;
    if to < from || to.major != from.major {
        reasons.push(blocker(
            None,
            "target-newer",
            format!("the API servers run {from}"),
            &format!("a target that is not older than that, not {to}"),
            "Kubernetes goes up only. To go back, restore etcd's snapshot of before (kubeadm has no downgrade).",
        ));
    }
    for minor in missing {
        reasons.push(blocker(
            None,
            "hop-offered",
            format!("no version of v1.{minor} is offered on all nodes"),
            &format!("one minor at a time: v1.{minor} lies between {from} and {to}"),
            "Add the repository of that minor to every node and refresh it.",
        ));
    }
    let next = (from.minor + 1).min(to.minor);
    for node in seen.control_planes() {
        let Some(version) = node.api_server() else {
            continue;
        };
        if version != *from && version != *to && version.minor != next {
            reasons.push(blocker(
                Some(&node.name),
                "api-servers-equal",
                format!("its API server is {version}, the lowest of all is {from}"),
                "one version on all, or an upgrade to go on with",
                "Finish the upgrade that was begun: ask for that version first.",
            ));
        }
    }
    reasons
}

/// A canary that is not there would go first unseen.
fn canaries(seen: &Seen, request: &Request) -> Vec<Blocker> {
    let policy = &request.policy.canary;
    let first = policy.control_plane.iter();
    let wanted = first
        .map(|name| (name, NodeRole::ControlPlane))
        .chain(policy.workers.iter().map(|name| (name, NodeRole::Worker)));
    let absent = wanted.filter(|(name, role)| {
        let there = |node: &SeenNode| node.name == **name && node.role == *role;
        !seen.nodes.iter().any(there)
    });
    absent
        .map(|(name, role)| {
            let what = match role {
                NodeRole::ControlPlane => "control plane",
                NodeRole::Worker => "worker",
            };
            blocker(
                Some(name),
                "canary-known",
                format!("no {what} of that name is known"),
                "every canary of spec.upgrade.canary a node of the cluster",
                "Name another one, or let it join first.",
            )
        })
        .collect()
}

fn of_cluster(
    seen: &Seen,
    cluster: &ClusterSurvey,
    request: &Request,
    from: &KubernetesVersion,
) -> Vec<Blocker> {
    let mut reasons = Vec::new();
    if matches!(seen.spec.etcd, EtcdTopology::Stacked { .. }) {
        reasons.extend(of_etcd(seen, cluster, request, from));
    }
    for budget in &cluster.budgets {
        let nodes: BTreeMap<&str, &SeenNode> = seen
            .nodes
            .iter()
            .filter(|node| chosen(node, request))
            .map(|node| (node.name.as_str(), node))
            .collect();
        let pods: Vec<String> = budget
            .pods
            .iter()
            .filter(|(_, node)| nodes.contains_key(node.as_str()))
            .map(|(pod, node)| format!("{pod} on {node}"))
            .collect();
        if !pods.is_empty() {
            let owner = if budget.owner.is_empty() {
                "no owner"
            } else {
                &budget.owner
            };
            reasons.push(blocker(
                None,
                "disruption-budget",
                format!("PodDisruptionBudget {} of {owner} allows no disruption: {}", budget.name, pods.join(", ")),
                "a budget that lets one pod go at a time",
                "Give the owner one more ready pod, or relax the budget (minAvailable, maxUnavailable).",
            ));
        }
    }
    for api in &cluster.deprecated {
        if removed_by(&api.removed, &request.to) {
            reasons.push(blocker(
                None,
                "removed-api",
                format!("{} is still asked for; v{} does not serve it", api.api, api.removed),
                "no client that needs what the target removed",
                "Find the client in the audit log (annotation k8s.io/removed-release) and move it to the newer API.",
            ));
        }
    }
    reasons
}

fn removed_by(release: &str, to: &KubernetesVersion) -> bool {
    let minor = release
        .split_once('.')
        .and_then(|(_, minor)| minor.parse::<u16>().ok());
    minor.is_some_and(|minor| minor <= to.minor)
}

fn of_etcd(
    seen: &Seen,
    cluster: &ClusterSurvey,
    request: &Request,
    from: &KubernetesVersion,
) -> Vec<Blocker> {
    let mut reasons = Vec::new();
    let remedy = "See `hactl-controller status`; bring the member up, or replace its node, before anything is taken down.";
    let wanted = seen.control_planes().count();
    if cluster.etcd.len() != wanted {
        reasons.push(blocker(
            None,
            "etcd-members",
            format!("etcd lists {} members", cluster.etcd.len()),
            &format!("{wanted}, one on each control plane"),
            remedy,
        ));
    }
    for member in &cluster.etcd {
        let wrong = member
            .complaint
            .clone()
            .or_else(|| (!member.voter).then(|| "it is a learner".to_owned()));
        if let Some(wrong) = wrong {
            reasons.push(blocker(
                None,
                "etcd-members",
                format!("member {} ({}): {wrong}", member.name, member.id),
                "every member started, voting and healthy",
                remedy,
            ));
        }
        reasons.extend(version_path(
            member.name.as_str(),
            member.version.as_deref(),
            from,
            request,
        ));
    }
    if !cluster.alarms.is_empty() {
        reasons.push(blocker(
            None,
            "etcd-alarms",
            cluster.alarms.join(", "),
            "no alarm",
            "NOSPACE: compact, defragment, disarm. CORRUPT: replace the member.",
        ));
    }
    reasons
}

fn version_path(
    member: &str,
    version: Option<&str>,
    from: &KubernetesVersion,
    request: &Request,
) -> Option<Blocker> {
    let (now, then) = (etcd_minor(from.minor), etcd_minor(request.to.minor));
    let (minor, patch) = (now + 1..=then).find_map(etcd_gate)?;
    let mut parts = version?.split('.').map(str::parse::<u16>);
    let (_, own_minor, own_patch) = (parts.next()?, parts.next()?.ok()?, parts.next()?.ok()?);
    (own_minor == minor && own_patch < patch).then(|| {
        blocker(
            None,
            "etcd-version-path",
            format!("member {member} runs etcd {}", version.unwrap_or_default()),
            &format!(
                "3.{minor}.{patch} or newer on every member before 3.{}",
                minor + 1
            ),
            "Go to the newest patch of the present minor first; it brings a newer etcd.",
        )
    })
}

pub(super) fn blocker(
    node: Option<&NodeName>,
    check: &str,
    observed: String,
    wanted: &str,
    remedy: &str,
) -> Blocker {
    Blocker {
        node: node.cloned(),
        finding: Finding::refusal(check, observed, wanted, remedy),
    }
}
