//! A machine for this crate's tests: a Debian control plane, 10.99.0.11 and cp1, on which nothing deviates.

use std::collections::BTreeMap;

use hactl_proto::version::KubernetesVersion;

use super::containerd::{CONTAINERD_CONFIG, ContainerdFacts, ContainerdVersion};
use super::disk::{DiskFacts, FsyncTimes, Room};
use super::identity::IdentityFacts;
use super::kernel::{KernelFacts, ModuleState};
use super::kubelet::KubeletFacts;
use super::network::NetworkFacts;
use super::packages::{Package, PackageFacts};
use super::peers::PeerFacts;
use super::swap::SwapFacts;
use super::system::{CgroupVersion, Distribution, Family, Selinux, SystemFacts};
use super::{MachineFacts, TextFile};
use crate::facts::Known::Is;
use crate::step::machine::{KernelModule, Sysctl};

const CONTAINERD: &str = "\
version = 2
[plugins.\"io.containerd.grpc.v1.cri\"]
sandbox_image = \"registry.k8s.io/pause:3.10.2\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]
SystemdCgroup = true
";

pub(crate) fn file(path: &str, text: &str) -> TextFile {
    TextFile {
        path: path.to_owned(),
        text: text.to_owned(),
        mode: 0o644,
    }
}

/// Nothing deviates for cp1 of `example::spec`.
pub(crate) fn healthy() -> MachineFacts {
    let version = || Is(Some(KubernetesVersion::new(1, 36, 2)));
    let package = || Package {
        version: "1.36.2-1.1".to_owned(),
        held: true,
    };
    MachineFacts {
        system: SystemFacts {
            distribution: Is(Distribution {
                name: "Debian GNU/Linux 13 (trixie)".to_owned(),
                family: Family::Debian,
            }),
            cpus: Is(2),
            memory_mib: Is(3900),
            cgroup: Is(CgroupVersion::V2),
            time_service: Is(Some("systemd-timesyncd.service".to_owned())),
            selinux: Is(Selinux::Absent),
            firewalld: Is(false),
        },
        identity: IdentityFacts {
            host_name: Is("cp1".to_owned()),
            machine_id: Is("f00d".to_owned()),
            product_uuid: Is(None),
            macs: Is(vec!["52:54:00:00:00:01".to_owned()]),
        },
        swap: SwapFacts {
            active: Is(vec![]),
            fstab: Is(file("/etc/fstab", "UUID=1 / ext4 defaults 0 1\n")),
            units: Is(vec![]),
            own_units: Is(vec![]),
        },
        kernel: KernelFacts {
            modules: BTreeMap::from([
                (KernelModule::Overlay, Is(ModuleState::BuiltIn)),
                (KernelModule::BrNetfilter, Is(ModuleState::Loaded)),
            ]),
            modules_load: Is(vec![file(
                "/etc/modules-load.d/hactl.conf",
                "br_netfilter\n",
            )]),
            sysctls: [
                Sysctl::Ipv4Forward,
                Sysctl::Ipv6Forward,
                Sysctl::BridgeNfCallIptables,
                Sysctl::BridgeNfCallIp6tables,
            ]
            .into_iter()
            .map(|sysctl| (sysctl, Is(Some("1".to_owned()))))
            .collect(),
            sysctl_files: Is(vec![file(
                "/etc/sysctl.d/99-hactl.conf",
                "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n",
            )]),
        },
        containerd: ContainerdFacts {
            version: Is(Some(ContainerdVersion {
                major: 1,
                minor: 7,
                patch: 24,
            })),
            running: Is(true),
            enabled: Is(true),
            restart_due: false,
            files: Is(vec![file(CONTAINERD_CONFIG, CONTAINERD)]),
            pause_image: Is(Some("registry.k8s.io/pause:3.10.2".to_owned())),
        },
        kubelet: KubeletFacts {
            joined: Is(false),
            cgroup_driver: Is(None),
            cgroup_driver_argument: Is(None),
        },
        packages: PackageFacts {
            programs: Is(["mount", "cp", "losetup"].map(str::to_owned).into()),
            kubeadm: version(),
            kubelet: version(),
            kubectl: version(),
            installed: Is(["kubeadm", "kubelet", "kubectl"]
                .map(|name| (name.to_owned(), package()))
                .into()),
            offered: Is([].into()),
        },
        network: NetworkFacts {
            listeners: Is(vec![]),
            addresses: Is(["127.0.0.1", "10.99.0.11"]
                .map(|a| a.parse().unwrap())
                .into()),
            route_sources: Is(["10.99.0.12", "10.99.0.13"]
                .map(|peer| (peer.parse().unwrap(), Some("10.99.0.11".parse().unwrap())))
                .into()),
            endpoint: Is([].into()),
        },
        disk: DiskFacts {
            rooms: vec![Room {
                folder: "/".to_owned(),
                bytes: Is((100 << 30, 60 << 30)),
            }],
            fsync: Is(FsyncTimes::of(vec![900; 200])),
        },
        peers: PeerFacts::default(),
    }
}
