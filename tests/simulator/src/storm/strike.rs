//! One fault of each kind.

use std::time::Duration;

use hactl_proto::name::NodeName;
use hactl_simulation::{Clock, Cut, Mishap};

use super::Storm;
use crate::network::Weather;
use crate::spec::OPERATOR;

/// Places at which a life is cut more often than chance would have it: half of something is durable there.
const PLACES: [&str; 14] = [
    "before replacing /var/lib/hactl/standing.json",
    "after replacing /var/lib/hactl/standing.json",
    "appending to /var/lib/hactl/journal",
    "init: etcd's manifest is written",
    "init: the API server answers",
    "join: the member is added",
    "join: the member has started",
    "join: the member votes",
    "reset: the manifests are gone",
    "after replacing /var/lib/hactl/etcd-member.json",
    "after replacing /var/lib/hactl/upgrade/progress.json",
    "upgrade: kube-apiserver.yaml is replaced",
    "apt-get: kubelet is unpacked",
    "after taking a snapshot",
];

impl Storm {
    /// One fault, by chance.
    pub(super) fn strike(&mut self) {
        match self.chance.below(120) {
            12..=21 => self.wire(),
            22..=28 => self.kill(),
            29..=35 => self.power(),
            36..=42 => self.isolate(),
            43..=50 => self.one_way(),
            51..=55 => self.zone(),
            56..=60 => self.operator(),
            61..=68 => self.weather(),
            69..=73 => self.slow_disk(),
            74..=78 => self.clock(),
            79..=88 => self.mishaps(),
            89..=91 => self.torn_snapshot(),
            92..=93 => self.two_orders(),
            94..=106 if self.menu.upgrades => self.budget(),
            107..=112 if self.menu.upgrades => self.learner(),
            113..=116 if self.menu.upgrades => self.hold_order(),
            94..=99 if self.menu.wipes => self.wipe(),
            94..=106 if self.menu.replaced => self.replace(),
            // 0 to 11, and what this run has not on its menu.
            _ => self.cut_at_a_place(),
        }
    }

    /// Where the agent, or a program that it runs, comes to one of its next effects.
    fn cut_at_a_place(&mut self) {
        let node = self.node();
        let ahead = self.chance.between(1, 40);
        let cut = match self.chance.below(4) {
            0 | 1 => Cut::Kill,
            2 => Cut::Power { lose: false },
            _ => Cut::Power { lose: true },
        };
        if self.chance.per_mille(400)
            && let Some(place) = self.chance.pick(&PLACES).copied()
        {
            self.say(|| format!("{node} will be cut at {place:?}: {cut:?}"));
            self.town.world.arm_at(&node, place, cut);
            self.watch_cut(&node);
            return;
        }
        let passed = self
            .town
            .world
            .state()
            .machines
            .get(&node)
            .map_or(0, |one| one.crash.passed);
        self.say(|| format!("{node} will be cut {ahead} effects from now: {cut:?}"));
        self.town.world.arm(&node, passed + ahead, cut);
        self.watch_cut(&node);
    }

    fn kill(&mut self) {
        let node = self.node();
        self.say(|| format!("{node}'s agent is killed"));
        self.town.stop(&node);
        let longest = if self.chance.per_mille(250) {
            300_000
        } else {
            60_000
        };
        let after = self.chance.millis(100, longest);
        self.town.start_after(&node, after, false);
    }

    fn power(&mut self) {
        let node = self.node();
        let lose = self.chance.per_mille(500);
        self.say(|| format!("{node} loses its power"));
        self.town.stop(&node);
        self.town.world.power_off(&node);
        let after = self.chance.millis(5_000, 180_000);
        self.town.start_after(&node, after, lose);
    }

    fn isolate(&mut self) {
        let node = self.node();
        self.say(|| format!("{node} is cut off"));
        self.set_isolated(&node, true);
        self.later(2_000, 180_000, move |town| {
            if let Some(machine) = town.world.state().machines.get_mut(&node) {
                machine.isolated = false;
            }
        });
    }

    fn set_isolated(&self, node: &NodeName, isolated: bool) {
        if let Some(machine) = self.town.world.state().machines.get_mut(node) {
            machine.isolated = isolated;
        }
    }

    /// What the first sends does not reach the second.
    fn one_way(&mut self) {
        let (from, to) = (self.node(), self.node());
        if from == to {
            return;
        }
        self.say(|| format!("nothing passes from {from} to {to}"));
        let way = (self.address(&from), self.address(&to));
        self.cut_ways(vec![way]);
    }

    fn cut_ways(&mut self, ways: Vec<(std::net::IpAddr, std::net::IpAddr)>) {
        self.town.world.state().cut.extend(ways.iter().copied());
        self.later(2_000, 180_000, move |town| {
            let mut state = town.world.state();
            for way in ways {
                state.cut.remove(&way);
            }
        });
    }

    /// A zone is cut off from the others, and from the operator.
    fn zone(&mut self) {
        let Some(zone) = self.chance.pick(&self.spec.zones).cloned() else {
            return;
        };
        let all: Vec<_> = crate::spec::nodes(&self.spec)
            .map(|(node, _)| node.clone())
            .collect();
        let (inside, outside): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|node| node.zone == zone);
        let mut ways = Vec::new();
        let one_way = self.chance.per_mille(300);
        for within in &inside {
            let others = outside.iter().map(|node| node.address).chain([OPERATOR]);
            for other in others {
                ways.push((within.address, other));
                if !one_way {
                    ways.push((other, within.address));
                }
            }
        }
        self.say(|| {
            format!(
                "zone {zone} is cut off{}",
                if one_way { ", one way" } else { "" }
            )
        });
        self.cut_ways(ways);
    }

    fn operator(&mut self) {
        let node = self.node();
        let address = self.address(&node);
        self.say(|| format!("the operator does not reach {node}"));
        self.cut_ways(vec![(OPERATOR, address), (address, OPERATOR)]);
    }

    fn weather(&mut self) {
        let weather = Weather {
            lost: self.chance.between(0, 200),
            late: self.chance.between(0, 60),
            doubled: self.chance.between(0, 200),
            slowest: self.chance.between(20, 4_000),
        };
        self.say(|| format!("{weather:?}"));
        self.town.network.weather(weather);
        self.later(5_000, 120_000, |town| town.network.weather(Weather::FINE));
    }

    /// An order that arrives when another controller has taken over from the one that gave it.
    fn hold_order(&mut self) {
        let way = self.chance.millis(2_000, 60_000);
        self.say(|| {
            "whoever orders the next upgrade of a node dies, and the order arrives later".to_owned()
        });
        self.town.network.hold_order(Some(way));
    }

    fn slow_disk(&mut self) {
        let node = self.node();
        let latency = self.chance.millis(20, 4_000);
        self.say(|| {
            format!(
                "each write to {node}'s disk takes {} ms",
                latency.as_millis()
            )
        });
        if let Some(machine) = self.town.world.state().machines.get_mut(&node) {
            machine.write_latency = latency;
        }
        self.later(5_000, 120_000, move |town| {
            if let Some(machine) = town.world.state().machines.get_mut(&node) {
                machine.write_latency = Duration::ZERO;
            }
        });
    }

    fn clock(&mut self) {
        let node = self.node();
        let sign = if self.chance.per_mille(500) { 1 } else { -1 };
        let ahead = i64::try_from(self.chance.between(100, 600_000)).unwrap_or(0) * sign;
        let drift = i64::try_from(self.chance.between(0, 2_000)).unwrap_or(0) * sign;
        self.say(|| {
            format!("{node}'s clock jumps by {ahead} ms and drifts by {drift} us a second")
        });
        if let Some(machine) = self.town.world.state().machines.get_mut(&node) {
            machine.clock = Clock { ahead, drift };
        }
        self.later(10_000, 300_000, move |town| {
            if let Some(machine) = town.world.state().machines.get_mut(&node) {
                machine.clock = Clock::default();
            }
        });
    }

    /// Some of a node's next commands fail, hang, or lie.
    fn mishaps(&mut self) {
        let node = self.node();
        let kinds = [
            Mishap::Fails,
            Mishap::FailsAfter,
            Mishap::Hangs,
            Mishap::HangsAfter,
            Mishap::Lies,
        ];
        let often = self.chance.between(100, 600);
        let mut next = Vec::new();
        for _ in 0..self.chance.between(4, 30) {
            let happens = self.chance.per_mille(often);
            let mishap = self.chance.pick(&kinds).copied();
            next.push(mishap.filter(|_| happens));
        }
        self.say(|| format!("{node}'s next commands: {}", words(&next)));
        if let Some(machine) = self.town.world.state().machines.get_mut(&node) {
            machine.mishaps = next.into();
        }
    }

    fn torn_snapshot(&mut self) {
        self.say(|| "the next snapshot of each member arrives torn".to_owned());
        for machine in self.town.world.state().machines.values_mut() {
            machine.torn_snapshots = 1;
        }
    }
}

/// Mishaps in a line.
fn words(mishaps: &[Option<Mishap>]) -> String {
    let words = mishaps.iter().map(|mishap| match mishap {
        None => "-".to_owned(),
        Some(mishap) => format!("{mishap:?}"),
    });
    words.collect::<Vec<_>>().join(" ")
}
