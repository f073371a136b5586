//! cgroup version: from 1.35 on the kubelet does not start on version 1 (KEP-5573, `failCgroupV1` true by default).

use super::{Deviation, Situation};
use crate::facts::Known;
use crate::facts::machine::system::CgroupVersion;

/// The first minor whose kubelet fails on version 1.
const FATAL_MINOR: u16 = 35;
/// The first minor that calls version 1 "in maintenance".
const MAINTENANCE_MINOR: u16 = 31;

/// Version 2; version 1 refuses from 1.35 on, unless the spec sets `failCgroupV1: false`, and warns from 1.31 on.
pub(super) fn check(situation: Situation<'_>) -> Vec<Deviation> {
    let minor = situation.wanted.minor();
    match &situation.machine.system.cgroup {
        Known::Is(CgroupVersion::V2) => vec![],
        Known::Unknown(why) => vec![Deviation::unknown("the cgroup version", why)],
        Known::Is(CgroupVersion::V1) if minor < MAINTENANCE_MINOR => vec![],
        Known::Is(CgroupVersion::V1) => {
            let observed = "cgroup version 1";
            let remedy =
                "Boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line.";
            vec![
                if minor >= FATAL_MINOR && !situation.wanted.allows_cgroup_v1 {
                    let wanted = "cgroup version 2: the kubelet of 1.35 and later does not start on version 1";
                    Deviation::refusal(
                        observed,
                        wanted,
                        format!(
                            "{remedy} For a while, `failCgroupV1: false` in the spec's kubelet fields allows version 1."
                        ),
                    )
                } else {
                    Deviation::warning(
                        observed,
                        "cgroup version 2: version 1 is being removed",
                        remedy,
                    )
                },
            ]
        }
    }
}
