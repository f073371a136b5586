//! One run: a scene, its faults, the calm after them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hactl_proto::Timestamp;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::version::KubernetesVersion;
use hactl_simulation::World;
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::goal::missing;
use crate::invariant::{Checker, GOAL, SECRETS, Violation};
use crate::log::Log;
use crate::network::Network;
use crate::operator::{Operator, Wish};
use crate::overruler::Overruler;
use crate::spec::{FROM, OPERATOR, nodes, spec, stale};
use crate::storm::{Menu, Storm};
use crate::town::Town;

/// After the faults stopped a cluster is whole within this.
const WHOLE: Duration = Duration::from_hours(1);
/// And an upgrade is through within this.
const THROUGH: Duration = Duration::from_hours(2);
/// What mends by itself has begun to within this.
const REPAIR: Duration = Duration::from_mins(10);
/// Between two looks whether all is there.
const LOOK: Duration = Duration::from_secs(5);

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Machines become a cluster.
    FirstBoot,
    /// A cluster loses control planes, one after the other, and has them back.
    Rejoin,
    /// A cluster is upgraded, by one operator or two.
    Upgrade,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstBoot => "first-boot",
            Self::Rejoin => "rejoin",
            Self::Upgrade => "upgrade",
        })
    }
}

/// What an upgrade goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A version that brings the etcd that runs.
    SameEtcd,
    /// One that brings another: etcd has turns of its own.
    OtherEtcd,
}

impl Target {
    const fn version(self) -> KubernetesVersion {
        match self {
            Self::SameEtcd => KubernetesVersion::new(1, 36, 3),
            Self::OtherEtcd => KubernetesVersion::new(1, 36, 4),
        }
    }
}

/// Which nodes an upgrade is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All.
    Whole,
    /// The control planes and the first worker, as operators begin who want to see it work.
    FirstWorker,
    /// The workers that such a one left.
    OtherWorkers,
}

/// All that a seed decides before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Story {
    /// The seed.
    pub seed: u64,
    /// What it is about.
    pub scene: Scene,
    /// Control planes and workers.
    pub size: (u8, u8),
    /// How long faults happen.
    pub storm: Duration,
    /// Where an upgrade goes to.
    pub target: Target,
    /// What is upgraded.
    pub part: Part,
    menu: Menu,
}

impl Story {
    /// The story of a seed.
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "story");
        let scene = match chance.below(10) {
            0..=3 => Scene::FirstBoot,
            4..=5 => Scene::Rejoin,
            _ => Scene::Upgrade,
        };
        let size = match (scene, chance.below(10)) {
            (Scene::FirstBoot, 0) => (1, 1),
            (Scene::FirstBoot, 1) => (5, 0),
            (Scene::FirstBoot, 2) => (2, 0),
            (Scene::Upgrade, 0..=2) => (3, 2),
            _ => (3, 1),
        };
        let replaced = scene == Scene::FirstBoot && chance.per_mille(400);
        let menu = Menu {
            wipes: scene == Scene::Rejoin,
            replaced,
            hasty: scene == Scene::FirstBoot && !replaced && chance.per_mille(400),
            joins: scene != Scene::Upgrade && chance.per_mille(500),
            upgrades: scene == Scene::Upgrade,
            every: chance.between(5, 60),
        };
        let storm = Duration::from_secs(chance.between(60, 1_200));
        let target = if chance.per_mille(500) {
            Target::OtherEtcd
        } else {
            Target::SameEtcd
        };
        let rest = scene == Scene::Upgrade && chance.per_mille(300);
        let (part, size) = if rest {
            (Part::OtherWorkers, (3, 4))
        } else {
            (Part::Whole, size)
        };
        Self {
            seed,
            scene,
            size,
            storm,
            target,
            part,
            menu,
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            scene,
            size: (control_planes, workers),
            storm,
            target,
            part,
            ..
        } = self;
        let storm = storm.as_secs();
        let to = match (scene, part) {
            (Scene::FirstBoot | Scene::Rejoin, _) => String::new(),
            (_, Part::OtherWorkers) => format!(" to {}, workers left,", target.version()),
            _ => format!(" to {}", target.version()),
        };
        write!(
            f,
            "seed {seed}: {scene}{to} of {control_planes} control planes and {workers} workers, faults for {storm} s"
        )
    }
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything reached its goal.
    Whole,
    /// A rule was broken.
    Broken,
    /// Disks were lost with which etcd lost its quorum: no software mends that.
    BeyondRepair,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was run.
    pub story: Story,
    /// How it ended.
    pub end: End,
    /// The rule that was broken.
    pub violation: Option<Violation>,
    /// Virtual time.
    pub time: Duration,
    /// Events.
    pub events: u64,
    /// The event log, where it was asked for.
    pub log: String,
}

/// Runs a seed. The same seed gives the same report.
pub fn run(seed: u64, keep_log: bool) -> anyhow::Result<Report> {
    let story = Story::of(seed);
    let (control_planes, workers) = story.size;
    let spec = spec(control_planes, workers)?;
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

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(runtime)
}

/// What a story begins with: control planes and workers, and where some were upgraded before, to what.
type Beginning = ((u8, u8), Option<Target>);

/// A whole cluster as a story wants it: each is made once, by a first boot without faults, and an upgrade of some nodes.
/// Where a rule breaks in that, what came of it.
fn formed(story: Story) -> anyhow::Result<Result<World, Box<Report>>> {
    static FORMED: Mutex<BTreeMap<Beginning, World>> = Mutex::new(BTreeMap::new());
    let mut formed = FORMED.lock().unwrap_or_else(PoisonError::into_inner);
    let before = (story.part == Part::OtherWorkers).then_some(story.target);
    for wanted in [None, before] {
        let key = (story.size, wanted);
        if formed.contains_key(&key) {
            continue;
        }
        let spec = spec(story.size.0, story.size.1)?;
        let (world, scene, part) = match formed.get(&(story.size, None)) {
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
    let world = formed.get(&(story.size, before)).context("it is made")?;
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

fn play(world: &World, spec: &ClusterSpec, story: Story, keep_log: bool) -> anyhow::Result<Report> {
    let runtime = runtime()?;
    let report = runtime.block_on(async {
        world.enter_runtime();
        let log = Log::new(keep_log);
        log.event(|| format!("{story}"));
        let checker = Arc::new(Mutex::new(Checker::new(spec, log.clone())));
        {
            let state = world.state();
            let mut checker = checker.lock().unwrap_or_else(PoisonError::into_inner);
            checker.begin(&state);
        }
        let watcher: Arc<Mutex<dyn hactl_simulation::Watcher>> = checker.clone();
        world.watched_by(watcher);
        let mut names: BTreeMap<_, _> = nodes(spec)
            .map(|(node, _)| (node.address, node.name.to_string()))
            .collect();
        names.insert(OPERATOR, "operator".to_owned());
        let network = Network::new(world.clone(), log.clone(), story.seed, names);
        let town = Town::new(
            world.clone(),
            spec,
            network,
            log.clone(),
            checker,
            story.seed,
        );
        let end = unfold(&town, spec, story).await?;
        let violation = town.checker().violation().cloned();
        world.leave_runtime();
        for node in town.nodes() {
            world.kill(&node);
        }
        anyhow::Ok(Report {
            story,
            end,
            violation,
            time: log.elapsed(),
            events: log.events(),
            log: log.text(),
        })
    });
    // What still runs of the agents goes with the runtime; nobody is to hear of it.
    drop(runtime);
    report
}

/// The story itself: until a rule is broken, or all is there.
async fn unfold(town: &Town, spec: &ClusterSpec, story: Story) -> anyhow::Result<End> {
    let mut chance = Chance::new(story.seed, "scene");
    if story.scene == Scene::FirstBoot && !story.storm.is_zero() && chance.per_mille(250) {
        let names = town.nodes();
        if let Some(node) = chance.pick(&names) {
            town.give_bundle(&stale(spec)?, node);
        }
    }
    town.start_all();
    let raging = Arc::new(AtomicBool::new(!story.storm.is_zero()));
    let upgrades = story.scene == Scene::Upgrade;
    let mut done = None;
    if upgrades {
        let wish = Wish {
            to: story.target.version(),
            nodes: match story.part {
                Part::FirstWorker => spec
                    .workers
                    .iter()
                    .take(1)
                    .map(|one| one.name.clone())
                    .collect(),
                Part::Whole | Part::OtherWorkers => [].into(),
            },
            before: u64::from(story.part == Part::OtherWorkers),
        };
        let operator = |name| {
            let chance = Chance::new(story.seed, name);
            Operator::new(town, spec, name, wish.clone(), chance, &raging)
        };
        done = Some(tokio::spawn(operator("ann").upgrade()));
        if chance.per_mille(500) {
            tokio::spawn(operator("bob").upgrade());
        }
    }
    if story.menu.replaced && !story.storm.is_zero() {
        let mender = Overruler::new(town, spec, Chance::new(story.seed, "overruler"), &raging);
        tokio::spawn(mender.mend());
    }
    if story.menu.hasty && !story.storm.is_zero() {
        let hasty = Overruler::new(town, spec, Chance::new(story.seed, "hasty"), &raging);
        tokio::spawn(hasty.hurry());
    }
    if !story.storm.is_zero() {
        let mut faults = Storm::new(town, spec, Chance::new(story.seed, "faults"), story.menu);
        let broken = until_broken(town);
        tokio::select! {
            biased;
            () = broken => return Ok(End::Broken),
            () = faults.rage(story.storm) => {}
        }
        raging.store(false, Ordering::Relaxed);
        faults.calm();
    }
    let whole = upgrades && story.part != Part::FirstWorker;
    let wanted = whole.then(|| story.target.version());
    let limit = if upgrades { THROUGH } else { WHOLE };
    let end = Instant::now() + limit;
    loop {
        sleep(LOOK).await;
        if town.checker().violation().is_some() {
            return Ok(End::Broken);
        }
        let driven = done
            .as_ref()
            .is_none_or(tokio::task::JoinHandle::is_finished);
        let mut left = missing(town, spec, wanted.as_ref());
        if !driven {
            left.push("ann's upgrade is not through".to_owned());
        }
        if left.is_empty() {
            return Ok(End::Whole);
        }
        if Instant::now() + limit >= end + REPAIR && town.beyond_repair() {
            let left = left.join(" | ");
            town.log
                .event(|| format!("etcd lost its quorum with disks: {left}"));
            return Ok(End::BeyondRepair);
        }
        if Instant::now() >= end {
            let bound = limit.as_secs() / 3600;
            let stuck = left.join(" | ");
            let minted = left.iter().all(|line| line.ends_with("was left"));
            let rule = if minted { SECRETS } else { GOAL };
            let seen = format!("not there {bound} h after the faults stopped: {stuck}");
            town.checker().broken(rule, seen);
            return Ok(End::Broken);
        }
    }
}

async fn until_broken(town: &Town) {
    loop {
        sleep(Duration::from_secs(1)).await;
        if town.checker().violation().is_some() {
            return;
        }
    }
}
