//! Programs that kubeadm's preflight, the kubelet and kube-proxy call, by version (kubeadm.md 3.1, `FileExisting-*`).

use std::collections::BTreeSet;

use hactl_proto::finding::Severity;

use super::{Deviation, Situation};
use crate::facts::Known;
use crate::facts::machine::system::Family;
use crate::step::machine::MachineStep;

/// A program, the minors that want it, and how much.
struct Wanted {
    program: &'static str,
    since: u16,
    until: u16,
    severity: Severity,
    /// Package on Debian, and on RHEL.
    packages: (&'static str, &'static str),
}

const fn wanted(
    program: &'static str,
    (since, until): (u16, u16),
    severity: Severity,
    packages: (&'static str, &'static str),
) -> Wanted {
    Wanted {
        program,
        since,
        until,
        severity,
        packages,
    }
}

/// No end yet.
const ALWAYS: u16 = u16::MAX;

const PROGRAMS: [Wanted; 12] = [
    wanted(
        "mount",
        (0, ALWAYS),
        Severity::Refusal,
        ("mount", "util-linux"),
    ),
    wanted(
        "cp",
        (33, ALWAYS),
        Severity::Refusal,
        ("coreutils", "coreutils"),
    ),
    wanted(
        "losetup",
        (33, ALWAYS),
        Severity::Refusal,
        ("mount", "util-linux"),
    ),
    wanted(
        "conntrack",
        (0, 31),
        Severity::Refusal,
        ("conntrack", "conntrack-tools"),
    ),
    wanted(
        "crictl",
        (0, 30),
        Severity::Refusal,
        ("cri-tools", "cri-tools"),
    ),
    wanted("ip", (0, 32), Severity::Refusal, ("iproute2", "iproute")),
    wanted(
        "iptables",
        (0, 32),
        Severity::Refusal,
        ("iptables", "iptables-nft"),
    ),
    wanted(
        "nsenter",
        (0, 32),
        Severity::Refusal,
        ("util-linux", "util-linux"),
    ),
    wanted(
        "ebtables",
        (0, 31),
        Severity::Warning,
        ("ebtables", "iptables-nft"),
    ),
    wanted("socat", (0, 31), Severity::Warning, ("socat", "socat")),
    wanted(
        "ethtool",
        (0, 32),
        Severity::Warning,
        ("ethtool", "ethtool"),
    ),
    wanted("tc", (0, 32), Severity::Warning, ("iproute2", "iproute-tc")),
];

/// Every program that some version wants.
pub fn program_names() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|wanted| wanted.program)
}

/// Programs that this minor wants and that are not there.
pub fn missing_programs(present: &BTreeSet<String>, minor: u16) -> Vec<&'static str> {
    missing(present, minor)
        .map(|wanted| wanted.program)
        .collect()
}

/// The package of a program in a family of distributions.
pub fn packages_of(program: &str, family: Family) -> Option<&'static str> {
    let found = PROGRAMS.iter().find(|wanted| wanted.program == program)?;
    match family {
        Family::Debian => Some(found.packages.0),
        Family::RedHat => Some(found.packages.1),
        Family::Other => None,
    }
}

fn missing(present: &BTreeSet<String>, minor: u16) -> impl Iterator<Item = &'static Wanted> {
    PROGRAMS
        .iter()
        .filter(move |wanted| (wanted.since..=wanted.until).contains(&minor))
        .filter(|wanted| !present.contains(wanted.program))
}

/// All programs that the version wants are on the PATH; a package is installed where a repository offers it.
pub(super) fn check(situation: Situation<'_>) -> Vec<Deviation> {
    let packages = &situation.machine.packages;
    let present = match &packages.programs {
        Known::Is(present) => present,
        Known::Unknown(why) => return vec![Deviation::unknown("the programs on the PATH", why)],
    };
    let family = situation
        .machine
        .system
        .distribution
        .known()
        .map(|d| d.family);
    missing(present, situation.wanted.minor())
        .map(|wanted| {
            let package = family.and_then(|family| packages_of(wanted.program, family));
            let mut deviation = Deviation::refusal(
                format!("{} is not on the PATH", wanted.program),
                format!("{} is installed", wanted.program),
                package.map_or_else(
                    || format!("Install the package that has {}.", wanted.program),
                    |package| format!("Install the package {package}."),
                ),
            );
            deviation.severity = wanted.severity;
            let tool = family.and_then(Family::tool);
            if let (Some(package), Some(by), Known::Is(offered)) =
                (package, tool, &packages.offered)
                && offered.contains(package)
            {
                deviation = deviation.mended_by([MachineStep::InstallPackages {
                    by,
                    packages: vec![package.to_owned()],
                }]);
            }
            deviation
        })
        .collect()
}
