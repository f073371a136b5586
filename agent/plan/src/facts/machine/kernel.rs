//! Modules and kernel parameters, now and at the next boot.

use std::collections::BTreeMap;

use super::TextFile;
use crate::facts::Known;
use crate::step::machine::{KernelModule, Sysctl};

/// Folders of `sysctl.d(5)`: of two files with one name, that in the earlier folder counts.
pub const SYSCTL_FOLDERS: [&str; 4] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
];
/// Folders of `modules-load.d(5)`, in the same order of precedence.
pub const MODULES_FOLDERS: [&str; 4] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
];

/// Modules and kernel parameters, now and at the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelFacts {
    /// What each module's feature is like now.
    pub modules: BTreeMap<KernelModule, Known<ModuleState>>,
    /// Files of [`MODULES_FOLDERS`] that count, `/etc/modules` among them, sorted by name.
    pub modules_load: Known<Vec<TextFile>>,
    /// Values now; `None`: this kernel has no such parameter, now.
    pub sysctls: BTreeMap<Sysctl, Known<Option<String>>>,
    /// Files of [`SYSCTL_FOLDERS`] that count, in the order in which systemd applies them.
    pub sysctl_files: Known<Vec<TextFile>>,
}

/// What a module's feature is like now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModuleState {
    /// The feature is there and no module bears its name: it is part of the kernel.
    BuiltIn,
    /// The module is loaded; it has to be again at the next boot.
    Loaded,
    /// The feature is not there, and this kernel has the module.
    Loadable,
    /// Neither.
    Absent,
}

/// From whether the feature is there (overlay: `/proc/filesystems`; `br_netfilter`: `/proc/sys/net/bridge`), `/proc/modules`, and,
/// where it is not there, `modules.dep` of this kernel.
pub fn module_state(
    module: KernelModule,
    feature: bool,
    modules: &str,
    modules_dep: &str,
) -> ModuleState {
    let listed = modules
        .lines()
        .any(|line| line.split(' ').next() == Some(module.name()));
    match (feature, listed) {
        (_, true) => ModuleState::Loaded,
        (true, false) => ModuleState::BuiltIn,
        (false, false) if has_module(modules_dep, module) => ModuleState::Loadable,
        (false, false) => ModuleState::Absent,
    }
}

/// Whether `modules.dep` has a file of that module: `kernel/net/bridge/br_netfilter.ko.xz: …`.
fn has_module(modules_dep: &str, module: KernelModule) -> bool {
    modules_dep.lines().any(|line| {
        let path = line.split(':').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default().replace('-', "_") == module.name()
    })
}

/// Whether `/proc/filesystems` names the overlay file system.
pub fn has_overlay(filesystems: &str) -> bool {
    filesystems
        .lines()
        .any(|line| line.split_whitespace().last() == Some("overlay"))
}

/// Of the files of several folders, given in order of precedence, those that count, sorted by name.
pub fn effective_files(folders: Vec<Vec<TextFile>>) -> Vec<TextFile> {
    let mut by_name: BTreeMap<String, TextFile> = BTreeMap::new();
    for file in folders.into_iter().flatten() {
        let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        by_name.entry(name).or_insert(file);
    }
    by_name.into_values().collect()
}

/// Whether a file of modules-load.d names the module.
pub fn loads_module(text: &str, module: KernelModule) -> bool {
    text.lines().any(|line| {
        // modprobe takes '-' and '_' for one another.
        line.trim().replace('-', "_") == module.name()
    })
}

/// The last assignment of a parameter in the files, with the file's path: what systemd leaves behind at boot.
pub fn assigned(files: &[TextFile], sysctl: Sysctl) -> Option<(&str, &str)> {
    files.iter().rev().find_map(|file| {
        let value = file
            .text
            .lines()
            .rev()
            .find_map(|line| assignment(line, sysctl))?;
        Some((file.path.as_str(), value))
    })
}

/// The value, if the line sets the parameter. A leading '-' says that a failure is fine; '/' and '.' both separate.
fn assignment(line: &str, sysctl: Sysctl) -> Option<&str> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    let key = key.trim().trim_start_matches('-').replace('/', ".");
    // The kernel keeps these two as one.
    let alias = sysctl == Sysctl::Ipv4Forward && key == "net.ipv4.conf.all.forwarding";
    (key == sysctl.key() || alias).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
            mode: 0o644,
        }
    }

    #[test]
    fn a_feature_without_a_module_is_built_in() {
        let state =
            |module, feature, dep| module_state(module, feature, "bridge 1 0 - Live 0x0\n", dep);
        let loaded =
            "overlay 163840 12 - Live 0x0000000000000000\nbr_netfilter 32768 0 - Live 0x0\n";
        let dep = "kernel/net/bridge/bridge.ko.xz: kernel/net/802/stp.ko.xz\n\
                   kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\n";
        assert_eq!(
            module_state(KernelModule::Overlay, true, loaded, ""),
            ModuleState::Loaded
        );
        assert_eq!(state(KernelModule::Overlay, true, ""), ModuleState::BuiltIn);
        assert_eq!(
            state(KernelModule::BrNetfilter, false, ""),
            ModuleState::Absent
        );
        assert_eq!(
            state(KernelModule::BrNetfilter, false, dep),
            ModuleState::Loadable
        );
        assert_eq!(
            state(KernelModule::Overlay, false, dep),
            ModuleState::Absent
        );
        assert!(has_overlay("nodev\ttmpfs\nnodev\toverlay\n\text4\n"));
        assert!(!has_overlay("nodev\toverlayfs\n"));
    }

    #[test]
    fn a_file_in_etc_hides_its_namesake() {
        let files = effective_files(vec![
            vec![
                file("/etc/sysctl.d/50-a.conf", "x"),
                file("/etc/sysctl.d/99-z.conf", "z"),
            ],
            vec![
                file("/usr/lib/sysctl.d/50-a.conf", "hidden"),
                file("/usr/lib/sysctl.d/60-b.conf", "y"),
            ],
        ]);
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/etc/sysctl.d/50-a.conf",
                "/usr/lib/sysctl.d/60-b.conf",
                "/etc/sysctl.d/99-z.conf"
            ]
        );
    }

    #[test]
    fn the_last_assignment_counts() {
        let files = [
            file(
                "/usr/lib/sysctl.d/50-default.conf",
                "-net.ipv4.ip_forward = 1\n",
            ),
            file(
                "/etc/sysctl.d/99-hactl.conf",
                "net.ipv4.ip_forward=1\nnet/ipv6/conf/all/forwarding = 1\n",
            ),
            file(
                "/etc/sysctl.d/99-sysctl.conf",
                "#net.ipv4.ip_forward=1\nnet.ipv4.conf.all.forwarding=0\n",
            ),
        ];
        assert_eq!(
            assigned(&files, Sysctl::Ipv4Forward),
            Some(("/etc/sysctl.d/99-sysctl.conf", "0"))
        );
        assert_eq!(
            assigned(&files[..2], Sysctl::Ipv4Forward),
            Some(("/etc/sysctl.d/99-hactl.conf", "1"))
        );
        assert_eq!(
            assigned(&files, Sysctl::Ipv6Forward),
            Some(("/etc/sysctl.d/99-hactl.conf", "1"))
        );
        assert_eq!(assigned(&files, Sysctl::BridgeNfCallIptables), None);
    }

    #[test]
    fn modules_are_named_either_way() {
        assert!(loads_module(
            "# x\n br-netfilter \n",
            KernelModule::BrNetfilter
        ));
        assert!(!loads_module("#overlay\n", KernelModule::Overlay));
    }
}
