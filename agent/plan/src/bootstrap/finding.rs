//! Refusals of the first boot as findings: what was seen, what is wanted, what the operator can do.

use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::spec::Endpoint;
use hactl_proto::standing::{ClusterIdentity, GrantRefusal};

use super::candidate;
use super::next::{Situation, answers};

/// Why another control plane's answer forbids the init.
pub fn objection(node: &NodeName, objection: &GrantRefusal) -> Finding {
    let observed = format!("{node}: {objection}");
    let (check, wanted, remedy) = match objection {
        GrantRefusal::ClusterDiffers { .. } => (
            "bundle-cluster",
            "bundles of one cluster on all control planes",
            format!("Put this cluster's bundle on {node}, or remove {node} from the spec."),
        ),
        GrantRefusal::SpecDiffers { .. } => (
            "spec-equal",
            "the same spec on all control planes",
            "Make the bundles anew from one spec and put them on every control plane.".to_owned(),
        ),
        GrantRefusal::EpochDiffers { ours, theirs } => (
            "epoch-equal",
            "the same override on all control planes",
            format!(
                "Give this node the override of epoch {theirs} too (it is at {ours}), or reset it if it was declared lost."
            ),
        ),
        GrantRefusal::InstanceDiffers { node, shown, .. } => (
            "instance-known",
            "each control plane under the instance that it was first heard by",
            format!(
                "Make sure that no older machine of the name {node} runs any more and none of its disks will be used. \
                 Then run hactl-controller grant override with --replaced {node} (instance {shown} takes its place)."
            ),
        ),
        GrantRefusal::Foreign { .. } => (
            "no-foreign-data",
            "no data of a cluster that hactl did not make",
            format!("Look what it is. If nobody needs it, run kubeadm reset on {node}."),
        ),
        GrantRefusal::Member(_) => (
            "one-cluster",
            "one cluster",
            format!(
                "Compare the clusters. Reset the node whose cluster is not wanted, {node} or this one."
            ),
        ),
        GrantRefusal::DeclaredLost { node, instance } => (
            "lost-stays-lost",
            "a machine that was declared lost stays off",
            format!(
                "Switch the machine of {node} with instance {instance} off, or wipe it: an override declared it lost."
            ),
        ),
        GrantRefusal::AlreadyGranted(grant) | GrantRefusal::Initialising(grant) => (
            "grant-free",
            "a grant for this instance of this node",
            format!(
                "If the machine of {0} with instance {1} will never run again, run hactl-controller grant override with --lost \
                 {0}, or with --replaced {0} where another has taken its name. Otherwise let it finish.",
                grant.candidate, grant.instance
            ),
        ),
        GrantRefusal::NotTheCandidate { .. }
        | GrantRefusal::NotInRoster { .. }
        | GrantRefusal::NotDeclared { .. }
        | GrantRefusal::NotAnOperator
        | GrantRefusal::Contradiction { .. } => (
            "grant-given",
            "a grant",
            "Compare the specs of both nodes.".to_owned(),
        ),
    };
    Finding::refusal(check, observed, wanted, remedy)
}

/// Answers that show that this node is taken for another machine than it is.
pub(super) fn replaced(situation: &Situation<'_>) -> Vec<Finding> {
    let own = &situation.record.node;
    answers(situation)
        .filter_map(|answer| {
            let objection = candidate::objection(situation.record, situation.spec, answer)?;
            match &objection {
                GrantRefusal::InstanceDiffers { node, .. } if node == own => {
                    Some(self::objection(&answer.node, &objection))
                }
                _ => None,
            }
        })
        .collect()
}

/// Something answers as an API server where there should be none yet.
pub(super) fn endpoint_answers(endpoint: &Endpoint) -> Finding {
    Finding::refusal(
        "endpoint-free",
        format!("an API server answers at {}:{}", endpoint.host, endpoint.port),
        "nothing answers at the endpoint before kubeadm init",
        "Find out whose API server it is. If this cluster is not it, give the spec another endpoint.".to_owned(),
    )
}

/// Data without a record of how it came here.
pub(super) fn foreign(evidence: &[String]) -> Finding {
    Finding::refusal(
        "no-foreign-data",
        evidence.join(", "),
        "no data of a cluster that hactl did not make",
        "Look what it is. If nobody needs it, run kubeadm reset on this node.".to_owned(),
    )
}

/// The node was settled, and what it held is gone.
pub(super) fn data_lost(identity: &ClusterIdentity, left: &[String]) -> Finding {
    let left = if left.is_empty() {
        "nothing of it is left".to_owned()
    } else {
        format!("left: {}", left.join(", "))
    };
    Finding::refusal(
        "cluster-data-kept",
        format!("this node was settled in the cluster with CA {}; {left}", identity.ca_fingerprint),
        "what kubeadm and etcd wrote",
        "Bring the disk back if it is only not mounted. If the data is gone for good, remove the node's etcd member by its \
         id through another control plane, run kubeadm reset here and remove /var/lib/hactl: the node joins anew."
            .to_owned(),
    )
}

/// The node holds another cluster than the one it knows.
pub(super) fn other_cluster(held: &ClusterIdentity, known: &ClusterIdentity) -> Finding {
    Finding::refusal(
        "one-cluster",
        format!(
            "the data here is of a cluster with CA {}",
            held.ca_fingerprint
        ),
        "data of the cluster that this node knows",
        format!(
            "This node belongs to the cluster with CA {}. If the data here is not needed, run kubeadm reset.",
            known.ca_fingerprint
        ),
    )
}

/// Another control plane belongs to another cluster.
pub(super) fn two_clusters(
    node: &NodeName,
    theirs: &ClusterIdentity,
    known: &ClusterIdentity,
) -> Finding {
    Finding::refusal(
        "one-cluster",
        format!(
            "{node} is a member of a cluster with CA {}",
            theirs.ca_fingerprint
        ),
        "one cluster",
        format!(
            "This node knows the cluster with CA {}. Reset the node whose cluster is not wanted.",
            known.ca_fingerprint
        ),
    )
}
