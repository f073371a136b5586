//! What everything has to come to once the faults stop; what is not there is named.

use hactl_node_plan::plan::kubernetes::stacked;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::version::KubernetesVersion;
use hactl_simulation::{Cluster, State, etcd_of};

use crate::spec::{context, nodes};
use crate::town::Town;

/// What is not there yet, each in a line; empty: all is.
pub(crate) fn missing(
    town: &Town,
    spec: &ClusterSpec,
    upgraded_to: Option<&KubernetesVersion>,
) -> Vec<String> {
    let mut missing = unsettled(town);
    let state = town.world.state();
    let mut serving = state
        .clusters
        .values()
        .filter(|cluster| state.has_quorum(cluster));
    let (cluster, second) = (serving.next(), serving.next());
    let Some(cluster) = cluster else {
        missing.push("no etcd cluster has a quorum".to_owned());
        return missing;
    };
    if second.is_some() {
        missing.push("two etcd clusters have a quorum".to_owned());
    }
    missing.extend(membership(&state, spec, cluster));
    missing.extend(registered(spec, cluster));
    missing.extend(left_over(&state, cluster));
    if let Some(version) = upgraded_to {
        missing.extend(not_at(&state, cluster, version));
    }
    missing
}

fn unsettled(town: &Town) -> Vec<String> {
    let shown = town.progress();
    let unsettled = town.nodes().into_iter().filter_map(|node| {
        let Some(progress) = shown.get(&node) else {
            return Some(format!("{node}: its agent does not run"));
        };
        let running = town
            .agent(&node)
            .and_then(|agent| agent.operations.current());
        if let Some(running) = running {
            let step = running.step.map(|(_, _, step)| step).unwrap_or_default();
            return Some(format!("{node}: {} is under way, at {step}", running.id));
        }
        if progress.settled {
            return None;
        }
        let findings = progress
            .findings
            .iter()
            .map(|one| format!("{}: {}", one.check, one.observed));
        let waiting = progress
            .waiting
            .iter()
            .map(|one| format!("{}: {}", one.condition, one.observed));
        let said: Vec<String> = findings.chain(waiting).collect();
        Some(format!("{node} is not settled: {}", said.join("; ")))
    });
    unsettled.collect()
}

fn membership(state: &State, spec: &ClusterSpec, cluster: &Cluster) -> Vec<String> {
    let mut missing = Vec::new();
    if spec
        .control_planes
        .first()
        .and_then(|node| context(spec, &node.name))
        .is_none_or(|node| !stacked(&node))
    {
        return missing;
    }
    if cluster.members.len() != spec.control_planes.len() {
        missing.push(format!("etcd has {} members", cluster.members.len()));
    }
    for node in &spec.control_planes {
        let member = cluster.member_at(node.address);
        if !member.is_some_and(|member| state.runs_member(member) && !member.learner) {
            missing.push(format!("{}: no etcd member of it votes", node.name));
        }
        let machine = state.machines.get(&node.name);
        let served = machine.and_then(|machine| state.served_by(machine));
        if served.is_none_or(|served| served.id != cluster.id) {
            missing.push(format!("{}: its API server does not serve", node.name));
        }
    }
    missing
}

fn registered(spec: &ClusterSpec, cluster: &Cluster) -> Vec<String> {
    let absent = nodes(spec).filter_map(|(node, role)| {
        let name: &NodeName = &node.name;
        let Some(object) = cluster.objects.get(&format!("node//{name}")) else {
            return Some(format!("{name}: its Node is not registered"));
        };
        let marked =
            object["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_string();
        (marked != (role == NodeRole::ControlPlane))
            .then(|| format!("{name}: its Node has another role"))
    });
    absent.collect()
}

/// Of joins: what was minted. Of nodes: configurations with secrets in them.
fn left_over(state: &State, cluster: &Cluster) -> Vec<String> {
    let secrets = cluster.of_kind("secret", "kube-system");
    let mut left: Vec<String> = secrets
        .filter(|(name, _)| name.starts_with("bootstrap-token") || *name == "kubeadm-certs")
        .map(|(name, _)| format!("the Secret {name} was left"))
        .collect();
    for (node, machine) in &state.machines {
        if machine.tree.exists("/run/hactl/kubeadm.yaml") {
            left.push(format!("{node}: kubeadm's configuration was left"));
        }
        for path in ["/var/lib/hactl/held"] {
            if machine.tree.exists(path) {
                left.push(format!("{node}: etcd's manifest is held back"));
            }
        }
    }
    left
}

/// What a rollout leaves behind where it is through.
fn not_at(state: &State, cluster: &Cluster, version: &KubernetesVersion) -> Vec<String> {
    let tag = version.to_string();
    let mut missing = Vec::new();
    for (node, machine) in &state.machines {
        if [&machine.version, &machine.kubelet, &machine.kubectl] != [&tag; 3] {
            missing.push(format!("{node}: not all of its packages are {tag}"));
        }
        let etcd = etcd_of(&tag);
        let brought = |component: &str| if component == "etcd" { etcd } else { &tag };
        let mut pods = machine.pods.iter();
        if pods.any(|(component, running)| running != brought(component)) {
            missing.push(format!("{node}: not all of its components are {tag}"));
        }
        if !machine.released.is_empty() {
            missing.push(format!(
                "{node}: its load balancer lets go of {:?}",
                machine.released
            ));
        }
        let object = cluster.objects.get(&format!("node//{node}"));
        let Some(object) = object else { continue };
        if object["status"]["nodeInfo"]["kubeletVersion"] != tag.as_str() {
            missing.push(format!("{node}: its kubelet is not {tag}"));
        }
        if object["spec"]["unschedulable"] == true {
            missing.push(format!("{node}: it is cordoned"));
        }
    }
    missing
}
