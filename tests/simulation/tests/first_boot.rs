//! The first boot of three control planes and a worker, by their own drivers, over simulated machines in virtual time.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use hactl_agent::first_boot::Progress;
use hactl_node_plan::bootstrap::overrule::overrule;
use hactl_node_plan::bootstrap::record::Stage;
use hactl_node_plan::bootstrap::voter::Caller;
use hactl_proto::instruction::Order;
use hactl_proto::role::CallerRole;
use hactl_proto::standing::{InstanceId, Override};
use hactl_simulation::World;
use support::agents::{Town, cluster};
use support::*;

/// What is awaited, in one line.
fn waits(progress: &Progress) -> String {
    let waiting = progress.waiting.as_ref();
    waiting.map_or_else(String::new, |waiting| {
        format!("{}: {}", waiting.condition, waiting.observed)
    })
}

fn checks(progress: &Progress) -> Vec<&str> {
    let findings = progress.findings.iter();
    findings.map(|finding| finding.check.as_str()).collect()
}

/// One cluster, made by one init, with every control plane in it and nothing of the joins left.
fn one_whole_cluster(world: &World, by: &str) {
    let state = world.state();
    assert_eq!(state.inits, [name(by)]);
    assert_eq!(state.clusters.len(), 1);
    let cluster = state.clusters.values().next().unwrap();
    assert_eq!(cluster.members.len(), 3);
}

#[test]
fn four_machines_become_one_cluster_by_themselves() {
    let world = world();
    life(&world, async {
        let mut running = Town::default().start_all(&world).await;
        for agent in running.values_mut() {
            agent.settled().await;
        }
        let first = running["cp1"].record().await;
        for agent in running.values() {
            let record = agent.record().await;
            assert_eq!(record.identity(), first.identity(), "{}", record.node);
        }
    });
    one_whole_cluster(&world, "cp1");
}

#[test]
fn a_control_plane_that_is_missing_is_named_and_nothing_begins_without_it() {
    let world = world();
    life(&world, async {
        let town = Town::default();
        let mut cp1 = town.start(&world, "cp1", 1).await;
        let mut cp2 = town.start(&world, "cp2", 2).await;
        let shown = cp1
            .until(|progress| waits(progress).contains("cp3 silent since"))
            .await;
        assert!(waits(&shown).contains("connection refused"), "{shown:?}");
        let shown = cp2.until(|progress| progress.waiting.is_some()).await;
        assert!(waits(&shown).starts_with("cp1 to initialise"), "{shown:?}");
        tokio::time::sleep(std::time::Duration::from_hours(1)).await;
        assert!(world.state().inits.is_empty());

        let mut cp3 = town.start(&world, "cp3", 3).await;
        for agent in [&mut cp1, &mut cp2, &mut cp3] {
            agent.settled().await;
        }
    });
    one_whole_cluster(&world, "cp1");
}

#[test]
fn foreign_data_on_a_control_plane_forbids_the_init_by_name() {
    let world = world();
    world
        .state()
        .machines
        .get_mut(&name("cp2"))
        .unwrap()
        .tree
        .write_durably("/etc/kubernetes/pki/ca.crt", "of another cluster");
    life(&world, async {
        let mut running = Town::default().start_all(&world).await;
        let cp1 = running.get_mut("cp1").unwrap();
        let shown = cp1.until(|progress| !progress.findings.is_empty()).await;
        assert_eq!(checks(&shown), ["no-foreign-data"]);
        assert!(
            shown.findings[0]
                .observed
                .contains("/etc/kubernetes/pki/ca.crt")
        );
        let cp2 = running.get_mut("cp2").unwrap();
        let shown = cp2.until(|progress| !progress.findings.is_empty()).await;
        assert_eq!(checks(&shown), ["no-foreign-data"]);
    });
    assert!(world.state().inits.is_empty());
}

#[test]
fn an_agent_that_is_killed_in_its_init_goes_on_with_it() {
    let world = world();
    life(&world, async {
        let mut running = Town::default().start_all(&world).await;
        let cp1 = running.get_mut("cp1").unwrap();
        while !matches!(cp1.record().await.stage, Stage::Initialising(_)) {
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    assert!(world.state().clusters.is_empty());
    life(&world, async {
        let mut running = Town::default().start_all(&world).await;
        for agent in running.values_mut() {
            agent.settled().await;
        }
    });
    one_whole_cluster(&world, "cp1");
}

#[test]
fn a_half_done_join_is_cleaned_and_done_again() {
    let world = world();
    life(&world, async {
        let town = Town::default();
        let mut running = town.start_all(&world).await;
        running.get_mut("cp1").unwrap().settled().await;
        let joining = || {
            let state = world.state();
            state.machines[&name("cp2")]
                .tree
                .exists("/etc/kubernetes/pki/ca.crt")
        };
        while !joining() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    life(&world, async {
        let mut running = Town::default().start_all(&world).await;
        for agent in running.values_mut() {
            agent.settled().await;
        }
    });
    one_whole_cluster(&world, "cp1");
}

#[test]
fn a_settled_node_that_lost_its_data_says_so_and_begins_nothing() {
    let world = world();
    life(&world, async {
        let mut running = Town::default().start_all(&world).await;
        for agent in running.values_mut() {
            agent.settled().await;
        }
    });
    let lost = ["/var/lib/etcd", "/etc/kubernetes"];
    for path in lost {
        let mut state = world.state();
        let machine = state.machines.get_mut(&name("cp1")).unwrap();
        machine.tree.remove_durably(path);
    }
    life(&world, async {
        let mut running = Town::default().start_all(&world).await;
        let cp1 = running.get_mut("cp1").unwrap();
        let shown = cp1.until(|progress| !progress.findings.is_empty()).await;
        assert_eq!(checks(&shown), ["cluster-data-kept"]);
    });
    assert_eq!(world.state().inits, [name("cp1")]);
}

/// Everything of the machine's disk, the agent's state with it.
fn wipe(world: &World, node: &str) {
    let mut state = world.state();
    let machine = state.machines.get_mut(&name(node)).unwrap();
    for path in [
        "/var/lib/hactl",
        "/var/lib/etcd",
        "/etc/kubernetes",
        "/var/lib/kubelet",
    ] {
        machine.tree.remove_durably(path);
    }
}

#[test]
fn a_candidate_that_was_wiped_after_its_init_joins_what_it_made() {
    let world = world();
    life(&world, async {
        let mut running = Town::default().start_all(&world).await;
        for agent in running.values_mut() {
            agent.settled().await;
        }
    });
    wipe(&world, "cp1");
    world.power_off(&name("cp1"));
    world.power_on(&name("cp1"), false);
    life(&world, async {
        let town = Town::default();
        let mut running = town.start_all(&world).await;
        running.get_mut("cp2").unwrap().settled().await;
        let cp1 = running.get_mut("cp1").unwrap();
        cp1.settled().await;
    });
    one_whole_cluster(&world, "cp1");
}

#[test]
fn a_wiped_candidate_is_not_granted_twice_and_an_override_lets_it_begin() {
    let world = world();
    life(&world, async {
        let town = Town::default();
        let cp1 = town.start(&world, "cp1", 1).await;
        let mut cp2 = town.start(&world, "cp2", 2).await;
        let mut cp3 = town.start(&world, "cp3", 3).await;
        while !matches!(cp1.record().await.stage, Stage::Initialising(_)) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        cp1.task.abort();
        wipe(&world, "cp1");
        let mut reimaged = town.start(&world, "cp1", 9).await;
        let shown = reimaged
            .until(|progress| !progress.findings.is_empty())
            .await;
        let observed: String = shown
            .findings
            .iter()
            .map(|one| one.observed.as_str())
            .collect();
        assert!(
            checks(&shown).iter().all(|check| *check == "grant-free"),
            "{observed}"
        );

        let instance = |of: u8| InstanceId::from_bytes([of; 16]);
        let overruling = Override {
            cluster: cluster(),
            spec: spec().bootstrap_hash(),
            epoch: 1,
            candidate: name("cp1"),
            roster: [(1, 9), (2, 2), (3, 3)]
                .map(|(n, of)| (name(&format!("cp{n}")), instance(of)))
                .into(),
            lost: [(name("cp1"), [instance(1)].into())].into(),
            reason: "cp1 was imaged anew".to_owned(),
        };
        let operator = Caller {
            node: None,
            role: CallerRole::Operator,
        };
        for agent in [&reimaged, &cp2, &cp3] {
            let rule = |record: &_| {
                overrule(record, &spec(), &[], &operator, &overruling).map(|next| (next, ()))
            };
            agent.agent.standing.change(rule).await.unwrap().unwrap();
        }
        for agent in [&mut reimaged, &mut cp2, &mut cp3] {
            agent.settled().await;
        }
    });
    one_whole_cluster(&world, "cp1");
}

#[test]
fn another_candidate_inits_where_an_override_names_it() {
    let world = world();
    life(&world, async {
        let town = Town::default();
        // cp1 burnt before anybody heard of it.
        let mut cp2 = town.start(&world, "cp2", 2).await;
        let mut cp3 = town.start(&world, "cp3", 3).await;
        cp2.until(|progress| waits(progress).starts_with("cp1 to initialise"))
            .await;
        let overruling = Override {
            cluster: cluster(),
            spec: spec().bootstrap_hash(),
            epoch: 1,
            candidate: name("cp2"),
            roster: [(2, 2), (3, 3)]
                .map(|(n, of)| (name(&format!("cp{n}")), InstanceId::from_bytes([of; 16])))
                .into(),
            lost: [(name("cp1"), [].into())].into(),
            reason: "cp1 burned".to_owned(),
        };
        let operator = Caller {
            node: None,
            role: CallerRole::Operator,
        };
        for agent in [&cp2, &cp3] {
            let rule = |record: &_| {
                overrule(record, &spec(), &[], &operator, &overruling).map(|next| (next, ()))
            };
            agent.agent.standing.change(rule).await.unwrap().unwrap();
        }
        for agent in [&mut cp2, &mut cp3] {
            agent.settled().await;
        }
    });
    assert_eq!(world.state().inits, [name("cp2")]);
}

#[test]
fn a_damaged_record_is_not_a_fresh_one() {
    let world = world();
    life(&world, async {
        let engine = engine(&world, "cp1").await;
        carry_out(&engine, "prepare", Order::Prepare).await;
    });
    let mut state = world.state();
    let machine = state.machines.get_mut(&name("cp1")).unwrap();
    machine
        .tree
        .write_durably("/var/lib/hactl/standing.json", "{\"version\":1,");
    drop(state);
    life(&world, async {
        let host = std::sync::Arc::new(world.host(&name("cp1")));
        let fresh = InstanceId::from_bytes([7; 16]);
        let paths = hactl_agent::paths::Paths::system();
        let opened =
            hactl_agent::standing::StandingStore::open(host, &paths, cluster(), name("cp1"), fresh)
                .await;
        let said = opened.unwrap_err().to_string();
        assert!(said.contains("standing.json"), "{said}");
    });
}
