//! Prerequisites: what a node needs before Kubernetes, one file a concern.
//!
//! A check yields deviations; a deviation that hactl can put right carries the steps that do. Findings, the health digest and
//! `Order::Prepare` are all made of the same deviations, so what is reported as mendable is what a plan mends.
//! The checks follow kubeadm's own preflight by version (kubeadm.md 3.1) and go beyond it where clusters break later.

mod cgroup;
mod clock;
mod containerd;
mod disk;
mod etcd_disk;
mod fstab;
mod identity;
mod kernel_module;
mod kubelet;
mod network;
mod packages;
mod ports;
mod programs;
mod requirements;
mod resources;
mod security;
mod swap;
mod sysctl;
#[cfg(test)]
mod tests;

pub use crate::facts::machine::peers::PeerFacts;
pub use clock::{CLOCK_REFUSE_MS, CLOCK_WARN_MS, median_offset_ms};
pub use identity::{Duplicate, duplicates};
pub use ports::{PortUse, port_uses};
pub use programs::{missing_programs, packages_of, program_names};
pub use requirements::Requirements;

use hactl_proto::finding::{CheckMode, Finding, Severity};
use hactl_proto::prerequisite::Check;

use crate::facts::machine::MachineFacts;
use crate::step::machine::MachineStep;

/// Something that is not as it should be, with the steps that put it right, if hactl can.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Deviation {
    severity: Severity,
    observed: String,
    wanted: String,
    remedy: String,
    mend: Vec<MachineStep>,
}

/// All that a check looks at.
#[derive(Clone, Copy)]
struct Situation<'a> {
    machine: &'a MachineFacts,
    wanted: &'a Requirements,
    peers: &'a PeerFacts,
}

impl Deviation {
    fn refusal(
        observed: impl Into<String>,
        wanted: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Refusal,
            observed: observed.into(),
            wanted: wanted.into(),
            remedy: remedy.into(),
            mend: Vec::new(),
        }
    }

    fn warning(
        observed: impl Into<String>,
        wanted: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::refusal(observed, wanted, remedy)
        }
    }

    /// A fact that could not be read counts as unhealthy.
    fn unknown(what: &str, why: &str) -> Self {
        Self::refusal(
            format!("unknown: {why}"),
            format!("{what} can be read"),
            "Run `hactl-agent doctor` as root on the node; what it can't read either is named there.",
        )
    }

    fn mended_by(mut self, steps: impl IntoIterator<Item = MachineStep>) -> Self {
        self.mend.extend(steps);
        self
    }
}

/// Every deviation of the node as findings, in the order of [`Check::ALL`]. In the mode `report` a finding warns only and nothing
/// mends it; in the mode `off` nobody looks. No allocation but for findings: cheap enough for every few seconds.
pub fn check_all(machine: &MachineFacts, wanted: &Requirements, peers: &PeerFacts) -> Vec<Finding> {
    let situation = Situation {
        machine,
        wanted,
        peers,
    };
    Check::ALL
        .into_iter()
        .flat_map(|check| findings(check, situation))
        .collect()
}

/// The steps that put right what is in the mode `enforce` and can be put right, each once, in their order.
pub fn mend_all(machine: &MachineFacts, wanted: &Requirements) -> Vec<MachineStep> {
    let peers = PeerFacts::default();
    let situation = Situation {
        machine,
        wanted,
        peers: &peers,
    };
    let mut steps: Vec<MachineStep> = Check::ALL
        .into_iter()
        .filter(|check| wanted.mode(*check) == CheckMode::Enforce)
        .flat_map(|check| deviations(check, situation))
        .flat_map(|deviation| deviation.mend)
        .collect();
    steps.sort();
    steps.dedup();
    one_installation(steps)
}

/// Packages of several checks are installed at once: one command, one transient unit.
fn one_installation(steps: Vec<MachineStep>) -> Vec<MachineStep> {
    let mut merged: Vec<MachineStep> = Vec::with_capacity(steps.len());
    for step in steps {
        if let MachineStep::InstallPackages { packages, .. } = &step
            && let Some(MachineStep::InstallPackages {
                packages: before, ..
            }) = merged.last_mut()
        {
            before.extend(packages.iter().cloned());
            continue;
        }
        merged.push(step);
    }
    merged
}

/// Whether a prepare operation would change something: then the daemon starts one.
pub fn wants_prepare(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.mendable)
}

fn findings(check: Check, situation: Situation<'_>) -> Vec<Finding> {
    let mode = situation.wanted.mode(check);
    if mode == CheckMode::Off {
        return Vec::new();
    }
    deviations(check, situation)
        .into_iter()
        .map(|deviation| Finding {
            check: check.name().to_owned(),
            severity: match mode {
                CheckMode::Enforce => deviation.severity,
                CheckMode::Report | CheckMode::Off => Severity::Warning,
            },
            observed: deviation.observed,
            wanted: deviation.wanted,
            remedy: deviation.remedy,
            mendable: mode == CheckMode::Enforce && !deviation.mend.is_empty(),
        })
        .collect()
}

fn deviations(check: Check, situation: Situation<'_>) -> Vec<Deviation> {
    match check {
        Check::CpuCount => resources::cpus(situation),
        Check::MemorySize => resources::memory(situation),
        Check::DiskSpace => disk::space(situation),
        Check::EtcdDisk => etcd_disk::check(situation),
        Check::CgroupVersion => cgroup::check(situation),
        Check::HostName => identity::host_name(situation),
        Check::UniqueIdentity => identity::unique(situation),
        Check::Clock => clock::offset(situation),
        Check::TimeSync => clock::service(situation),
        Check::AddressPresent => network::address(situation),
        Check::RouteSource => network::route_source(situation),
        Check::EndpointName => network::endpoint_name(situation),
        Check::PortsFree => ports::check(situation),
        Check::Firewall => security::firewall(situation),
        Check::Selinux => security::selinux(situation),
        Check::SwapOff => swap::check(situation),
        Check::ModuleOverlay => kernel_module::overlay(situation),
        Check::ModuleBrNetfilter => kernel_module::br_netfilter(situation),
        Check::IpForward => sysctl::ip_forward(situation),
        Check::BridgeNfCall => sysctl::bridge_nf_call(situation),
        Check::RequiredPrograms => programs::check(situation),
        Check::ContainerdInstalled => containerd::installed(situation),
        Check::ContainerdConfig => containerd::config(situation),
        Check::ContainerdRunning => containerd::running(situation),
        Check::KubeletCgroupDriver => kubelet::cgroup_driver(situation),
        Check::KubernetesPackages => packages::versions(situation),
        Check::PackagesHeld => packages::held(situation),
    }
}
