//! What must hold at the end, wherever the cut was.

use hactl_simulation::World;

use crate::scenario::{Kind, Scenario};
use crate::support::fleet::TARGET;
use crate::support::{name, through};

/// Looks at the node and its cluster; the first thing that is wrong.
pub(crate) fn check(world: &World, scenario: &Scenario, marked_before: bool) -> Result<(), String> {
    let state = world.state();
    let machine = &state.machines[&name(scenario.node)];
    let ensure = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    ensure(
        !machine.tree.exists("/run/hactl/kubeadm.yaml"),
        "kubeadm's configuration was left",
    )?;
    if scenario.order == Kind::Init {
        ensure(
            state.inits.len() == 1 || !marked_before,
            "a second init after the member was complete",
        )?;
        let served = state.served_by(machine).ok_or("no API server serves")?;
        let tokens = served
            .of_kind("secret", "kube-system")
            .filter(|(name, _)| name.starts_with("bootstrap-token"));
        ensure(tokens.count() == 0, "init's token was left")?;
    } else {
        ensure(state.inits.len() <= 1, "a second cluster was made")?;
    }
    if matches!(scenario.order, Kind::JoinControlPlane) {
        let cluster = state.served_by(machine).ok_or("no API server serves")?;
        let ours = cluster
            .members
            .iter()
            .filter(|member| member.address == machine.address);
        ensure(ours.count() == 1, "the member is there more than once")?;
        ensure(
            cluster.members.iter().all(|member| !member.name.is_empty()),
            "a member never started",
        )?;
    }
    if scenario.order == Kind::Clean {
        ensure(
            !machine.tree.exists("/etc/kubernetes"),
            "something of Kubernetes was left",
        )?;
        ensure(!machine.runs("kubelet"), "the kubelet runs")?;
    }
    if matches!(scenario.order, Kind::UpgradeFirst | Kind::UpgradeNode) {
        let tag = TARGET.to_string();
        for version in [&machine.version, &machine.kubelet, &machine.kubectl] {
            ensure(*version == tag, "a package is not at the target")?;
        }
        let old = machine
            .pods
            .iter()
            .any(|(pod, at)| pod != "etcd" && *at != tag);
        ensure(!old, "a static pod is not at the target")?;
        let progress = machine.tree.text("/var/lib/hactl/upgrade/progress.json");
        ensure(
            progress.contains("\"finished\": true"),
            "the upgrade is not recorded as finished",
        )?;
    }
    if scenario.order == Kind::Renew {
        through::renewed(machine)?;
    }
    let journal = machine.tree.text("/var/lib/hactl/journal/journal");
    ensure(
        !journal.contains("000000000000"),
        "a token is in the journal",
    )?;
    ensure(!journal.contains("kkkkkkkk"), "a key is in the journal")
}
