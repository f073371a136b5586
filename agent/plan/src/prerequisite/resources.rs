//! Processors and memory: kubeadm's own minima (`NumCPU`, `Mem`; errors for control planes).

use hactl_proto::role::NodeRole;

use super::{Deviation, Situation};
use crate::facts::Known;

/// What kubeadm's preflight asks of a control plane, in MiB (it says MB and divides by 1024 twice).
const CONTROL_PLANE_MIB: u64 = 1700;
/// Less than that leaves a worker no room for pods beside the kubelet; kubeadm does not look.
const WORKER_MIB: u64 = 900;

/// Two for a control plane, one for a worker.
pub(super) fn cpus(situation: Situation<'_>) -> Vec<Deviation> {
    let least = match situation.wanted.role {
        NodeRole::ControlPlane => 2,
        NodeRole::Worker => 1,
    };
    match &situation.machine.system.cpus {
        Known::Is(count) if *count >= least => vec![],
        Known::Is(count) => vec![Deviation::refusal(
            format!(
                "{count} {}",
                if *count == 1 {
                    "processor"
                } else {
                    "processors"
                }
            ),
            format!("at least {least} for a {}", situation.wanted.role),
            "Give the machine more processors, or lift the CPUAffinity that systemd was started with.",
        )],
        Known::Unknown(why) => vec![Deviation::unknown("the number of processors", why)],
    }
}

/// 1700 MiB for a control plane, 900 MiB for a worker.
pub(super) fn memory(situation: Situation<'_>) -> Vec<Deviation> {
    let least = match situation.wanted.role {
        NodeRole::ControlPlane => CONTROL_PLANE_MIB,
        NodeRole::Worker => WORKER_MIB,
    };
    match &situation.machine.system.memory_mib {
        Known::Is(size) if *size >= least => vec![],
        Known::Is(size) => vec![Deviation::refusal(
            format!("{size} MiB of memory"),
            format!("at least {least} MiB for a {}", situation.wanted.role),
            "Give the machine more memory.",
        )],
        Known::Unknown(why) => vec![Deviation::unknown("the size of the memory", why)],
    }
}
