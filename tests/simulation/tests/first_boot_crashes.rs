//! The whole first boot, cut at every place of one node: killed there, or its power gone, the next lives become one cluster.
//!
//! The plans alone are cut in `crash_matrix`; here the drivers have to find out by themselves where to go on.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use hactl_simulation::{Cut, World};
use support::agents::{Running, Town};
use support::*;

/// Longer than any first boot takes, in virtual time.
const LIMIT: Duration = Duration::from_mins(40);

/// So many of a first boot's many hundred places are cut at, evenly spread, where `HACTL_EVERY_PLACE` is not set.
const SAMPLED: u64 = 40;

type Agents = BTreeMap<&'static str, Running>;

/// All of them settled; else who was not, and what it said last.
async fn settled(agents: &mut Agents) -> Result<(), String> {
    let all = async {
        for agent in agents.values_mut() {
            agent.settled_however_long().await;
        }
    };
    if tokio::time::timeout(LIMIT, all).await.is_ok() {
        return Ok(());
    }
    let unsettled = agents.iter().filter_map(|(node, agent)| {
        let shown = agent.progress.borrow();
        (!shown.settled).then(|| format!("{node}: {shown:?}"))
    });
    Err(unsettled.collect::<Vec<_>>().join("; "))
}

/// A first boot that ends where `node` comes to that place; gives the place's name, or nothing if all of them settled before.
fn first_life(world: &World, node: &str, at: Option<(u64, Cut)>) -> Option<String> {
    life(world, async {
        let mut agents = Town::default().start_all(world).await;
        let node = name(node);
        if let Some((place, cut)) = at {
            world.arm(&node, place, cut);
        }
        tokio::select! {
            biased;
            () = world.cut_happened(&node) => {}
            all = settled(&mut agents) => all.unwrap(),
        }
    });
    let state = world.state();
    let crash = &state.machines[&name(node)].crash;
    crash.fired.then(|| crash.place.clone())
}

/// Every agent starts again, and there is one whole cluster in the end; `pace`: how much longer than usual the components take
/// to come up.
fn next_life(world: &World, node: &str, cut: Cut, pace: f64) -> Result<(), String> {
    let marked = world.state().machines[&name("cp1")]
        .tree
        .exists("/var/lib/hactl/etcd-member.json");
    life(world, async {
        world.state().pace = pace;
        if let Cut::Power { lose } = cut {
            world.power_on(&name(node), lose);
        }
        let mut agents = Town::default().start_all(world).await;
        settled(&mut agents).await?;
        whole(world, marked)
    })
}

/// One cluster that all know and are in; nothing that was minted is left.
fn whole(world: &World, marked_before: bool) -> Result<(), String> {
    let ensure = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let state = world.state();
    let by_cp1 = state.inits.iter().all(|node| *node == name("cp1"));
    ensure(by_cp1, "another node ran init")?;
    ensure(
        state.inits.len() == 1 || !marked_before,
        "a second init after the member was complete",
    )?;
    let served = state.served_by(&state.machines[&name("cp1")]);
    let served = served.ok_or("cp1 serves nothing")?;
    ensure(served.members.len() == 3, "etcd has not three members")?;
    for node in ["cp2", "cp3"] {
        let here = state.served_by(&state.machines[&name(node)]);
        let same = here.is_some_and(|cluster| cluster.id == served.id);
        ensure(same, "a control plane serves another cluster, or none")?;
    }
    ensure(served.of_kind("node", "").count() == 4, "not four Nodes")?;
    for (node, object) in served.of_kind("node", "") {
        let labels = &object["metadata"]["labels"];
        let marked = labels["node-role.kubernetes.io/control-plane"].is_string();
        ensure(marked == (node != "w1"), &format!("{node}: {labels}"))?;
        let machine = &state.machines[&name(node)];
        let seen = [
            hactl_node_plan::kubeadm::layout::GUARD_DROP_IN,
            "/var/lib/hactl/etcd-member.json",
        ];
        for path in seen.iter().filter(|_| marked) {
            ensure(machine.tree.exists(path), &format!("{node} lacks {path}"))?;
        }
        let proxy = machine.tree.text("/etc/haproxy/haproxy.cfg");
        let verifies = proxy.contains("verify required");
        ensure(
            verifies || !marked,
            &format!("{node}'s HAProxy verifies nobody"),
        )?;
    }
    let secrets = served.of_kind("secret", "kube-system");
    let left: Vec<&str> = secrets
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("bootstrap-token") || *name == "kubeadm-certs")
        .collect();
    ensure(left.is_empty(), &format!("{} left", left.join(", ")))
}

fn matrix(node: &str, cut: Cut, pace: f64) {
    let start = world();
    let world = start.fork();
    assert_eq!(first_life(&world, node, None), None);
    let places = world.state().machines[&name(node)].crash.passed;
    assert!(places > SAMPLED, "{places} places are too few to be true");
    let mut wrong = Vec::new();
    let mut cuts = 0;
    let step = match std::env::var_os("HACTL_EVERY_PLACE") {
        Some(_) => 1,
        None => usize::try_from(places / SAMPLED).unwrap(),
    };
    for place in (1..=places).step_by(step) {
        let world = start.fork();
        let Some(at) = first_life(&world, node, Some((place, cut))) else {
            continue;
        };
        cuts += 1;
        if let Err(reason) = next_life(&world, node, cut, pace) {
            wrong.push(format!("{cut:?} at place {place} ({at}): {reason}"));
        }
    }
    let count = wrong.len();
    assert!(cuts > 20, "{cuts} cuts are too few to be true");
    assert!(
        wrong.is_empty(),
        "{count} of {cuts} first boots went wrong:\n{}",
        wrong[..count.min(12)].join("\n")
    );
}

#[test]
fn a_first_boot_whose_candidate_is_killed_anywhere_goes_on() {
    matrix("cp1", Cut::Kill, 1.0);
}

#[test]
fn a_first_boot_whose_candidate_loses_power_anywhere_goes_on_though_its_components_come_up_slowly()
{
    matrix("cp1", Cut::Power { lose: false }, 20.0);
}

#[test]
fn a_first_boot_whose_candidate_loses_power_and_what_was_not_fsynced_goes_on() {
    matrix("cp1", Cut::Power { lose: true }, 1.0);
}

#[test]
fn a_first_boot_whose_joining_control_plane_is_killed_anywhere_goes_on() {
    matrix("cp2", Cut::Kill, 1.0);
}

#[test]
fn a_first_boot_whose_joining_control_plane_loses_power_anywhere_goes_on_though_it_comes_up_slowly()
{
    matrix("cp2", Cut::Power { lose: false }, 20.0);
}

/// The third, not the second: the vote of the second, once it is given, is half of etcd's.
#[test]
fn a_first_boot_whose_third_control_plane_loses_power_and_what_was_not_fsynced_goes_on() {
    matrix("cp3", Cut::Power { lose: true }, 1.0);
}

#[test]
fn a_first_boot_whose_worker_is_killed_anywhere_goes_on() {
    matrix("w1", Cut::Kill, 1.0);
}
