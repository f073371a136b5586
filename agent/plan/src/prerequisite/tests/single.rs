//! One deviation at a time.

use super::*;
use crate::facts::machine::containerd::ContainerdVersion;

#[test]
fn what_the_kubelet_runs_with_only_warns_once_the_node_has_joined() {
    let mut machine = healthy();
    machine.packages.kubectl = Is(None);
    let severity = |machine: &MachineFacts| {
        let found = check(machine);
        let version = found
            .iter()
            .find(|one| one.observed == "kubectl is not installed");
        version.unwrap().severity
    };
    machine.kubelet.joined = Is(false);
    assert_eq!(severity(&machine), Severity::Refusal);
    machine.kubelet.joined = Is(true);
    assert_eq!(severity(&machine), Severity::Warning);
}

#[test]
fn whether_containerd_starts_at_boot_is_told_where_it_is_unknown() {
    let mut machine = healthy();
    machine.containerd.enabled = Unknown("systemctl: timed out".to_owned());
    let told = brief(&check(&machine));
    assert!(told.contains("whether containerd starts at boot"), "{told}");
}

#[test]
fn a_containerd_that_does_not_speak_what_kubernetes_does_is_refused() {
    let told = |containerd: (u16, u16), minor: u16| {
        let mut machine = healthy();
        let (major, minor_of) = containerd;
        machine.containerd.version = Is(Some(ContainerdVersion {
            major,
            minor: minor_of,
            patch: 0,
        }));
        let mut context = example::context("cp1");
        context.spec.kubernetes.version = KubernetesVersion::new(1, minor, 0);
        let findings = check_all(&machine, &Requirements::of(&context), &PeerFacts::default());
        let found = findings
            .into_iter()
            .find(|one| one.observed == format!("containerd {major}.{minor_of}.0"));
        found.map(|one| one.wanted)
    };
    assert_eq!(told((1, 7), 37), None);
    assert_eq!(told((1, 7), 38).as_deref(), Some("containerd 2.0 or later"));
    assert_eq!(told((1, 5), 25), None);
    assert_eq!(
        told((1, 5), 26).as_deref(),
        Some("containerd 1.6 or later, for CRI v1")
    );
    assert_eq!(told((2, 1), 23), None);
    assert!(told((2, 1), 22).unwrap().starts_with("containerd 1.x"));
}

#[test]
fn units_of_our_own_that_swap_at_boot_are_disabled_and_programs_are_those_of_a_minor() {
    let mut machine = healthy();
    machine.swap.own_units = Is(vec!["swapfile.swap".to_owned()]);
    let units = vec!["swapfile.swap".to_owned()];
    assert_eq!(
        mend_all(&machine, &cp1()),
        [MachineStep::DisableUnits { units }]
    );
    let all = programs::missing_programs(&[].into(), 36);
    assert!(
        all.contains(&"mount") && all.contains(&"losetup"),
        "{all:?}"
    );
    let mount: std::collections::BTreeSet<String> = ["mount".to_owned()].into();
    assert!(!programs::missing_programs(&mount, 36).contains(&"mount"));
}

#[test]
fn a_name_of_the_endpoint_has_to_resolve() {
    let mut context = example::context("cp1");
    context.spec.endpoint.host = "k8s.example".to_owned();
    let wanted = Requirements::of(&context);
    let told = |endpoint| {
        let mut machine = healthy();
        machine.network.endpoint = endpoint;
        brief(&check_all(&machine, &wanted, &PeerFacts::default()))
    };
    let address: std::net::IpAddr = "10.99.0.100".parse().unwrap();
    assert_eq!(told(Is([address].into())), "");
    assert!(told(Is([].into())).contains("k8s.example does not resolve"));
    assert!(told(Unknown("no resolver".to_owned())).contains("unknown: no resolver"));
}

#[test]
fn a_node_has_every_other_control_plane_for_a_peer() {
    let peers = |node| Requirements::of(&example::context(node)).peers;
    let of = |last: &[u8]| -> Vec<std::net::IpAddr> {
        let address = |last: &u8| std::net::Ipv4Addr::new(10, 99, 0, *last).into();
        last.iter().map(address).collect()
    };
    assert_eq!(peers("cp1"), of(&[12, 13]));
    assert_eq!(peers("w1"), of(&[11, 12, 13]));
}

#[test]
fn an_own_file_that_says_too_little_is_replaced_and_known_to_have_been_there() {
    let mut machine = healthy();
    let own = |machine: &MachineFacts| -> Vec<Option<String>> {
        let steps = mend_all(machine, &cp1());
        let edits = steps.into_iter().filter_map(|step| match step {
            MachineStep::WriteFile(edit) => Some(edit.before),
            _ => None,
        });
        edits.collect()
    };
    let others = |path: &str| file(path, "# somebody else's\n");
    machine.kernel.sysctl_files = Is(vec![others("/etc/sysctl.d/10-other.conf")]);
    machine.kernel.modules_load = Is(vec![others("/etc/modules-load.d/other.conf")]);
    assert!(own(&machine).iter().all(Option::is_none));
    let ours = |path: &str| file(path, "# ours\n");
    machine.kernel.sysctl_files = Is(vec![
        others("/etc/sysctl.d/10-other.conf"),
        ours("/etc/sysctl.d/99-hactl.conf"),
    ]);
    machine.kernel.modules_load = Is(vec![
        others("/etc/modules-load.d/other.conf"),
        ours("/etc/modules-load.d/hactl.conf"),
    ]);
    let before = own(&machine);
    assert_eq!(before.len(), 2);
    assert!(
        before
            .iter()
            .all(|text| text.as_deref() == Some("# ours\n"))
    );
}
