//! A spec gains nodes after the first boot: a worker joins with its bundle alone, control planes once all of them hold the new spec.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::collections::BTreeMap;

use hactl_proto::spec::ClusterSpec;
use hactl_simulation::World;
use support::agents::{Running, Town};
use support::*;

const FIRST: [(&str, u8); 4] = [("cp1", 1), ("cp2", 2), ("cp3", 3), ("w1", 4)];

/// The spec of before: three control planes, a worker, and nobody else may enrol.
fn before() -> ClusterSpec {
    let mut spec = spec();
    spec.policies.worker_enrolment = false;
    spec
}

/// What the operator made of it.
fn after() -> ClusterSpec {
    let mut spec = before();
    spec.control_planes.push(node("cp4", 14, "a"));
    spec.control_planes.push(node("cp5", 15, "b"));
    spec.workers.push(node("w2", 22, "b"));
    spec
}

/// The first four, settled, with the bundles of that spec.
async fn settled(
    town: &Town,
    world: &World,
    spec: &ClusterSpec,
) -> BTreeMap<&'static str, Running> {
    let mut agents = BTreeMap::new();
    for (node, instance) in FIRST {
        let agent = town.start_with(world, context_of(spec, node), instance);
        agents.insert(node, agent.await);
    }
    for agent in agents.values_mut() {
        agent.settled().await;
    }
    agents
}

fn nodes(world: &World) -> usize {
    let state = world.state();
    let cluster = state.clusters.values().next().unwrap();
    cluster.of_kind("node", "").count()
}

fn file(world: &World, node: &str, path: &str) -> String {
    world.state().machines[&name(node)].tree.text(path)
}

#[test]
fn a_worker_that_the_spec_gained_joins_with_its_bundle_alone() {
    let world = world_of(&after());
    life(&world, async {
        let town = Town::default();
        let _first = settled(&town, &world, &before()).await;
        let mut w2 = town.start_with(&world, context_of(&after(), "w2"), 5).await;
        w2.settled().await;
    });
    assert_eq!(nodes(&world), 5);
}

#[test]
fn control_planes_that_the_spec_gained_wait_by_name_for_the_others_bundles_and_join() {
    let world = world_of(&after());
    life(&world, async {
        let town = Town::default();
        let first = settled(&town, &world, &before()).await;
        let mut cp4 = town
            .start_with(&world, context_of(&after(), "cp4"), 6)
            .await;
        let shown = cp4.until(|progress| !progress.findings.is_empty()).await;
        let named: Vec<_> = shown.findings.iter().map(|one| &one.check).collect();
        assert_eq!(named, ["spec-equal"; 3]);
        // Its keepalived would hear nobody and take the endpoint's address.
        assert_eq!(file(&world, "cp4", "/etc/keepalived/keepalived.conf"), "");

        for agent in first.into_values() {
            agent.task.abort();
        }
        let _first = settled(&town, &world, &after()).await;
        let mut cp5 = town
            .start_with(&world, context_of(&after(), "cp5"), 7)
            .await;
        cp4.settled().await;
        cp5.settled().await;
        // The others send it requests, and their word about the address.
        for path in [
            "/etc/haproxy/haproxy.cfg",
            "/etc/keepalived/keepalived.conf",
        ] {
            let config = file(&world, "cp1", path);
            assert!(config.contains("10.99.0.14"), "{config}");
        }
    });
    assert_eq!(world.state().inits, [name("cp1")]);
    let state = world.state();
    assert_eq!(state.clusters.values().next().unwrap().members.len(), 5);
}
