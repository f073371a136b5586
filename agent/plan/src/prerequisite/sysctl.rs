//! Kernel parameters: 1 now, and at the next boot.

use hactl_proto::finding::CheckMode;
use hactl_proto::prerequisite::Check;

use super::kernel_module::LAST_BRIDGE_MINOR;
use super::{Deviation, Requirements, Situation};
use crate::facts::Known;
use crate::facts::machine::kernel::assigned;
use crate::step::machine::{EditedFile, FileEdit, MachineStep, Sysctl};

/// hactl's own file. Of two files the one whose name sorts later wins, whatever their folders.
const OWN_FILE: &str = "/etc/sysctl.d/99-hactl.conf";
const OWN_NAME: &str = "99-hactl.conf";

/// The kernel forwards packets of the cluster's families; kubeadm refuses otherwise, in every version.
pub(super) fn ip_forward(situation: Situation<'_>) -> Vec<Deviation> {
    check(situation, Check::IpForward)
}

/// Bridged packets pass netfilter: kubeadm refuses up to 1.29; later it counts where the kernel has it.
pub(super) fn bridge_nf_call(situation: Situation<'_>) -> Vec<Deviation> {
    check(situation, Check::BridgeNfCall)
}

/// The parameters of a check.
fn parameters(check: Check, wanted: &Requirements) -> Vec<Sysctl> {
    let (v4, v6) = match check {
        Check::IpForward => (Sysctl::Ipv4Forward, Sysctl::Ipv6Forward),
        _ => (Sysctl::BridgeNfCallIptables, Sysctl::BridgeNfCallIp6tables),
    };
    [(wanted.ipv4, v4), (wanted.ipv6, v6)]
        .into_iter()
        .filter_map(|(used, sysctl)| used.then_some(sysctl))
        .collect()
}

fn check(situation: Situation<'_>, check: Check) -> Vec<Deviation> {
    parameters(check, situation.wanted)
        .into_iter()
        .flat_map(|sysctl| [now(situation, check, sysctl), at_boot(situation, sysctl)])
        .flatten()
        .collect()
}

fn now(situation: Situation<'_>, check: Check, sysctl: Sysctl) -> Option<Deviation> {
    let key = sysctl.key();
    let value = match situation.machine.kernel.sysctls.get(&sysctl) {
        Some(Known::Is(Some(value))) => value,
        // Without the module there is no parameter: the check of the module says so, and its load sets it to 1.
        Some(Known::Is(None)) if check == Check::BridgeNfCall => return None,
        Some(Known::Is(None)) => {
            return Some(Deviation::refusal(
                format!("this kernel has no {key}"),
                format!("{key} = 1"),
                "Boot a kernel with that family of addresses, or take its network out of the spec.",
            ));
        }
        Some(Known::Unknown(why)) => return Some(Deviation::unknown(key, why)),
        None => return Some(Deviation::unknown(key, "it was not read")),
    };
    if value == "1" {
        return None;
    }
    let (observed, wanted) = (format!("{key} = {value}"), format!("{key} = 1"));
    let remedy = format!("Run `sysctl -w {key}=1`.");
    let needed = check == Check::IpForward || situation.wanted.minor() <= LAST_BRIDGE_MINOR;
    let deviation = if needed {
        Deviation::refusal(observed, wanted, remedy)
    } else {
        Deviation::warning(observed, wanted, remedy)
    };
    Some(deviation.mended_by([MachineStep::SetSysctl(sysctl)]))
}

/// What systemd will leave behind at the next boot.
fn at_boot(situation: Situation<'_>, sysctl: Sysctl) -> Option<Deviation> {
    let key = sysctl.key();
    let files = match &situation.machine.kernel.sysctl_files {
        Known::Is(files) => files,
        Known::Unknown(why) => return Some(Deviation::unknown("sysctl.d", why)),
    };
    let wanted = format!("{key} = 1 at the next boot");
    let observed = match assigned(files, sysctl) {
        Some((_, "1")) => return None,
        Some((path, value)) if path.rsplit('/').next().is_some_and(|name| name > OWN_NAME) => {
            return Some(Deviation::warning(
                format!("{path} sets it to {value} after {OWN_FILE} is read"),
                wanted,
                format!("Take the line with {key} out of {path}."),
            ));
        }
        Some((path, value)) => format!("{path} sets it to {value}"),
        None => "no file sets it".to_owned(),
    };
    let own = files.iter().find(|file| file.path == OWN_FILE);
    let edit = FileEdit {
        file: EditedFile::SysctlD,
        path: OWN_FILE.to_owned(),
        before: own.map(|file| file.text.clone()),
        after: own_file(situation.wanted),
        mode: 0o644,
    };
    let remedy = format!("Write `{key} = 1` into {OWN_FILE}.");
    Some(Deviation::warning(observed, wanted, remedy).mended_by([MachineStep::WriteFile(edit)]))
}

/// What hactl's file says: every parameter of an enforced check. The same for both checks, so one step writes it. A leading '-'
/// lets systemd pass over a parameter whose module is not loaded yet.
fn own_file(wanted: &Requirements) -> String {
    let mut text = "# Written by hactl: kernel parameters that Kubernetes needs.\n".to_owned();
    for check in [Check::IpForward, Check::BridgeNfCall] {
        if wanted.mode(check) == CheckMode::Enforce {
            for sysctl in parameters(check, wanted) {
                text.push('-');
                text.push_str(sysctl.key());
                text.push_str(" = 1\n");
            }
        }
    }
    text
}
