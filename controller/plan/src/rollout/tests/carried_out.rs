//! Decisions carried out as if all went well, for the tests of what is decided next.

use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::{Staged, StagedEtcd};
use hactl_proto::version::KubernetesVersion;

use super::{cluster, name, survey};
use crate::rollout::*;

/// What a decision does when all goes well.
pub(super) fn carry_out(seen: &mut Seen, decision: &Decision, etcd: &str) {
    match decision {
        Decision::Stage { target, nodes } => {
            for node in nodes {
                let worker = node.as_str().starts_with('w');
                survey(seen, node.as_str()).staged = Some(Staged {
                    target: target.clone(),
                    etcd: if worker {
                        StagedEtcd::Absent
                    } else {
                        StagedEtcd::Tag(etcd.to_owned())
                    },
                });
            }
        }
        Decision::Upgrade(works) => {
            for work in works {
                let target = &work.upgrade.target;
                let part = work.upgrade.part;
                let one = survey(seen, work.node.as_str());
                if part != UpgradePart::Kubelet {
                    one.installed.versions.kubeadm = Some(target.clone());
                }
                for (pod, tag) in &mut one.static_pods {
                    if pod == "etcd" {
                        if !work.upgrade.keep_etcd {
                            etcd.clone_into(tag);
                        }
                    } else if part != UpgradePart::Kubelet {
                        *tag = target.to_string();
                    }
                }
                if matches!(part, UpgradePart::Whole | UpgradePart::Kubelet) {
                    one.installed.versions.kubelet = Some(target.clone());
                    let nodes = &mut cluster(seen).nodes;
                    let found = nodes
                        .iter_mut()
                        .find(|found| found.name == work.node)
                        .unwrap();
                    found.kubelet = Some(target.clone());
                    found.cordoned_by_hactl = false;
                }
                if work.upgrade.first {
                    cluster(seen).version = Some(target.clone());
                }
            }
        }
        Decision::Snapshot(_) | Decision::Soak(_) | Decision::Done | Decision::Wait(_) => {}
    }
}

/// Carries a plan out up to a decision.
pub(super) fn until(
    plan: &RolloutPlan,
    seen: &mut Seen,
    etcd: &str,
    mut stop: impl FnMut(&Decision) -> bool,
) {
    let mut memory = Memory::default();
    for _ in 0..100 {
        let decision = decide(plan, seen, &memory);
        match &decision {
            _ if stop(&decision) => return,
            Decision::Snapshot(node) => memory.took_snapshot(plan.to.clone(), node.clone()),
            Decision::Soak(soak) => memory.passed(soak.clone(), 1),
            Decision::Wait(reasons) => panic!("waits for {reasons:?}"),
            _ => {}
        }
        carry_out(seen, &decision, etcd);
    }
    panic!("it never comes to it");
}

/// A run that has taken the snapshots of a hop.
pub(super) fn after(to: &KubernetesVersion) -> Memory {
    let mut memory = Memory::default();
    for node in ["cp3", "cp2"] {
        memory.took_snapshot(to.clone(), name(node));
    }
    memory
}

/// What is decided, in a line.
pub(super) fn told(plan: &RolloutPlan, seen: &Seen, memory: &Memory) -> String {
    match decide(plan, seen, memory) {
        Decision::Upgrade(works) => {
            let nodes: Vec<&str> = works.iter().map(|work| work.node.as_str()).collect();
            nodes.join("+")
        }
        Decision::Wait(reasons) => reasons.join("; "),
        Decision::Soak(soak) => format!("soak {}", soak.nodes[0]),
        Decision::Snapshot(node) => format!("snapshot {node}"),
        Decision::Stage { .. } => "stage".to_owned(),
        Decision::Done => "done".to_owned(),
    }
}
