//! A seed, from what its story begins with to what came of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hactl_proto::Timestamp;
use hactl_proto::spec::ClusterSpec;
use hactl_simulation::World;

use crate::play::{Report, play, runtime};
use crate::spec::{FROM, spec};
use crate::storm::Menu;
use crate::story::{Part, Scene, Story, Target};

/// Runs a seed. The same seed gives the same report.
pub fn run(seed: u64, keep_log: bool) -> anyhow::Result<Report> {
    let story = Story::of(seed);
    let spec = spec(story.size, story.managed)?;
    let world = match story.scene {
        Scene::FirstBoot => fresh(&spec)?,
        Scene::Rejoin | Scene::Upgrade => match formed(story)? {
            Ok(world) => world,
            // A rule that breaks without any fault breaks in every story that begins so.
            Err(report) => return Ok(Report { story, ..*report }),
        },
    };
    play(&world, &spec, story, keep_log)
}

fn fresh(spec: &ClusterSpec) -> anyhow::Result<World> {
    let base: Timestamp = "2026-11-22T17:00:00Z".parse()?;
    // The clock of a world is a runtime's.
    let runtime = runtime()?;
    let world = runtime.block_on(async { World::of(spec, base) });
    Ok(world)
}

/// What a story begins with: control planes and workers, whether the endpoint is managed, and where some were upgraded before, to what.
type Beginning = ((u8, u8), bool, Option<Target>);

/// A whole cluster as a story wants it: each is made once, by a first boot without faults, and an upgrade of some nodes.
/// Where a rule breaks in that, what came of it.
fn formed(story: Story) -> anyhow::Result<Result<World, Box<Report>>> {
    static FORMED: Mutex<BTreeMap<Beginning, World>> = Mutex::new(BTreeMap::new());
    let mut formed = FORMED.lock().unwrap_or_else(PoisonError::into_inner);
    let before = (story.part == Part::OtherWorkers).then_some(story.target);
    for wanted in [None, before] {
        let key = (story.size, story.managed, wanted);
        if formed.contains_key(&key) {
            continue;
        }
        let spec = spec(story.size, story.managed)?;
        let (world, scene, part) = match formed.get(&(story.size, story.managed, None)) {
            Some(whole) => (whole.fork(), Scene::Upgrade, Part::FirstWorker),
            None => (fresh(&spec)?, Scene::FirstBoot, Part::Whole),
        };
        let story = Story {
            // One of all seeds, whichever wants it first.
            seed: 0,
            scene,
            part,
            storm: Duration::ZERO,
            menu: Menu::default(),
            ..story
        };
        offer(&world, story.target);
        let report = play(&world, &spec, story, true)?;
        if report.violation.is_some() {
            return Ok(Err(Box::new(report)));
        }
        for machine in world.state().machines.values_mut() {
            machine.tree.sync();
        }
        formed.insert(key, world);
    }
    let world = formed
        .get(&(story.size, story.managed, before))
        .context("it is made")?;
    let fork = world.fork();
    offer(&fork, story.target);
    Ok(Ok(fork))
}

/// Repositories offer what clusters begin with, and what an upgrade goes to.
fn offer(world: &World, target: Target) {
    for machine in world.state().machines.values_mut() {
        machine.offered = vec![FROM.to_string(), target.version().to_string()];
    }
}
