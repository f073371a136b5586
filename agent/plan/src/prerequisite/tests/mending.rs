//! Properties of mending, on a model of a machine that does what the steps say.

use super::*;
use crate::facts::machine::TextFile;
use crate::facts::machine::containerd::CONTAINERD_CONFIG;

/// What a step does to a machine.
fn apply(machine: &mut MachineFacts, step: &MachineStep) {
    match step {
        MachineStep::LoadModule(module) => {
            machine
                .kernel
                .modules
                .insert(*module, Is(ModuleState::Loaded));
            if *module == KernelModule::BrNetfilter {
                machine
                    .kernel
                    .sysctls
                    .insert(Sysctl::BridgeNfCallIptables, Is(Some("1".to_owned())));
            }
        }
        MachineStep::SetSysctl(sysctl) => {
            machine
                .kernel
                .sysctls
                .insert(*sysctl, Is(Some("1".to_owned())));
        }
        MachineStep::SwapOff => machine.swap.active = Is(vec![]),
        MachineStep::DisableUnits { .. } => machine.swap.own_units = Is(vec![]),
        MachineStep::MaskUnits { .. } => machine.swap.units = Is(vec![]),
        MachineStep::EnableContainerd => machine.containerd.enabled = Is(true),
        MachineStep::RestartContainerd => {
            machine.containerd.running = Is(true);
            machine.containerd.restart_due = false;
        }
        MachineStep::WriteFile(edit) => {
            let new = TextFile {
                path: edit.path.clone(),
                text: edit.after.clone(),
                mode: edit.mode,
            };
            let files = match edit.file {
                EditedFile::Fstab => {
                    machine.swap.fstab = Is(new);
                    return;
                }
                EditedFile::ModulesLoad => &mut machine.kernel.modules_load,
                EditedFile::SysctlD => &mut machine.kernel.sysctl_files,
                EditedFile::Containerd => {
                    machine.containerd.restart_due = true;
                    &mut machine.containerd.files
                }
            };
            write(files, new, edit.file);
        }
        MachineStep::HoldPackages { packages, .. } => {
            if let Is(installed) = &mut machine.packages.installed {
                for name in packages {
                    installed.get_mut(name).unwrap().held = true;
                }
            }
        }
        MachineStep::InstallPackages { .. } => unreachable!("nothing is offered in these tests"),
    }
}

fn write(files: &mut Known<Vec<TextFile>>, new: TextFile, kind: EditedFile) {
    let Is(files) = files else {
        panic!("an unknown file was written")
    };
    match files.iter_mut().find(|file| file.path == new.path) {
        Some(old) => *old = new,
        None => files.push(new),
    }
    if kind != EditedFile::Containerd {
        files.sort_by_key(|file| file.path.rsplit('/').next().unwrap().to_owned());
    }
}

fn machines() -> impl Strategy<Value = MachineFacts> {
    let state = || {
        prop_oneof![
            Just(ModuleState::BuiltIn),
            Just(ModuleState::Loaded),
            Just(ModuleState::Loadable),
            Just(ModuleState::Absent)
        ]
    };
    let sysctls = proptest::sample::subsequence(
        vec![
            ("/etc/sysctl.d/10-a.conf", "net.ipv4.ip_forward=0\n"),
            (
                "/etc/sysctl.d/99-hactl.conf",
                "# old\nnet.ipv4.ip_forward=1\n",
            ),
            ("/etc/sysctl.d/99-sysctl.conf", "net.ipv4.ip_forward=0\n"),
        ],
        0..=3,
    );
    let containerd = prop_oneof![
        Just(None),
        Just(Some("version = 2\n")),
        Just(Some("disabled_plugins = [\"cri\"]\n")),
        Just(Some(
            "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nSystemdCgroup = true\n"
        )),
        Just(Some("version = 2\n[plugins")),
    ];
    let fstab = proptest::sample::subsequence(
        vec![
            "/dev/sda1 / ext4 rw 0 1",
            "/dev/sda2 none swap sw 0 0",
            "# /swap none swap sw",
        ],
        0..=3,
    );
    (
        (any::<bool>(), fstab, any::<bool>()),
        (state(), state(), any::<bool>(), sysctls, any::<bool>()),
        (containerd, any::<[bool; 3]>(), 1u16..=2),
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(|(swap, kernel, containerd, (joined, held))| {
            let mut machine = healthy();
            if swap.0 {
                machine.swap.active = Is(vec!["/dev/sda2".to_owned()]);
            }
            machine.swap.fstab = Is(file("/etc/fstab", &swap.1.join("\n")));
            if swap.2 {
                machine.swap.units = Is(vec!["dev-zram0.swap".to_owned()]);
                machine.swap.own_units = Is(vec!["swapfile.swap".to_owned()]);
            }
            machine
                .kernel
                .modules
                .insert(KernelModule::Overlay, Is(kernel.0));
            machine
                .kernel
                .modules
                .insert(KernelModule::BrNetfilter, Is(kernel.1));
            let bridge = matches!(kernel.1, ModuleState::BuiltIn | ModuleState::Loaded);
            let bridge = bridge.then(|| u8::from(kernel.2).to_string());
            machine
                .kernel
                .sysctls
                .insert(Sysctl::BridgeNfCallIptables, Is(bridge));
            machine.kernel.sysctl_files = Is(kernel
                .3
                .iter()
                .map(|(path, text)| file(path, text))
                .collect());
            if kernel.4 {
                machine.kernel.modules_load = Is(vec![]);
            }
            machine.containerd.files = Is(containerd
                .0
                .iter()
                .map(|text| file(CONTAINERD_CONFIG, text))
                .collect());
            machine.containerd.running = Is(containerd.1[0]);
            machine.containerd.enabled = Is(containerd.1[1]);
            machine.containerd.restart_due = containerd.1[2];
            if let Is(Some(version)) = &mut machine.containerd.version {
                version.major = containerd.2;
            }
            machine.kubelet.joined = Is(joined);
            machine.kubelet.cgroup_driver = Is(Some("systemd".to_owned()));
            if let Is(installed) = &mut machine.packages.installed {
                installed.get_mut("kubeadm").unwrap().held = held;
            }
            machine
        })
}

proptest! {
    /// A plan that was carried out leaves nothing to mend, and no finding that said it would be mended.
    #[test]
    fn planning_again_after_success_is_empty(mut machine in machines()) {
        for step in mend_all(&machine, &cp1()) {
            apply(&mut machine, &step);
        }
        prop_assert_eq!(mend_all(&machine, &cp1()), []);
        prop_assert!(!wants_prepare(&check(&machine)));
    }

    /// A plan cut after any step, read again and planned again, ends in the same machine.
    #[test]
    fn a_plan_that_was_cut_is_finished_by_the_next(machine in machines(), cut in 0usize..12) {
        let whole = |mut machine: MachineFacts| {
            for step in mend_all(&machine, &cp1()) {
                apply(&mut machine, &step);
            }
            machine
        };
        let mut partly = machine.clone();
        for step in mend_all(&machine, &cp1()).iter().take(cut) {
            apply(&mut partly, step);
        }
        prop_assert_eq!(whole(partly), whole(machine));
    }

    /// No step is planned twice, and each mendable finding has one.
    #[test]
    fn findings_and_steps_agree(machine in machines()) {
        let steps = mend_all(&machine, &cp1());
        let mut once = steps.clone();
        once.dedup();
        prop_assert_eq!(&once, &steps);
        prop_assert_eq!(wants_prepare(&check(&machine)), !steps.is_empty());
    }
}
