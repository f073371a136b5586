//! What an operator may say.

use std::collections::{BTreeMap, BTreeSet};

use hactl_node_plan::bootstrap::voter::Caller;
use hactl_proto::name::NodeName;
use hactl_proto::role::CallerRole;
use hactl_proto::standing::{InstanceId, Override, Roster};

use super::model::{Grants, cluster, name};
use super::state::State;

/// Machines that an override calls lost.
type Lost = BTreeMap<NodeName, BTreeSet<InstanceId>>;

pub(crate) fn operator() -> Caller {
    Caller {
        node: None,
        role: CallerRole::Operator,
    }
}

impl Grants {
    /// The operator gives the word, and what it asserts is so.
    pub(crate) fn overrule(&self, state: &State, word: &Override) -> State {
        let mut next = state.clone();
        for machine in &mut next.machines {
            let instance = &machine.memory.instance;
            let listed = |lost: &BTreeSet<InstanceId>| lost.contains(instance);
            let counts = word.roster.get(&name(machine.name)) == Some(instance);
            machine.gone |= word.lost.values().any(listed) || (!counts && !self.scope.unaware);
        }
        next.words.push(word.clone());
        next
    }

    /// Every override that an operator may give: for each name one machine that counts, with the others lost or not spoken
    /// of, or none and all lost; and any candidate.
    pub(crate) fn words(&self, state: &State) -> Vec<Override> {
        let mut choices: Vec<(Roster, Lost)> = vec![Default::default()];
        for node in 1..=self.scope.nodes {
            let machines: Vec<_> = state
                .machines
                .iter()
                .filter(|machine| machine.name == node && !machine.gone)
                .collect();
            let known: BTreeSet<_> = machines
                .iter()
                .map(|machine| machine.memory.instance)
                .collect();
            let mut more = Vec::new();
            for (roster, lost) in &choices {
                let mut nobody = lost.clone();
                nobody.insert(name(node), known.clone());
                if self.scope.spoken_of.contains(&node) {
                    more.push((roster.clone(), nobody));
                }
                for counts in &known {
                    let mut with = roster.clone();
                    with.insert(name(node), *counts);
                    more.push((with.clone(), lost.clone()));
                    if known.len() > 1 {
                        let mut others = lost.clone();
                        let rest = known.iter().filter(|known| *known != counts);
                        others.insert(name(node), rest.copied().collect());
                        more.push((with, others));
                    }
                }
            }
            choices = more;
        }
        let last = state.words.last().map_or(0, |word| word.epoch);
        let epochs = last.max(1)..=last + 1;
        let mut words = Vec::new();
        for epoch in epochs {
            for (roster, lost) in &choices {
                if self.scope.unaware
                    && roster
                        .keys()
                        .filter(|node| !lost.contains_key(*node))
                        .count()
                        < 2
                {
                    continue;
                }
                let named =
                    |node: &&NodeName| self.scope.spoken_of.iter().any(|of| name(*of) == **node);
                words.extend(roster.keys().filter(named).map(|candidate| Override {
                    cluster: cluster(),
                    spec: self.hash,
                    epoch,
                    candidate: candidate.clone(),
                    roster: roster.clone(),
                    lost: lost.clone(),
                    reason: "lost".to_owned(),
                }));
            }
        }
        words
    }
}
