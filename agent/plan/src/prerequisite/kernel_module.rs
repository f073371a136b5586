//! Kernel modules, or proof that their feature is part of the kernel; now and at the next boot.

use hactl_proto::finding::CheckMode;
use hactl_proto::prerequisite::Check;

use super::{Deviation, Situation};
use crate::facts::Known;
use crate::facts::machine::kernel::{ModuleState, loads_module};
use crate::step::machine::{EditedFile, FileEdit, KernelModule, MachineStep};

/// hactl's own file.
const OWN_FILE: &str = "/etc/modules-load.d/hactl.conf";
/// The last minor whose kubeadm refuses without `br_netfilter` (`FileContent--proc-sys-net-bridge-…`).
pub(super) const LAST_BRIDGE_MINOR: u16 = 29;

/// containerd's snapshotter needs it.
pub(super) fn overlay(situation: Situation<'_>) -> Vec<Deviation> {
    check(situation, KernelModule::Overlay, true)
}

/// kubeadm up to 1.29 needs it; later only pod networks that bridge do, so it warns.
pub(super) fn br_netfilter(situation: Situation<'_>) -> Vec<Deviation> {
    let needed = situation.wanted.minor() <= LAST_BRIDGE_MINOR;
    check(situation, KernelModule::BrNetfilter, needed)
}

fn check(situation: Situation<'_>, module: KernelModule, needed: bool) -> Vec<Deviation> {
    let name = module.name();
    let deviation = |observed: String, wanted: String, remedy: String| {
        if needed {
            Deviation::refusal(observed, wanted, remedy)
        } else {
            Deviation::warning(observed, wanted, remedy)
        }
    };
    let state = match situation.machine.kernel.modules.get(&module) {
        Some(Known::Is(state)) => *state,
        Some(Known::Unknown(why)) => return vec![Deviation::unknown(name, why)],
        None => return vec![Deviation::unknown(name, "it was not read")],
    };
    let mut found = Vec::new();
    match state {
        ModuleState::BuiltIn => return found,
        ModuleState::Loaded => {}
        ModuleState::Loadable => found.push(
            deviation(
                format!("the module {name} is not loaded"),
                "it is loaded, or part of the kernel".to_owned(),
                format!("Run `modprobe {name}`."),
            )
            .mended_by([MachineStep::LoadModule(module)]),
        ),
        ModuleState::Absent => {
            found.push(deviation(
                format!("this kernel has no {name}"),
                "it is a module or part of the kernel".to_owned(),
                "Install the kernel's further modules (linux-modules-extra, kernel-modules-extra) or another kernel."
                    .to_owned(),
            ));
            return found;
        }
    }
    found.extend(at_boot(situation, module));
    found
}

/// Whether the module is loaded at the next boot; that is worth a warning and mended.
fn at_boot(situation: Situation<'_>, module: KernelModule) -> Option<Deviation> {
    let name = module.name();
    let files = match &situation.machine.kernel.modules_load {
        Known::Is(files) => files,
        Known::Unknown(why) => return Some(Deviation::unknown("modules-load.d", why)),
    };
    if files.iter().any(|file| loads_module(&file.text, module)) {
        return None;
    }
    let own = files.iter().find(|file| file.path == OWN_FILE);
    let edit = FileEdit {
        file: EditedFile::ModulesLoad,
        path: OWN_FILE.to_owned(),
        before: own.map(|file| file.text.clone()),
        after: own_file(situation),
        mode: 0o644,
    };
    Some(
        Deviation::warning(
            format!("nothing loads {name} at boot"),
            format!("a file in /etc/modules-load.d names {name}"),
            format!("Write {name} into {OWN_FILE}."),
        )
        .mended_by([MachineStep::WriteFile(edit)]),
    )
}

/// What hactl's file says: every module of an enforced check that is one. The same for both checks, so one step writes it.
fn own_file(situation: Situation<'_>) -> String {
    let modules = [
        (Check::ModuleOverlay, KernelModule::Overlay),
        (Check::ModuleBrNetfilter, KernelModule::BrNetfilter),
    ];
    let mut text = "# Written by hactl: modules that Kubernetes needs.\n".to_owned();
    for (check, module) in modules {
        let state = situation
            .machine
            .kernel
            .modules
            .get(&module)
            .and_then(Known::known);
        let is_module = matches!(state, Some(ModuleState::Loaded | ModuleState::Loadable));
        if is_module && situation.wanted.mode(check) == CheckMode::Enforce {
            text.push_str(module.name());
            text.push('\n');
        }
    }
    text
}
