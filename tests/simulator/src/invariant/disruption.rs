//! Rollouts: what has to be so at the moment when a node's upgrade begins, and when it is called done.

use std::time::Duration;

use hactl_cluster_plan::rollout::Request;
use hactl_node_plan::command::Command;
use hactl_node_plan::etcd::quorum::quorum;
use hactl_node_plan::rollout::images::{VERSIONED, of_manifest};
use hactl_node_plan::rollout::progress::{self, Progress};
use hactl_proto::instruction::{Instruction, Order};
use hactl_proto::name::NodeName;
use hactl_proto::rollout::{RolloutOrder, UpgradePart};
use hactl_proto::spec::{ClusterSpec, EndpointMode};
use hactl_proto::version::KubernetesVersion;
use hactl_simulation::{Event, Machine, State, etcd_of};
use ring::digest::{SHA256, digest};

use super::books::{Books, PROGRESS, live, under_way};
use super::{I1, I2, I3, I4, I5, I6, I7, I8, Rule};

/// kubeadm leaves the static pod of etcd alone.
const KEEPS_ETCD: &str = "--etcd-upgrade=false";

type Verdict = Result<(), (Rule, String)>;

/// What an event says of rollouts.
pub(super) fn judge(
    books: &mut Books,
    state: &State,
    spec: &ClusterSpec,
    node: &NodeName,
    event: Event<'_>,
) -> Verdict {
    match event {
        Event::Replaced(path) if path == std::path::Path::new(PROGRESS) => {
            let text = state
                .machines
                .get(node)
                .map(|machine| machine.tree.text(PROGRESS));
            let Some(progress) = text.and_then(|text| progress::read(&text).ok()) else {
                return Ok(());
            };
            if progress.finished {
                books.under_way.remove(node);
                return done(state, node, &progress);
            }
            if books.under_way.contains(node) {
                return Ok(());
            }
            begins(books, state, node, &progress)?;
            books.under_way.insert(node.clone());
            Ok(())
        }
        Event::Removed(path) if path == std::path::Path::new(PROGRESS) => {
            books.under_way.remove(node);
            Ok(())
        }
        Event::Begins(command) if command.program == "kubeadm" => {
            if command
                .arguments
                .first()
                .is_some_and(|word| word == "upgrade")
            {
                return stops_components(books, state, spec, node, command);
            }
            Ok(())
        }
        Event::Snapshot(path, true) => {
            snapshot(books, state, node, path);
            Ok(())
        }
        Event::Said(line) => {
            released(books, node, line);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The rollout of an operation, as its id tells it: `r3` of `r3-f7-12-upgrade`.
fn rollout_of(id: &str) -> Option<&str> {
    id.split('-').next().filter(|word| word.starts_with('r'))
}

/// A snapshot counts where the file is whole: judged here by its checksum, not by who says that it was verified.
fn snapshot(books: &mut Books, state: &State, node: &NodeName, path: &std::path::Path) {
    let bytes = state
        .machines
        .get(node)
        .and_then(|machine| machine.tree.on_disk(path));
    let whole = bytes.is_some_and(|bytes| {
        let Some((database, sum)) = bytes.split_last_chunk::<32>() else {
            return false;
        };
        !database.is_empty() && digest(&SHA256, database).as_ref() == sum
    });
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if whole && let Some(rollout) = rollout_of(name) {
        books.snapshots.insert(rollout.to_owned());
    }
}

fn released(books: &mut Books, at: &NodeName, line: &str) {
    let Some(rest) = line.strip_prefix("set server api-servers/") else {
        return;
    };
    let Some((backend, state)) = rest.split_once(" state ") else {
        return;
    };
    if let Ok(backend) = NodeName::new(backend) {
        let key = (at.clone(), backend);
        if state == "drain" {
            books.released.insert(key);
        } else {
            books.released.remove(&key);
        }
    }
}

/// A controller orders the upgrade of a node, on what it saw from `looked` on.
pub(super) fn ordered(
    books: &mut Books,
    node: &NodeName,
    instruction: &Instruction,
    looked: Duration,
) -> Verdict {
    if !matches!(&instruction.order, Order::Rollout(RolloutOrder::Upgrade(_)))
        || !books.orders.insert(instruction.id.clone())
    {
        return Ok(());
    }
    let silent = books.control_planes.keys().find(|other| {
        *other != node
            && books
                .silent
                .get(*other)
                .is_some_and(|since| *since <= looked)
    });
    match silent {
        Some(silent) => Err((
            I2,
            format!("the upgrade of {node} is ordered while nothing is known of {silent}"),
        )),
        None => Ok(()),
    }
}

/// A controller has made a plan: no API server may be further away than the way that it takes.
pub(super) fn planned(state: &State, spec: &ClusterSpec, request: &Request) -> Verdict {
    let versions: Vec<(NodeName, KubernetesVersion)> = spec
        .control_planes
        .iter()
        .filter_map(|node| {
            let tree = &state.machines.get(&node.name)?.tree;
            let manifest = tree.text("/etc/kubernetes/manifests/kube-apiserver.yaml");
            let tag = of_manifest(&manifest, "kube-apiserver")?;
            Some((node.name.clone(), tag.parse().ok()?))
        })
        .collect();
    let Some(lowest) = versions.iter().map(|(_, version)| version).min() else {
        return Err((I7, "a plan was made and there is no API server".to_owned()));
    };
    let next = (lowest.minor + 1).min(request.to.minor);
    let odd = versions
        .iter()
        .find(|(_, version)| version != lowest && *version != request.to && version.minor != next);
    match odd {
        Some((node, version)) => Err((
            I7,
            format!(
                "a plan to {} was made; {node}'s API server is {version}, the lowest {lowest}",
                request.to
            ),
        )),
        None => Ok(()),
    }
}

/// The upgrade of a node begins: everything is kept aside, nothing was touched yet.
fn begins(books: &Books, state: &State, node: &NodeName, progress: &Progress) -> Verdict {
    let Some(operation) = books.operations.get(node).filter(|one| !one.ended) else {
        return Err((
            I1,
            format!("the upgrade of {node} begins without an operation"),
        ));
    };
    let accepted = operation.accepted;
    let fence = operation.fence.unwrap_or_default();
    if !books.control_planes.contains_key(node) {
        return canary(books, state, node, progress);
    }
    if let Some((number, since)) = books.lease
        && number > fence
        && since <= accepted
    {
        return Err((
            I1,
            format!("the upgrade of {node} begins under number {fence}, and {number} is in force"),
        ));
    }
    if let Some(other) = books
        .under_way
        .iter()
        .find(|other| *other != node && books.control_planes.contains_key(*other))
    {
        return Err((
            I1,
            format!("the upgrade of {node} begins while that of {other} is under way"),
        ));
    }
    if progress.part != UpgradePart::Kubelet {
        healthy_quorum(books, node, accepted)?;
        let rollout = rollout_of(operation.id.as_str()).unwrap_or_default();
        if !books.snapshots.contains(rollout) && !begun(state, &books.control_planes, progress) {
            return Err((
                I5,
                format!("the upgrade of {node} begins and {rollout} has no whole snapshot"),
            ));
        }
    }
    canary(books, state, node, progress)
}

/// Whether a control plane is at the target already: the snapshot was taken before that one.
fn begun(
    state: &State,
    controls: &std::collections::BTreeMap<NodeName, std::net::IpAddr>,
    progress: &Progress,
) -> bool {
    let tag = progress.target.to_string();
    controls.keys().any(|node| {
        let machine = state.machines.get(node);
        machine.is_some_and(|machine| {
            let text = machine
                .tree
                .text("/etc/kubernetes/manifests/kube-apiserver.yaml");
            of_manifest(&text, "kube-apiserver").as_ref() == Some(&tag)
        })
    })
}

/// What stays up is a quorum; nobody is on the way in.
fn healthy_quorum(books: &Books, node: &NodeName, accepted: Duration) -> Verdict {
    if let Some((learner, _)) = books.learners.iter().find(|(_, since)| **since <= accepted) {
        return Err((
            I3,
            format!("the upgrade of {node} begins while {learner} is a learner"),
        ));
    }
    if books.stranger.is_some_and(|since| since <= accepted) {
        return Err((
            I3,
            format!("the upgrade of {node} begins while a learner is in etcd's list"),
        ));
    }
    let all = books.control_planes.len();
    let bad = |other: &NodeName| books.bad_since(node, other, accepted);
    let others = books.control_planes.keys().filter(|other| *other != node);
    let healthy = others.filter(|other| !bad(other)).count();
    if all > 1 && healthy < quorum(all) {
        return Err((
            I3,
            format!(
                "the upgrade of {node} begins; without it {healthy} of {all} members are healthy, {} are needed",
                quorum(all)
            ),
        ));
    }
    Ok(())
}

/// Whether all of a node runs a version, by what really runs.
fn at_version(
    machine: &Machine,
    target: &KubernetesVersion,
    control_plane: bool,
) -> Option<String> {
    let tag = target.to_string();
    if control_plane {
        for component in VERSIONED {
            let running = machine.pods.get(component);
            if running.is_some_and(|running| *running != tag) {
                return Some(format!("{component} runs {running:?}"));
            }
        }
    }
    None
}

/// Whether a node's etcd is the one that a version brings, by what really runs.
fn etcd_at(machine: &Machine, target: &KubernetesVersion) -> Option<String> {
    let brought = etcd_of(&target.to_string());
    let running = machine.pods.get("etcd");
    let other = running.filter(|running| *running != brought);
    other.map(|running| format!("etcd runs {running:?}"))
}

/// The first control plane is through before another node begins.
fn canary(books: &Books, state: &State, node: &NodeName, progress: &Progress) -> Verdict {
    let Some(first) = books
        .control_planes
        .keys()
        .next()
        .filter(|first| *first != node)
    else {
        return Ok(());
    };
    let Some(machine) = state.machines.get(first) else {
        return Ok(());
    };
    if let Some(wrong) = at_version(machine, &progress.target, true) {
        return Err((
            I8,
            format!("the upgrade of {node} begins, and on {first}, the canary, {wrong}"),
        ));
    }
    if progress.part == UpgradePart::Etcd
        && let Some(wrong) = etcd_at(machine, &progress.target)
    {
        return Err((
            I8,
            format!("the upgrade of {node}'s etcd begins, and on {first}, the canary, {wrong}"),
        ));
    }
    let text = machine.tree.text(PROGRESS);
    if progress.part == UpgradePart::Whole && under_way(&text) {
        return Err((
            I8,
            format!("the upgrade of {node} begins before that of {first}, the canary, is through"),
        ));
    }
    Ok(())
}

/// `kubeadm upgrade` is about to replace what runs on a node.
fn stops_components(
    books: &Books,
    state: &State,
    spec: &ClusterSpec,
    node: &NodeName,
    command: &Command,
) -> Verdict {
    let Some(operation) = books
        .operations
        .get(node)
        .filter(|_| books.control_planes.contains_key(node))
    else {
        return Ok(());
    };
    let voters = live(state).map_or(0, |cluster| cluster.members.len());
    let keeps_etcd = command.arguments.iter().any(|word| word == KEEPS_ETCD);
    if !keeps_etcd
        && let Some((leader, since)) = &books.leader
        && leader == node
        && *since <= operation.accepted
        && voters > 1
    {
        return Err((
            I4,
            format!("kubeadm upgrade begins on {node}, which leads etcd"),
        ));
    }
    if matches!(spec.endpoint.mode, EndpointMode::Managed { .. }) {
        let holds = books
            .control_planes
            .keys()
            .find(|at| !books.released.contains(&((*at).clone(), node.clone())));
        if let Some(at) = holds {
            return Err((
                I6,
                format!(
                    "kubeadm upgrade begins on {node}, and {at}'s load balancer was not told to let go of it"
                ),
            ));
        }
    }
    Ok(())
}

/// A node's upgrade is called done.
fn done(state: &State, node: &NodeName, progress: &Progress) -> Verdict {
    let Some(machine) = state.machines.get(node) else {
        return Ok(());
    };
    let tag = progress.target.to_string();
    let control_plane = machine
        .tree
        .exists("/etc/kubernetes/manifests/kube-apiserver.yaml");
    let kubelet = matches!(progress.part, UpgradePart::Whole | UpgradePart::Kubelet);
    let object = live(state).and_then(|cluster| cluster.objects.get(&format!("node//{node}")));
    let said = object.map(|object| &object["status"]["nodeInfo"]["kubeletVersion"]);
    if kubelet && said.is_some_and(|said| *said != tag.as_str()) {
        return Err((
            I8,
            format!("the upgrade of {node} to {tag} is called done; its kubelet runs {said:?}"),
        ));
    }
    let wrong = match progress.part {
        UpgradePart::Kubelet => None,
        UpgradePart::Etcd => etcd_at(machine, &progress.target),
        UpgradePart::Whole | UpgradePart::ControlPlane => {
            at_version(machine, &progress.target, control_plane)
        }
    };
    if let Some(wrong) = wrong {
        return Err((
            I8,
            format!("the upgrade of {node} to {tag} is called done; {wrong}"),
        ));
    }
    Ok(())
}
