//! Faults: what goes wrong, when, and that it stops.

/// What people do, and what is done to whole machines.
mod hand;
/// One fault of each kind.
mod strike;
/// What happens to one machine when another comes to some place.
mod wire;

use std::net::IpAddr;
use std::time::Duration;

use hactl_proto::name::NodeName;
use hactl_proto::spec::ClusterSpec;
use hactl_simulation::{Clock, Cut};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::network::Weather;
use crate::spec::OPERATOR;
use crate::town::Town;

/// What may go wrong besides what always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fault of its own, and any of them go together"
)]
pub struct Menu {
    /// A control plane loses its disk, or etcd's data.
    pub wipes: bool,
    /// A control plane loses its disk while there is no cluster yet.
    pub replaced: bool,
    /// An operator without patience overrules the grants while they are being given.
    pub hasty: bool,
    /// Something happens right after a control plane's member got its vote.
    pub joins: bool,
    /// Budgets forbid evictions, and a learner that is nobody's stands in etcd's way.
    pub upgrades: bool,
    /// The agent of a control plane is away while others are upgraded.
    pub absent: bool,
    /// So many seconds lie between two faults at most.
    pub every: u64,
}

/// The faults of a run. Cheap to clone, but for its own chance.
#[derive(Clone)]
pub struct Storm {
    town: Town,
    spec: ClusterSpec,
    chance: Chance,
    menu: Menu,
}

impl Storm {
    /// Over these agents.
    pub fn new(town: &Town, spec: &ClusterSpec, chance: Chance, menu: Menu) -> Self {
        Self {
            town: town.clone(),
            spec: spec.clone(),
            chance,
            menu,
        }
    }

    fn say(&self, text: impl FnOnce() -> String) {
        self.town.log.event(|| format!("FAULT {}", text()));
    }

    /// Faults for so long.
    pub async fn rage(&mut self, time: Duration) {
        let end = Instant::now() + time;
        if self.menu.replaced {
            let early = Self {
                chance: Chance::new(self.chance.draw(), "early"),
                ..self.clone()
            };
            tokio::spawn(early.replace_once_promised());
        }
        if self.menu.absent {
            let absent = Self {
                chance: Chance::new(self.chance.draw(), "absent"),
                ..self.clone()
            };
            tokio::spawn(absent.stop_an_agent());
        }
        if self.menu.joins {
            self.wire_joins();
        }
        loop {
            let pause = self.chance.millis(500, self.menu.every * 1000);
            sleep(pause).await;
            if Instant::now() >= end {
                return;
            }
            self.strike();
        }
    }

    fn node(&mut self) -> NodeName {
        let nodes = self.town.nodes();
        let picked = self.chance.pick(&nodes).cloned();
        picked.unwrap_or_else(|| self.spec.control_planes[0].name.clone())
    }

    fn address(&self, node: &NodeName) -> IpAddr {
        self.town.address(node).unwrap_or(OPERATOR)
    }

    /// Undoes something after a while.
    fn later(&mut self, low: u64, high: u64, undo: impl FnOnce(&Town) + Send + 'static) {
        let after = self.chance.millis(low, high);
        let town = self.town.clone();
        tokio::spawn(async move {
            sleep(after).await;
            undo(&town);
        });
    }

    /// Once an armed cut has happened, the service manager or somebody's hand brings the machine up again.
    fn watch_cut(&mut self, node: &NodeName) {
        let (town, name) = (self.town.clone(), node.clone());
        let (agent, machine) = (
            self.chance.millis(100, 20_000),
            self.chance.millis(5_000, 120_000),
        );
        tokio::spawn(async move {
            town.world.cut_happened(&name).await;
            let armed = town
                .world
                .state()
                .machines
                .get(&name)
                .and_then(|one| one.crash.armed);
            let Some((_, cut)) = armed else { return };
            town.stop(&name);
            match cut {
                Cut::Kill => town.start_after(&name, agent, false),
                Cut::Power { lose } => {
                    town.world.power_off(&name);
                    town.start_after(&name, machine, lose);
                }
            }
        });
    }

    /// Nothing goes wrong any more, and all that went wrong is mended that mends by itself or by an operator's hand.
    pub fn calm(&self) {
        self.say(|| "no more: all machines are brought up, all ways are open".to_owned());
        self.town.network.weather(Weather::FINE);
        self.town.network.hold_order(None);
        {
            let mut state = self.town.world.state();
            state.cut.clear();
            state.hiccups = 0;
            for machine in state.machines.values_mut() {
                machine.isolated = false;
                machine.clock = Clock::default();
                machine.write_latency = Duration::ZERO;
                machine.mishaps.clear();
                machine.torn_snapshots = 0;
                machine.wires.clear();
                if !machine.crash.fired {
                    machine.crash.armed = None;
                    machine.crash.named = None;
                }
            }
            for cluster in state.clusters.values_mut() {
                cluster
                    .objects
                    .retain(|key, _| !key.starts_with("poddisruptionbudget/"));
                if self.menu.upgrades {
                    cluster
                        .members
                        .iter_mut()
                        .for_each(|member| member.learner = false);
                }
                cluster.members.retain(|member| {
                    let mut nodes = crate::spec::nodes(&self.spec);
                    nodes.any(|(node, _)| node.address == member.address)
                });
            }
        }
        for node in self.town.nodes() {
            let outdated = self
                .town
                .context(&node)
                .is_some_and(|one| one.spec != self.spec);
            if outdated {
                self.town.give_bundle(&self.spec, &node);
            }
            let dead = {
                let state = self.town.world.state();
                let machine = state.machines.get(&node);
                machine.is_none_or(|one| !one.powered || one.crash.fired)
            };
            if dead || outdated || !self.town.is_up(&node) {
                self.town.bring_up(&node, false);
            }
        }
    }
}
