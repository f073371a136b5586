//! What happens to one machine when it, or another, has come to a place: its cable is pulled, or its power goes.
//!
//! A life that is cut ends where it is; this goes on beside somebody who does not know of it, at the moment when it matters to them.

use std::time::Duration;

use hactl_proto::name::NodeName;
use hactl_simulation::{Harm, Wire};
use tokio::time::sleep;

use super::Storm;
use crate::town::Town;

/// Places from which effects are counted.
const PLACES: [&str; 6] = [
    "replacing /var/lib/hactl/standing.json",
    "appending to /var/lib/hactl/journal",
    "join: the member is added",
    "join: the member votes",
    "replacing /var/lib/hactl/etcd-member.json",
    "replacing /var/lib/hactl/upgrade/progress.json",
];
const VOTES: &str = "join: the member votes";
/// The last effect of a join: a look follows whether all is there.
const LAST: &str = "removing /run/hactl/kubeadm.yaml";
/// The first effect of an operation.
const ACCEPTED: &str = "appending to /var/lib/hactl/journal";
/// From a vote to the end of a join an agent and its programs have about so many effects.
const JOIN: u64 = 150;
/// So often, and for so long, it is looked whether it has happened.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 1_800;

impl Storm {
    /// One wire, by chance.
    pub(super) fn wire(&mut self) {
        let at = self.node();
        let place = self.chance.pick(&PLACES).copied().unwrap_or(VOTES);
        let victim = self.victim(&at);
        self.lay(&at, place, 60, victim);
    }

    /// Every control plane's next join. Some lose their power with the vote, go on later, and lose another one as they begin again; some lose
    /// another one right before the last look; and something happens before the join is through.
    pub(super) fn wire_joins(&mut self) {
        for at in self.control_planes() {
            if self.chance.per_mille(500) {
                let again = self.other(&at);
                let again = again.map(|victim| self.cut(&at, ACCEPTED, 4, victim));
                let own = self.cut(&at, VOTES, 3, (at.clone(), Harm::Power));
                self.spring(own, again);
            }
            if let Some(other) = self.other(&at).filter(|_| self.chance.per_mille(300)) {
                self.lay(&at, LAST, 3, other);
            }
            let victim = self.victim(&at);
            self.lay(&at, VOTES, JOIN, victim);
        }
    }

    /// Another control plane, and what happens to it.
    fn other(&mut self, at: &NodeName) -> Option<(NodeName, Harm)> {
        let mut others = self.control_planes();
        others.retain(|other| other != at);
        let other = self.chance.pick(&others).cloned()?;
        Some((other, self.harm()))
    }

    /// The machine itself, or another control plane.
    fn victim(&mut self, at: &NodeName) -> (NodeName, Harm) {
        let own = self.chance.per_mille(400);
        let controls = self.control_planes();
        let other = self.chance.pick(&controls).cloned();
        let victim = other.filter(|_| !own).unwrap_or_else(|| at.clone());
        (victim, self.harm())
    }

    fn harm(&mut self) -> Harm {
        if self.chance.per_mille(600) {
            Harm::Cable
        } else {
            Harm::Power
        }
    }

    /// `most`: effects after the place, at most.
    fn lay(&mut self, at: &NodeName, place: &'static str, most: u64, victim: (NodeName, Harm)) {
        let wire = self.cut(at, place, most, victim);
        self.spring(wire, None);
    }

    /// All that chance decides of a wire.
    fn cut(
        &mut self,
        at: &NodeName,
        place: &'static str,
        most: u64,
        (victim, harm): (NodeName, Harm),
    ) -> Laid {
        let after = u32::try_from(self.chance.below(most)).unwrap_or(0);
        self.say(|| format!("{victim}: {harm:?}, {after} effects after {at} is {place:?}"));
        Laid {
            at: at.clone(),
            wire: Wire {
                place,
                reached: false,
                after,
                victim,
                harm,
                tripped: false,
            },
            back: self.chance.millis(2_000, 180_000),
            loses: self.chance.per_mille(300),
        }
    }

    /// Lays a wire, and another one once that has tripped.
    fn spring(&self, wire: Laid, next: Option<Laid>) {
        let town = self.town.clone();
        let Some(number) = wire.lay(&town) else {
            return;
        };
        tokio::spawn(async move {
            if !wire.tripped(&town, number).await {
                return;
            }
            if let Some(next) = next
                && let Some(number) = next.lay(&town)
            {
                let town = town.clone();
                tokio::spawn(async move {
                    if next.tripped(&town, number).await {
                        next.mend(&town).await;
                    }
                });
            }
            wire.mend(&town).await;
        });
    }
}

/// A wire on a machine, and what comes after it.
struct Laid {
    at: NodeName,
    wire: Wire,
    back: Duration,
    /// Whether a machine that loses its power loses what was not fsynced.
    loses: bool,
}

impl Laid {
    /// Its number on the machine.
    fn lay(&self, town: &Town) -> Option<usize> {
        let mut state = town.world.state();
        let machine = state.machines.get_mut(&self.at)?;
        machine.wires.push(self.wire.clone());
        Some(machine.wires.len() - 1)
    }

    /// Waits until it has; not where the faults are over before.
    async fn tripped(&self, town: &Town, number: usize) -> bool {
        for _ in 0..LOOKS {
            sleep(LOOK).await;
            let state = town.world.state();
            let machine = state.machines.get(&self.at);
            match machine.and_then(|machine| machine.wires.get(number)) {
                Some(wire) if wire.tripped => return true,
                Some(_) => {}
                None => return false,
            }
        }
        false
    }

    /// Has the victim back after a while.
    async fn mend(&self, town: &Town) {
        let Wire { victim, harm, .. } = &self.wire;
        town.log.event(|| format!("FAULT {victim}: {harm:?}"));
        match harm {
            Harm::Power => {
                town.stop(victim);
                town.world.power_off(victim);
                town.start_after(victim, self.back, self.loses);
            }
            Harm::Cable => {
                sleep(self.back).await;
                if let Some(machine) = town.world.state().machines.get_mut(victim) {
                    machine.isolated = false;
                }
            }
        }
    }
}
