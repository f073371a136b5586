//! Swap: off now, and at the next boot. kubeadm refuses it up to 1.22, and the kubelet does not start with it unless told to; on a
//! control plane it slows etcd in every version.

use hactl_proto::role::NodeRole;

use super::fstab::{comment_swap, swap_devices};
use super::{Deviation, Situation};
use crate::facts::Known;
use crate::step::machine::{EditedFile, FileEdit, MachineStep};

/// No swap in use, in fstab or in units. Where the spec sets `failSwapOn: false`, a worker may have it and a control plane is warned.
pub(super) fn check(situation: Situation<'_>) -> Vec<Deviation> {
    let looks = [active, fstab, units, own_units];
    let mut found: Vec<Deviation> = looks
        .into_iter()
        .filter_map(|look| look(situation))
        .collect();
    if !situation.wanted.allows_swap {
        return found;
    }
    if situation.wanted.role == NodeRole::Worker {
        return vec![];
    }
    for deviation in &mut found {
        *deviation = Deviation::warning(
            std::mem::take(&mut deviation.observed),
            "no swap beside etcd, though the spec's failSwapOn allows it",
            "Switch swap off on control planes.",
        );
    }
    found
}

fn active(situation: Situation<'_>) -> Option<Deviation> {
    match &situation.machine.swap.active {
        Known::Is(devices) if devices.is_empty() => None,
        Known::Is(devices) => Some(
            Deviation::refusal(
                format!("in use: {}", devices.join(", ")),
                "no swap in use",
                "Run `swapoff -a`.",
            )
            .mended_by([MachineStep::SwapOff]),
        ),
        Known::Unknown(why) => Some(Deviation::unknown("the swap in use", why)),
    }
}

fn fstab(situation: Situation<'_>) -> Option<Deviation> {
    let file = match &situation.machine.swap.fstab {
        Known::Is(file) => file,
        Known::Unknown(why) => return Some(Deviation::unknown("/etc/fstab", why)),
    };
    let devices = swap_devices(&file.text);
    (!devices.is_empty()).then(|| {
        Deviation::refusal(
            format!("{} brings at boot: {}", file.path, devices.join(", ")),
            "no swap at the next boot",
            format!(
                "Put `# hactl: ` before these lines of {} and run `systemctl daemon-reload`.",
                file.path
            ),
        )
        .mended_by([MachineStep::WriteFile(FileEdit {
            file: EditedFile::Fstab,
            path: file.path.clone(),
            before: Some(file.text.clone()),
            after: comment_swap(&file.text),
            mode: file.mode,
        })])
    })
}

/// Units made by a generator or a package are masked; those in `/etc` can only be disabled.
fn units(situation: Situation<'_>) -> Option<Deviation> {
    let step = |units: Vec<String>| MachineStep::MaskUnits { units };
    brought(&situation.machine.swap.units, "mask", step)
}

fn own_units(situation: Situation<'_>) -> Option<Deviation> {
    let step = |units: Vec<String>| MachineStep::DisableUnits { units };
    brought(&situation.machine.swap.own_units, "disable", step)
}

fn brought(
    units: &Known<Vec<String>>,
    verb: &str,
    step: impl Fn(Vec<String>) -> MachineStep,
) -> Option<Deviation> {
    match units {
        Known::Is(units) if units.is_empty() => None,
        Known::Is(units) => Some(
            Deviation::refusal(
                format!("units bring it at boot: {}", units.join(", ")),
                "no unit brings swap",
                format!("Run `systemctl {verb} --now {}`.", units.join(" ")),
            )
            .mended_by([step(units.clone())]),
        ),
        Known::Unknown(why) => Some(Deviation::unknown("the units of swap", why)),
    }
}
