//! Where each measure begins to warn or to refuse, and what each version of Kubernetes asks for.

use super::*;

#[test]
fn ports_are_for_their_own_programs() {
    let listener = |port, holder: Option<&str>| Listener {
        port,
        inode: 1,
        holder: holder.map(str::to_owned),
    };
    let mut machine = healthy();
    machine.network.listeners = Is(vec![
        listener(10257, Some("kube-controller")),
        listener(6443, Some("kube-apiserver")),
        listener(2379, Some("etcd")),
        listener(22, Some("sshd")),
    ]);
    assert_eq!(check(&machine), []);
    machine.network.listeners = Is(vec![
        listener(6443, Some("nginx")),
        listener(10257, Some("kube-control")),
        listener(8443, None),
    ]);
    insta::assert_snapshot!(brief(&check(&machine)), @r##"
    ports-free refuses: TCP port 6443 is held by nginx | free, or held by kube-apiserver
    ports-free refuses: TCP port 8443 is held by a process that can't be named | free, or held by haproxy
    ports-free refuses: TCP port 10257 is held by kube-control | free, or held by kube-controller-manager
    "##);
    let worker = Requirements::of(&example::context("w1"));
    assert!(
        port_uses(&worker)
            .iter()
            .all(|port_use| port_use.port != 6443)
    );
}

#[test]
fn fsync_warns_over_10_ms_and_refuses_over_100_ms() {
    use crate::facts::machine::disk::FsyncTimes;
    for (p99_us, wanted) in [
        (10_000, None),
        (10_001, Some(Severity::Warning)),
        (100_000, Some(Severity::Warning)),
        (100_001, Some(Severity::Refusal)),
    ] {
        let mut machine = healthy();
        machine.disk.fsync = Is(FsyncTimes::of(vec![p99_us; 100]));
        let found = check(&machine).first().map(|finding| finding.severity);
        assert_eq!(found, wanted, "{p99_us} us");
        let worker = Requirements::of_role(NodeRole::Worker);
        let on_worker = check_all(&machine, &worker, &PeerFacts::default());
        assert!(on_worker.iter().all(|f| f.check != "etcd-disk"));
    }
}

#[test]
fn clocks_are_measured_against_the_median_of_peers() {
    let peers = |offsets: &[i64]| PeerFacts {
        identities: vec![],
        clock_offsets: offsets
            .iter()
            .enumerate()
            .map(|(n, offset)| (NodeName::new(format!("cp{n}")).unwrap(), *offset))
            .collect(),
    };
    let severity = |offsets: &[i64]| {
        let findings = check_all(&healthy(), &cp1(), &peers(offsets));
        findings.first().map(|finding| finding.severity)
    };
    assert_eq!(severity(&[]), None);
    assert_eq!(severity(&[500, -500]), None);
    assert_eq!(severity(&[501, 600]), Some(Severity::Warning));
    assert_eq!(severity(&[-5_001]), Some(Severity::Refusal));
    assert_eq!(
        severity(&[0, 9_000]),
        None,
        "one of two peers is wrong, not this node"
    );
    assert_eq!(severity(&[1, 0, 9_000]), None);
    assert_eq!(severity(&[-9_000, -9_100, 3]), Some(Severity::Refusal));
    assert_eq!(severity(&[i64::MIN, i64::MIN]), Some(Severity::Refusal));
}

#[test]
fn clones_are_found_by_what_they_share() {
    let cluster = ClusterName::new("example").unwrap();
    let told = |name: &str, id: &str, mac: &str| {
        IdentityFingerprint::new(&cluster, Some(name), Some(id), None, &[mac.to_owned()])
    };
    let peers = PeerFacts {
        identities: vec![
            (
                NodeName::new("cp2").unwrap(),
                told("cp2", "F00D\n", "52:54:00:00:00:02"),
            ),
            (
                NodeName::new("cp3").unwrap(),
                told("cp3", "beef", "52:54:00:00:00:01"),
            ),
            (NodeName::new("w1").unwrap(), IdentityFingerprint::default()),
        ],
        clock_offsets: vec![],
    };
    insta::assert_snapshot!(brief(&check_all(&healthy(), &cp1(), &peers)), @r##"
    unique-identity refuses: the same machine-id as cp2 | a machine-id of its own
    unique-identity refuses: the same MAC address as cp3 | a MAC address of its own
    "##);
}

#[test]
fn versions_of_kubernetes_ask_for_different_things() {
    let findings = |minor: u16, change: fn(&mut MachineFacts)| {
        let mut context = example::context("cp1");
        context.spec.kubernetes.version = KubernetesVersion::new(1, minor, 2);
        let mut machine = healthy();
        let version = || Is(Some(KubernetesVersion::new(1, minor, 2)));
        machine.packages.kubeadm = version();
        machine.packages.kubelet = version();
        machine.packages.kubectl = version();
        change(&mut machine);
        let wanted = Requirements::of(&context);
        let found = check_all(&machine, &wanted, &PeerFacts::default());
        format!("1.{minor}\n{}", brief(&found))
    };
    let no_bridge = |machine: &mut MachineFacts| {
        machine
            .kernel
            .modules
            .insert(KernelModule::BrNetfilter, Is(ModuleState::Absent));
        machine
            .kernel
            .sysctls
            .insert(Sysctl::BridgeNfCallIptables, Is(None));
        machine.system.cgroup = Is(CgroupVersion::V1);
    };
    let all = [20, 29, 30, 34, 35]
        .map(|minor| findings(minor, no_bridge))
        .concat();
    insta::assert_snapshot!(all, @r##"
    1.20
    module-br-netfilter refuses: this kernel has no br_netfilter | it is a module or part of the kernel
    required-programs refuses: conntrack is not on the PATH | conntrack is installed
    required-programs refuses: crictl is not on the PATH | crictl is installed
    required-programs refuses: ip is not on the PATH | ip is installed
    required-programs refuses: iptables is not on the PATH | iptables is installed
    required-programs refuses: nsenter is not on the PATH | nsenter is installed
    required-programs warns: ebtables is not on the PATH | ebtables is installed
    required-programs warns: socat is not on the PATH | socat is installed
    required-programs warns: ethtool is not on the PATH | ethtool is installed
    required-programs warns: tc is not on the PATH | tc is installed
    1.29
    module-br-netfilter refuses: this kernel has no br_netfilter | it is a module or part of the kernel
    required-programs refuses: conntrack is not on the PATH | conntrack is installed
    required-programs refuses: crictl is not on the PATH | crictl is installed
    required-programs refuses: ip is not on the PATH | ip is installed
    required-programs refuses: iptables is not on the PATH | iptables is installed
    required-programs refuses: nsenter is not on the PATH | nsenter is installed
    required-programs warns: ebtables is not on the PATH | ebtables is installed
    required-programs warns: socat is not on the PATH | socat is installed
    required-programs warns: ethtool is not on the PATH | ethtool is installed
    required-programs warns: tc is not on the PATH | tc is installed
    1.30
    module-br-netfilter warns: this kernel has no br_netfilter | it is a module or part of the kernel
    required-programs refuses: conntrack is not on the PATH | conntrack is installed
    required-programs refuses: crictl is not on the PATH | crictl is installed
    required-programs refuses: ip is not on the PATH | ip is installed
    required-programs refuses: iptables is not on the PATH | iptables is installed
    required-programs refuses: nsenter is not on the PATH | nsenter is installed
    required-programs warns: ebtables is not on the PATH | ebtables is installed
    required-programs warns: socat is not on the PATH | socat is installed
    required-programs warns: ethtool is not on the PATH | ethtool is installed
    required-programs warns: tc is not on the PATH | tc is installed
    1.34
    cgroup-version warns: cgroup version 1 | cgroup version 2: version 1 is being removed
    module-br-netfilter warns: this kernel has no br_netfilter | it is a module or part of the kernel
    1.35
    cgroup-version refuses: cgroup version 1 | cgroup version 2: the kubelet of 1.35 and later does not start on version 1
    module-br-netfilter warns: this kernel has no br_netfilter | it is a module or part of the kernel
    "##);
}
