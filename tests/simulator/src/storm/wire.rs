//! What happens to one machine when it, or another, has come to a place: its cable is pulled, or its power goes.
//!
//! A life that is cut ends where it is; this goes on beside somebody who does not know of it, at the moment when it matters to them.

use std::time::Duration;

use hactl_proto::name::NodeName;
use hactl_simulation::{Harm, Wire};
use tokio::time::sleep;

use super::Storm;

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

    /// Every control plane's next join: some lose their power with the vote and go on later, and something happens before the join
    /// is through.
    pub(super) fn wire_joins(&mut self) {
        for at in self.control_planes() {
            if self.chance.per_mille(500) {
                self.lay(&at, VOTES, 3, (at.clone(), Harm::Power));
            }
            let victim = self.victim(&at);
            self.lay(&at, VOTES, JOIN, victim);
        }
    }

    /// The machine itself, or another control plane.
    fn victim(&mut self, at: &NodeName) -> (NodeName, Harm) {
        let own = self.chance.per_mille(400);
        let controls = self.control_planes();
        let other = self.chance.pick(&controls).cloned();
        let victim = other.filter(|_| !own).unwrap_or_else(|| at.clone());
        let harm = if self.chance.per_mille(600) {
            Harm::Cable
        } else {
            Harm::Power
        };
        (victim, harm)
    }

    /// `most`: effects after the place, at most.
    fn lay(
        &mut self,
        at: &NodeName,
        place: &'static str,
        most: u64,
        (victim, harm): (NodeName, Harm),
    ) {
        let after = u32::try_from(self.chance.below(most)).unwrap_or(0);
        self.say(|| format!("{victim}: {harm:?}, {after} effects after {at} is {place:?}"));
        let wire = Wire {
            place,
            reached: false,
            after,
            victim: victim.clone(),
            harm,
            tripped: false,
        };
        let number = match self.town.world.state().machines.get_mut(at) {
            Some(machine) => {
                machine.wires.push(wire);
                machine.wires.len() - 1
            }
            None => return,
        };
        let back = self.chance.millis(2_000, 180_000);
        let lose = self.chance.per_mille(300);
        let (town, at) = (self.town.clone(), at.clone());
        tokio::spawn(async move {
            for _ in 0..LOOKS {
                sleep(LOOK).await;
                let tripped = {
                    let state = town.world.state();
                    let wires = state.machines.get(&at).map(|one| &one.wires);
                    wires.and_then(|wires| wires.get(number).map(|one| one.tripped))
                };
                match tripped {
                    Some(true) => break,
                    Some(false) => {}
                    // The faults are over.
                    None => return,
                }
            }
            town.log.event(|| format!("FAULT {victim}: {harm:?}"));
            match harm {
                Harm::Power => {
                    town.stop(&victim);
                    town.world.power_off(&victim);
                    town.start_after(&victim, back, lose);
                }
                Harm::Cable => {
                    sleep(back).await;
                    if let Some(machine) = town.world.state().machines.get_mut(&victim) {
                        machine.isolated = false;
                    }
                }
            }
        });
    }
}
