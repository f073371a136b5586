//! The reader over a host of files and commands, as they were captured on Debian 12.

mod machine;

use std::path::Path;

use hactl_node_plan::facts::Known::{self, Is};
use hactl_node_plan::facts::machine::kernel::ModuleState;
use hactl_node_plan::facts::machine::peers::PeerFacts;
use hactl_node_plan::facts::machine::system::CgroupVersion;
use hactl_node_plan::prerequisite::{Requirements, check_all};
use hactl_node_plan::step::machine::KernelModule;
use hactl_proto::role::NodeRole;
use hactl_proto::version::KubernetesVersion;

pub(crate) use machine::{Machine, debian};

use super::MachineInspector;
use crate::paths::Paths;

fn inspector() -> MachineInspector {
    MachineInspector::new(Paths::under(Path::new("/")))
}

fn control_plane() -> Requirements {
    Requirements {
        kubernetes: Some(KubernetesVersion::new(1, 20, 2)),
        address: Some("10.99.0.11".parse().unwrap()),
        peers: vec!["10.99.0.12".parse().unwrap()],
        ..Requirements::of_role(NodeRole::ControlPlane)
    }
}

#[tokio::test]
async fn a_captured_node_is_read_whole() {
    let host = debian();
    let facts = inspector().inspect(&host, &control_plane()).await;
    assert_eq!(
        check_all(&facts, &control_plane(), &PeerFacts::default()),
        []
    );
    assert_eq!(facts.system.cgroup, Is(CgroupVersion::V2));
    assert_eq!(
        facts.kernel.modules[&KernelModule::BrNetfilter],
        Is(ModuleState::Loaded)
    );
    assert_eq!(
        facts.packages.kubeadm,
        Is(Some(KubernetesVersion::new(1, 20, 2)))
    );
    assert_eq!(
        facts.containerd.pause_image,
        Is(Some("k8s.gcr.io/pause:3.2".to_owned()))
    );
    assert_eq!(
        facts
            .containerd
            .version
            .known()
            .unwrap()
            .unwrap()
            .to_string(),
        "1.6.20"
    );
    let held = &facts.packages.installed.known().unwrap()["kubelet"];
    assert!(held.held);
    let listeners = facts.network.listeners.known().unwrap();
    assert_eq!(listeners[0].holder.as_deref(), Some("kube-apiserver"));
    assert_eq!(
        facts.identity.macs,
        Is(vec!["52:54:00:00:00:01".to_owned()])
    );
    assert_eq!(facts.disk.fsync.known().unwrap().unwrap().p99_us, 900);
}

#[tokio::test]
async fn looking_again_starts_no_process() {
    let host = debian();
    let inspector = inspector();
    let first = inspector.inspect(&host, &control_plane()).await;
    assert!(!host.commands().is_empty());
    host.forget_commands();
    let second = inspector.inspect(&host, &control_plane()).await;
    assert_eq!(host.commands(), [""; 0]);
    assert_eq!(first, second);
}

#[tokio::test]
async fn only_what_changed_is_asked_again() {
    let host = debian();
    let inspector = inspector();
    inspector.inspect(&host, &control_plane()).await;
    host.forget_commands();
    host.write("/usr/bin/kubeadm", "another build");
    host.write("/proc/net/tcp", machine::TCP_WITH_ANOTHER_SOCKET);
    inspector.inspect_afresh(&host, &control_plane()).await;
    assert_eq!(
        host.commands(),
        [
            "kubeadm config images list -o json --kubernetes-version=v1.20.2",
            "kubeadm version -o short",
            "ss -Htlnp",
        ]
    );
}

#[tokio::test]
async fn ports_are_read_again_within_the_time_of_drift() {
    let host = debian();
    let inspector = inspector();
    let inode = async || {
        let facts = inspector.inspect(&host, &control_plane()).await;
        facts.network.listeners.known().unwrap()[0].inode
    };
    assert_eq!(inode().await, 1659);
    host.write("/proc/net/tcp", machine::TCP_WITH_ANOTHER_SOCKET);
    assert_eq!(inode().await, 1659, "the table is costly");
    host.pass_seconds(20);
    assert_eq!(inode().await, 2001);
}

#[tokio::test]
async fn drift_is_seen_at_the_next_look() {
    let host = debian();
    let inspector = inspector();
    inspector.inspect(&host, &control_plane()).await;
    host.write(
        "/proc/swaps",
        "Filename\tType\tSize\tUsed\tPriority\n/swapfile file 65532 0 -2\n",
    );
    host.write("/proc/sys/net/ipv4/ip_forward", "0\n");
    host.remove_path("/sys/fs/cgroup/system.slice/containerd.service/cgroup.procs");
    let dpkg = host
        .text("/var/lib/dpkg/status")
        .replace("Status: hold", "Status: install");
    host.write("/var/lib/dpkg/status", &dpkg);
    host.write("/etc/machine-id", "");
    let facts = inspector.inspect(&host, &control_plane()).await;
    let findings = check_all(&facts, &control_plane(), &PeerFacts::default());
    let names: Vec<_> = findings
        .iter()
        .map(|finding| finding.check.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "unique-identity",
            "swap-off",
            "ip-forward",
            "containerd-running",
            "packages-held"
        ]
    );
    assert!(matches!(facts.identity.machine_id, Known::Unknown(_)));
}

#[tokio::test]
async fn swap_units_are_sorted_by_who_made_them() {
    let host = debian();
    let generated = "# Automatically generated by zram-generator\n[Swap]\nWhat=/dev/zram0\n";
    let fstab =
        "# Automatically generated by systemd-fstab-generator\n[Unit]\nSourcePath=/etc/fstab\n";
    host.write("/run/systemd/generator/dev-zram0.swap", generated);
    host.write("/run/systemd/generator/dev-zram1.swap", generated);
    host.write("/run/systemd/generator/swapfile.swap", fstab);
    host.write("/etc/systemd/system/dev-zram1.swap", "");
    host.write("/etc/systemd/system/mine.swap", "[Swap]\nWhat=/mine\n");
    host.write("/etc/systemd/system/idle.swap", "[Swap]\nWhat=/idle\n");
    host.write("/etc/systemd/system/swap.target.wants/mine.swap", "");
    host.write(
        "/etc/systemd/system/multi-user.target.wants/zramswap.service",
        "",
    );
    let facts = inspector().inspect(&host, &control_plane()).await;
    assert_eq!(
        facts.swap.units,
        Is(vec![
            "dev-zram0.swap".to_owned(),
            "zramswap.service".to_owned()
        ])
    );
    assert_eq!(facts.swap.own_units, Is(vec!["mine.swap".to_owned()]));
}

#[tokio::test]
async fn imports_of_containerd_are_followed_in_its_order() {
    let host = debian();
    host.write(
        "/etc/containerd/config.toml",
        "version = 2\nimports = [\"conf.d/*.toml\", \"/etc/containerd/config.toml\"]\n",
    );
    host.write(
        "/etc/containerd/conf.d/b.toml",
        "imports = [\"../more.toml\"]\n",
    );
    host.write(
        "/etc/containerd/conf.d/a.toml",
        "version = 2\nimports = [\"/etc/containerd/more.toml\"]\n",
    );
    host.write("/etc/containerd/conf.d/a.toml.bak", "broken");
    host.write(
        "/etc/containerd/more.toml",
        "imports = [\"/etc/containerd/config.toml\"]\n",
    );
    let facts = inspector().inspect(&host, &control_plane()).await;
    let files = facts.containerd.files.known().unwrap();
    let paths: Vec<_> = files
        .iter()
        .map(|file| file.path.trim_start_matches("/etc/containerd/"))
        .collect();
    assert_eq!(
        paths,
        ["config.toml", "conf.d/a.toml", "conf.d/b.toml", "more.toml"]
    );
}

#[tokio::test]
async fn programs_that_fail_leave_facts_unknown() {
    let host = debian();
    host.answers(
        "kubelet --version",
        1,
        "",
        "kubelet: cannot execute binary file\n",
    );
    host.answers("hactl-agent measure-fsync /var/lib/etcd", 0, "no JSON", "");
    let facts = inspector().inspect(&host, &control_plane()).await;
    let unknown = |text: &str| Known::Unknown(text.to_owned());
    assert_eq!(
        facts.packages.kubelet,
        unknown("kubelet --version failed: kubelet: cannot execute binary file")
    );
    assert!(matches!(facts.disk.fsync, Known::Unknown(_)));
    host.answers("kubelet --version", 0, "Kubernetes v1.20.2\n", "");
    let facts = MachineInspector::new(Paths::under(Path::new("/")))
        .inspect(&host, &control_plane())
        .await;
    assert_eq!(
        facts.packages.kubelet,
        Is(Some(KubernetesVersion::new(1, 20, 2)))
    );
}

/// Found by the simulator: one failed `kubelet --version` left the version unknown, and each upgrade refused, for as long as the
/// agent ran.
#[tokio::test]
async fn a_program_that_failed_once_is_asked_again_though_no_file_changed() {
    let host = debian();
    let inspector = inspector();
    host.answers("kubelet --version", 1, "", "fork: out of memory\n");
    let facts = inspector.inspect(&host, &control_plane()).await;
    assert!(matches!(facts.packages.kubelet, Known::Unknown(_)));
    host.answers("kubelet --version", 0, "Kubernetes v1.20.2\n", "");
    let facts = inspector.inspect(&host, &control_plane()).await;
    assert!(
        matches!(facts.packages.kubelet, Known::Unknown(_)),
        "not at each look"
    );
    host.pass_seconds(61);
    let facts = inspector.inspect(&host, &control_plane()).await;
    assert_eq!(
        facts.packages.kubelet,
        Is(Some(KubernetesVersion::new(1, 20, 2)))
    );
}

#[tokio::test]
async fn a_measurement_outlives_a_restart_for_a_week() {
    let host = debian();
    inspector().inspect(&host, &control_plane()).await;
    let measured = |host: &Machine| {
        host.commands()
            .iter()
            .any(|line| line.contains("measure-fsync"))
    };
    assert!(measured(&host));
    host.forget_commands();
    inspector().inspect(&host, &control_plane()).await;
    assert!(!measured(&host));
    host.pass_days(8);
    inspector().inspect(&host, &control_plane()).await;
    assert!(measured(&host));
    host.forget_commands();
    host.write("/var/lib/hactl/fsync.json", "{\"at\": \"garbage");
    inspector().inspect(&host, &control_plane()).await;
    assert!(measured(&host), "a torn file is measured anew");
}
