//! What is left of a join whose kubeadm was through when the agent was ended: no order is under way that would do it.

use super::join::{entered, rest};
use super::kubernetes::settle_node;
use super::{NodeContext, endpoint_steps};
use crate::facts::{Facts, Known};
use crate::step::Step;
use crate::step::kubernetes::KubernetesStep;
use hactl_proto::role::NodeRole;

/// What is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Nothing: the plan of the join is empty.
    Nothing,
    /// Nothing but time, or a word that is missing: this was seen.
    Time(String),
    /// The Node is not registered. Its kubelet may be about to; one whose Node was deleted never will.
    Registration,
    /// Steps, to be carried out under a member's admission like those of any join.
    Steps(Vec<&'static str>),
}

/// Computes it, of a node whose components answer.
pub fn left(context: &NodeContext, facts: &Facts) -> Left {
    match &facts.kubernetes.node {
        Known::Is(Some(_)) => {}
        Known::Is(None) => return Left::Registration,
        Known::Unknown(reason) => {
            return Left::Time(format!("its Node is unknown: {reason}"));
        }
    }
    let mut steps = endpoint_steps(context, facts);
    match context.role {
        NodeRole::Worker => steps.extend(kubernetes(settle_node(context, &facts.kubernetes))),
        NodeRole::ControlPlane if entered(context, &facts.kubernetes) => {
            steps.extend(kubernetes(rest(context, &facts.kubernetes)));
        }
        NodeRole::ControlPlane => return Left::Time("its etcd member is unknown".to_owned()),
    }
    let awaited: Vec<&str> = steps.iter().filter_map(awaited).collect();
    if steps.is_empty() {
        Left::Nothing
    } else if awaited.len() == steps.len() {
        Left::Time(awaited.join(", "))
    } else {
        Left::Steps(steps.iter().map(Step::name).collect())
    }
}

fn kubernetes(steps: Vec<KubernetesStep>) -> impl Iterator<Item = Step> {
    steps.into_iter().map(Step::Kubernetes)
}

/// What is not there yet, where the step only waits for it.
const fn awaited(step: &Step) -> Option<&'static str> {
    match step {
        Step::Kubernetes(KubernetesStep::AwaitApiServer) => Some("its API server is not ready"),
        Step::Kubernetes(KubernetesStep::AwaitEtcdMember) => Some("its etcd member is not well"),
        Step::Kubernetes(KubernetesStep::AwaitNode) => Some("its Node is not Ready"),
        _ => None,
    }
}
