//! What is put back after an upgrade of this node has failed: what was kept aside, as far as going back is safe.
//!
//! etcd is never rolled back. Once kubeadm's part was seen well, the control plane stays where it is and only the kubelet goes
//! back: the cluster's own record says the new version by then.

use hactl_proto::instruction::{Instruction, Order};
use hactl_proto::rollout::{RolloutOrder, UpgradePart};

use super::{NodeContext, upgrade};
use crate::facts::{Facts, Known};
use crate::step::Step;
use crate::step::rollout::RolloutStep;

/// The steps that put the node back. Empty: nothing was begun here, or the order is none that can be taken back.
pub fn restore(instruction: &Instruction, _node: &NodeContext, facts: &Facts) -> Vec<Step> {
    let Order::Rollout(RolloutOrder::Upgrade(order)) = &instruction.order else {
        return Vec::new();
    };
    if !upgrade::under_way(order, facts) || order.part == UpgradePart::Etcd {
        return Vec::new();
    }
    let through =
        matches!(&facts.rollout.progress, Known::Is(Some(progress)) if progress.kubeadm_done);
    let mut steps = Vec::new();
    if !through {
        steps.push(RolloutStep::RestoreFiles);
    }
    steps.extend([
        RolloutStep::RestorePackages,
        RolloutStep::RestartKubelet,
        RolloutStep::AwaitRestored,
        RolloutStep::ForgetUpgrade,
    ]);
    steps.into_iter().map(Step::Rollout).collect()
}
