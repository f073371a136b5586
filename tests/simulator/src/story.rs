//! What a seed decides before the first event.

use std::fmt;
use std::time::Duration;

use hactl_proto::version::KubernetesVersion;

use crate::chance::Chance;
use crate::storm::Menu;

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
    pub(crate) const fn version(self) -> KubernetesVersion {
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
    /// Whether agents provide the endpoint; else the operator does.
    pub managed: bool,
    pub(crate) menu: Menu,
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
        let mut menu = Menu {
            wipes: scene == Scene::Rejoin,
            replaced,
            hasty: scene == Scene::FirstBoot && !replaced && chance.per_mille(400),
            joins: scene != Scene::Upgrade && chance.per_mille(500),
            upgrades: scene == Scene::Upgrade,
            absent: false,
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
        let managed = !chance.per_mille(300);
        menu.absent = scene == Scene::Upgrade && chance.per_mille(300);
        Self {
            seed,
            scene,
            size,
            storm,
            target,
            part,
            managed,
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
            managed,
            ..
        } = self;
        let storm = storm.as_secs();
        let to = match (scene, part) {
            (Scene::FirstBoot | Scene::Rejoin, _) => String::new(),
            (_, Part::OtherWorkers) => format!(" to {}, workers left,", target.version()),
            _ => format!(" to {}", target.version()),
        };
        let endpoint = if *managed {
            ""
        } else {
            ", endpoint of the operator's"
        };
        write!(
            f,
            "seed {seed}: {scene}{to} of {control_planes} control planes and {workers} workers{endpoint}, faults for {storm} s"
        )
    }
}
