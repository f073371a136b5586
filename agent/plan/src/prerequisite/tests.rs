#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "texts to compare, not a hot path"
)]

use proptest::prelude::*;

use hactl_proto::finding::{CheckMode, Finding, Severity};
use hactl_proto::identity::IdentityFingerprint;
use hactl_proto::name::{ClusterName, NodeName};
use hactl_proto::role::NodeRole;
use hactl_proto::version::KubernetesVersion;

use super::*;
use crate::example;
use crate::facts::Known::{self, Is, Unknown};
use crate::facts::machine::example::{file, healthy};
use crate::facts::machine::kernel::ModuleState;
use crate::facts::machine::network::Listener;
use crate::facts::machine::system::{CgroupVersion, Family, Selinux};
use crate::step::machine::{EditedFile, KernelModule, MachineStep, Sysctl};

mod limits;
mod mending;
mod single;

fn cp1() -> Requirements {
    Requirements::of(&example::context("cp1"))
}

fn check(machine: &MachineFacts) -> Vec<Finding> {
    check_all(machine, &cp1(), &PeerFacts::default())
}

/// One line a finding: severity, name, what was seen, whether it is mended.
fn brief(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| {
            let severity = match finding.severity {
                Severity::Warning => "warns",
                Severity::Refusal => "refuses",
            };
            let mend = if finding.mendable { " [mended]" } else { "" };
            format!(
                "{} {severity}{mend}: {} | {}\n",
                finding.check, finding.observed, finding.wanted
            )
        })
        .collect()
}

#[test]
fn a_healthy_machine_has_no_findings_and_nothing_to_mend() {
    assert_eq!(check(&healthy()), []);
    assert_eq!(mend_all(&healthy(), &cp1()), []);
}

#[test]
fn a_machine_of_which_nothing_is_known_is_unhealthy_and_left_alone() {
    let findings = check(&MachineFacts::default());
    assert!(findings.iter().all(|f| !f.mendable));
    let said: std::collections::BTreeSet<_> = findings.iter().map(|f| f.check.as_str()).collect();
    let silent: Vec<_> = Check::ALL
        .into_iter()
        .filter(|c| !said.contains(c.name()))
        .collect();
    // The clock is measured between peers, the endpoint of this spec is an address, the rooms are listed by the reader, and
    // containerd's configuration means nothing without its version.
    assert_eq!(
        silent,
        [
            Check::DiskSpace,
            Check::Clock,
            Check::EndpointName,
            Check::ContainerdConfig
        ]
    );
}

#[test]
fn a_machine_out_of_the_box_is_told_all_at_once() {
    let mut machine = healthy();
    machine.swap.active = Is(vec!["/dev/sda2".to_owned(), "/dev/zram0".to_owned()]);
    machine.swap.fstab = Is(file("/etc/fstab", "/dev/sda2 none swap sw 0 0\n"));
    machine.swap.units = Is(vec!["dev-zram0.swap".to_owned()]);
    machine
        .kernel
        .sysctls
        .insert(Sysctl::Ipv4Forward, Is(Some("0".to_owned())));
    machine.kernel.sysctl_files = Is(vec![]);
    machine
        .kernel
        .modules
        .insert(KernelModule::BrNetfilter, Is(ModuleState::Loadable));
    machine.kernel.modules_load = Is(vec![]);
    machine.containerd.files = Is(vec![]);
    machine.containerd.running = Is(false);
    machine.containerd.enabled = Is(false);
    if let Is(installed) = &mut machine.packages.installed {
        installed.get_mut("kubelet").unwrap().held = false;
    }
    insta::assert_snapshot!(brief(&check(&machine)), @r##"
    swap-off refuses [mended]: in use: /dev/sda2, /dev/zram0 | no swap in use
    swap-off refuses [mended]: /etc/fstab brings at boot: /dev/sda2 | no swap at the next boot
    swap-off refuses [mended]: units bring it at boot: dev-zram0.swap | no unit brings swap
    module-br-netfilter warns [mended]: the module br_netfilter is not loaded | it is loaded, or part of the kernel
    module-br-netfilter warns [mended]: nothing loads br_netfilter at boot | a file in /etc/modules-load.d names br_netfilter
    ip-forward refuses [mended]: net.ipv4.ip_forward = 0 | net.ipv4.ip_forward = 1
    ip-forward warns [mended]: no file sets it | net.ipv4.ip_forward = 1 at the next boot
    bridge-nf-call warns [mended]: no file sets it | net.bridge.bridge-nf-call-iptables = 1 at the next boot
    containerd-config refuses [mended]: SystemdCgroup of the runtime runc is false | true, as the kubelet's driver
    containerd-config warns [mended]: the pause image is containerd's own default | registry.k8s.io/pause:3.10.2, kubeadm's: without a registry no other is there
    containerd-running refuses [mended]: containerd does not run | it runs
    containerd-running refuses [mended]: containerd does not start at boot | it starts at boot
    packages-held warns [mended]: an unattended upgrade may move kubelet | kubeadm, kubelet and kubectl are held: hactl moves them node by node
    "##);
    let names: Vec<_> = mend_all(&machine, &cp1())
        .iter()
        .map(MachineStep::name)
        .collect();
    insta::assert_snapshot!(names.join("\n"), @r##"
    load-module-br-netfilter
    write-fstab
    write-modules-load
    write-sysctl
    write-containerd-config
    set-ipv4-forward
    swap-off
    mask-swap-units
    enable-containerd
    restart-containerd
    hold-packages
    "##);
}

#[test]
fn what_hactl_can_not_mend_says_what_to_do() {
    let mut machine = healthy();
    machine.system.cpus = Is(1);
    machine.system.memory_mib = Is(1000);
    machine.system.cgroup = Is(CgroupVersion::V1);
    machine.system.time_service = Is(None);
    machine.system.firewalld = Is(true);
    machine.identity.host_name = Is("debian".to_owned());
    machine.network.addresses = Is(["10.99.0.77".parse().unwrap()].into());
    machine.network.route_sources = Is([
        (
            "10.99.0.12".parse().unwrap(),
            Some("10.99.0.77".parse().unwrap()),
        ),
        ("10.99.0.13".parse().unwrap(), None),
    ]
    .into());
    machine.disk.rooms[0].bytes = Is((100 << 30, 1 << 30));
    machine.packages.kubectl = Is(Some(KubernetesVersion::new(1, 35, 0)));
    machine.packages.programs = Is([].into());
    machine
        .kernel
        .modules
        .insert(KernelModule::Overlay, Is(ModuleState::Absent));
    let findings = check(&machine);
    assert!(findings.iter().all(|f| !f.mendable && !f.remedy.is_empty()));
    let told: String = findings
        .iter()
        .map(|f| {
            format!(
                "{}: {} | {} | {}\n",
                f.check, f.observed, f.wanted, f.remedy
            )
        })
        .collect();
    insta::assert_snapshot!(told, @r##"
    cpu-count: 1 processor | at least 2 for a control-plane | Give the machine more processors, or lift the CPUAffinity that systemd was started with.
    memory-size: 1000 MiB of memory | at least 1700 MiB for a control-plane | Give the machine more memory.
    disk-space: 1024 MiB free on / (1 %) | at least 2048 MiB | Free or add room on the file system of /.
    cgroup-version: cgroup version 1 | cgroup version 2: the kubelet of 1.35 and later does not start on version 1 | Boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line. For a while, `failCgroupV1: false` in the spec's kubelet fields allows version 1.
    host-name: debian | cp1 | Run `hostnamectl set-hostname cp1`, or install the bundle that is this machine's.
    time-sync: no time service runs | systemd-timesyncd, chrony or ntpsec runs | Install and start one (`apt-get install systemd-timesyncd`, `dnf install chrony`), or set the mode of `time-sync` to off where the hypervisor keeps the clock.
    address-present: this machine has 10.99.0.77 | 10.99.0.11, the address in the spec | Give the interface that address, or correct the spec.
    route-source: packets to 10.99.0.12 leave from 10.99.0.77 | from 10.99.0.11, the address in the spec | Set the source of the route (`ip route replace … src 10.99.0.11`), or correct the spec.
    route-source: no route to 10.99.0.13 | a route to every control plane | Add the missing route or the default gateway.
    firewall: firewalld runs | nodes reach each other | Run `firewall-cmd --permanent --add-port=2379/tcp --add-port=2380/tcp --add-port=6443/tcp --add-port=7470/tcp --add-port=8443/tcp --add-port=10250/tcp --add-port=10257/tcp --add-port=10259/tcp --add-port=7470/udp --add-protocol=vrrp` with the pod network's own ports besides, then `firewall-cmd --reload`; or stop firewalld.
    module-overlay: this kernel has no overlay | it is a module or part of the kernel | Install the kernel's further modules (linux-modules-extra, kernel-modules-extra) or another kernel.
    required-programs: mount is not on the PATH | mount is installed | Install the package mount.
    required-programs: cp is not on the PATH | cp is installed | Install the package coreutils.
    required-programs: losetup is not on the PATH | losetup is installed | Install the package mount.
    kubernetes-packages: kubeadm v1.36.2, kubelet v1.36.2, kubectl v1.35.0 | kubeadm, kubelet and kubectl of one version of 1.36, the spec's minor | Add the repository pkgs.k8s.io/core:/stable:/v1.36/deb/ and run `apt-get install kubeadm=1.36.2-* kubelet=1.36.2-* kubectl=1.36.2-*`.
    "##);
}

#[test]
fn modes_lower_and_silence() {
    let mut machine = healthy();
    machine.swap.active = Is(vec!["/dev/sda2".to_owned()]);
    let with = |mode| {
        let mut wanted = cp1();
        wanted.modes.insert("swap-off".to_owned(), mode);
        wanted
    };
    let report = check_all(&machine, &with(CheckMode::Report), &PeerFacts::default());
    assert_eq!(
        (report.len(), report[0].severity, report[0].mendable),
        (1, Severity::Warning, false)
    );
    assert_eq!(mend_all(&machine, &with(CheckMode::Report)), []);
    assert_eq!(
        check_all(&machine, &with(CheckMode::Off), &PeerFacts::default()),
        []
    );
    assert!(wants_prepare(&check(&machine)) && !wants_prepare(&report));
}

#[test]
fn swap_that_the_spec_allows_is_left_to_workers() {
    let mut machine = healthy();
    machine.swap.active = Is(vec!["/dev/sda2".to_owned()]);
    let found = |node: &str| {
        let mut context = example::context(node);
        context
            .spec
            .kubernetes
            .kubelet
            .insert("failSwapOn".to_owned(), false.into());
        let mut wanted = Requirements::of(&context);
        // Only swap is asked about: the machine is cp1's.
        wanted.modes = Check::ALL
            .into_iter()
            .filter(|check| *check != Check::SwapOff)
            .map(|check| (check.name().to_owned(), CheckMode::Off))
            .collect();
        check_all(&machine, &wanted, &PeerFacts::default())
    };
    assert_eq!(found("w1"), []);
    let control_plane = found("cp1");
    assert_eq!((control_plane.len(), control_plane[0].mendable), (1, false));
}

#[test]
fn a_node_of_a_cluster_keeps_its_cgroup_driver_until_it_is_drained() {
    let mut machine = healthy();
    machine.kubelet.joined = Is(true);
    machine.kubelet.cgroup_driver = Is(Some("systemd".to_owned()));
    assert_eq!(check(&machine), []);
    let Is(files) = &mut machine.containerd.files else {
        panic!()
    };
    files[0].text = files[0]
        .text
        .replace("SystemdCgroup = true", "SystemdCgroup = false");
    assert_eq!(mend_all(&machine, &cp1()), []);
    machine.kubelet.cgroup_driver = Is(None);
    machine.kubelet.cgroup_driver_argument = Is(Some("cgroupfs".to_owned()));
    insta::assert_snapshot!(brief(&check(&machine)), @r##"
    containerd-config refuses: SystemdCgroup of the runtime runc is false | true, as the kubelet's driver
    kubelet-cgroup-driver refuses: the kubelet's arguments say --cgroup-driver=cgroupfs | systemd, as containerd
    "##);
    machine.kubelet.joined = Unknown("no permission".to_owned());
    assert_eq!(mend_all(&machine, &cp1()), [], "unknown counts as joined");
}

#[test]
fn a_later_file_that_overrides_ours_is_named_and_left_alone() {
    let mut machine = healthy();
    let Is(files) = &mut machine.kernel.sysctl_files else {
        panic!()
    };
    files.push(file(
        "/etc/sysctl.d/99-sysctl.conf",
        "net.ipv4.ip_forward=0\n",
    ));
    insta::assert_snapshot!(brief(&check(&machine)), @"ip-forward warns: /etc/sysctl.d/99-sysctl.conf sets it to 0 after /etc/sysctl.d/99-hactl.conf is read | net.ipv4.ip_forward = 1 at the next boot");
    assert_eq!(mend_all(&machine, &cp1()), []);
}

#[test]
fn packages_are_installed_only_from_a_repository_that_is_there() {
    let mut machine = healthy();
    machine.containerd.version = Is(None);
    machine.system.selinux = Is(Selinux::Enforcing);
    assert_eq!(mend_all(&machine, &cp1()), []);
    machine.packages.programs = Is(["mount".to_owned(), "cp".to_owned()].into());
    let offered = ["containerd", "containerd.io", "util-linux"].map(str::to_owned);
    machine.packages.offered = Is(offered.into());
    let Is(distribution) = &mut machine.system.distribution else {
        panic!()
    };
    distribution.family = Family::RedHat;
    let steps = mend_all(&machine, &cp1());
    insta::assert_snapshot!(format!("{steps:?}"), @r##"
    [InstallPackages { by: Dnf, packages: ["containerd.io", "util-linux"] }]
    "##);
    insta::assert_snapshot!(brief(&check(&machine)), @r##"
    selinux warns: SELinux enforces and container-selinux is not installed | the policy for containers
    required-programs refuses [mended]: losetup is not on the PATH | losetup is installed
    containerd-installed refuses [mended]: containerd is not installed | containerd 1.6 or later
    "##);
}
