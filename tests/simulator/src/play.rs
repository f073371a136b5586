//! One run: a story, its faults, the calm after them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hactl_proto::spec::ClusterSpec;
use hactl_simulation::World;
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::goal::missing;
use crate::invariant::{Checker, GOAL, SECRETS, Violation};
use crate::log::Log;
use crate::network::Network;
use crate::operator::{Operator, Wish};
use crate::overruler::Overruler;
use crate::spec::{OPERATOR, nodes, stale};
use crate::storm::Storm;
use crate::story::{Part, Scene, Story};
use crate::town::Town;

/// After the faults stopped a cluster is whole within this.
const WHOLE: Duration = Duration::from_hours(1);
/// And an upgrade is through within this.
const THROUGH: Duration = Duration::from_hours(2);
/// What mends by itself has begun to within this.
const REPAIR: Duration = Duration::from_mins(10);
/// Between two looks whether all is there.
const LOOK: Duration = Duration::from_secs(5);

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

/// A runtime whose clock stands still but for what is awaited.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(runtime)
}

/// Plays a story on a world that is as it begins.
pub(crate) fn play(
    world: &World,
    spec: &ClusterSpec,
    story: Story,
    keep_log: bool,
) -> anyhow::Result<Report> {
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
    // A command that hangs is a fault until it reaches its limit, an hour at most.
    let hung_until = town.world.state().hung_until;
    let end = Instant::now().max(hung_until.unwrap_or_else(Instant::now)) + limit;
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
            let bound = limit.as_secs() / 60;
            let stuck = left.join(" | ");
            let minted = left.iter().all(|line| line.ends_with("was left"));
            let rule = if minted { SECRETS } else { GOAL };
            let seen = format!("not there {bound} min after the faults stopped: {stuck}");
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
