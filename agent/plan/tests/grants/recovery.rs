//! The way out: from every state, once nothing fails any more, the nodes get to a cluster by themselves or by one override of
//! an operator who knows which machines are there.

use std::collections::{BTreeMap, BTreeSet};

use hactl_node_plan::bootstrap::candidate::{self, Heard, Verdict};
use hactl_node_plan::bootstrap::overrule::overrule;
use hactl_node_plan::bootstrap::record::Stage;
use hactl_node_plan::bootstrap::voter::{self, Caller};
use hactl_proto::name::NodeName;
use hactl_proto::standing::Override;

use super::model::{Grants, cluster, name};
use super::operator::operator;
use super::state::State;

/// Rounds of hearing, asking and beginning; a fault-free first boot needs three.
const ROUNDS: usize = 4;

/// Whether there is a way out of that state.
pub(crate) fn exists(model: &Grants, state: &State) -> bool {
    let mut by_itself = state.clone();
    run(model, &mut by_itself);
    if state.words.is_empty() && state.replaced.is_empty() {
        return by_itself.serving() == 1;
    }
    if newest(state).any(|at| state.machines[at].cluster.is_some()) {
        // There is a cluster: others join it, whatever epoch they hold; its loss is a matter of backups.
        return everybody_joins(model, state);
    }
    let mut overruled = state.clone();
    let word = word(model, &overruled);
    let counts: Vec<_> = newest(state).collect();
    for (at, machine) in overruled.machines.iter_mut().enumerate() {
        machine.gone |= !counts.contains(&at);
        if let Ok(next) = overrule(&machine.memory, &model.spec, &[], &operator(), &word) {
            machine.memory = next;
        }
    }
    run(model, &mut overruled);
    overruled.serving() == 1
}

/// Whether everyone who has not joined takes in some member's word.
fn everybody_joins(model: &Grants, state: &State) -> bool {
    let mut joined = state.clone();
    let machines: Vec<_> = newest(state)
        .filter_map(|at| u8::try_from(at).ok())
        .collect();
    for _ in &machines {
        for &of in &machines {
            let outside = joined.machines[usize::from(of)].cluster.is_none();
            let mut vias = machines.iter().filter(|_| outside);
            if let Some(next) = vias.find_map(|via| model.join(&joined, of, *via)) {
                joined = next;
            }
        }
    }
    newest(&joined).all(|at| joined.machines[at].cluster.is_some())
}

/// The youngest machine of each name that is not gone.
fn newest(state: &State) -> impl Iterator<Item = usize> {
    let mut newest = BTreeMap::new();
    for (at, machine) in state.machines.iter().enumerate() {
        if !machine.gone {
            newest.insert(machine.name, at);
        }
    }
    newest.into_values()
}

/// Everything exchanged at once, each machine with each, until nothing changes.
fn run(model: &Grants, state: &mut State) {
    let machines: Vec<_> = newest(state).collect();
    let mut heard: BTreeMap<NodeName, Heard> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for &of in &machines {
            let own = name(state.machines[of].name);
            if state.machines[of].memory.candidate(&model.spec) != Some(&own) {
                continue;
            }
            for &other in machines.iter().filter(|other| **other != of) {
                let answer = state.machines[other].memory.answer(&model.spec, &[], false);
                let met = voter::meet(&state.machines[of].memory, &model.spec, &answer);
                state.machines[of].memory = met.unwrap_or(state.machines[of].memory.clone());
                heard
                    .entry(name(state.machines[other].name))
                    .or_default()
                    .answer = Some(answer);
            }
            step(model, state, of, &machines, &mut heard);
        }
    }
}

fn step(
    model: &Grants,
    state: &mut State,
    of: usize,
    machines: &[usize],
    heard: &mut BTreeMap<NodeName, Heard>,
) {
    let record = state.machines[of].memory.clone();
    if !matches!(record.stage, Stage::Virgin | Stage::Granted(_)) {
        return;
    }
    match candidate::decide(&record, &model.spec, heard) {
        Verdict::Ask(request, from) => {
            let caller = Caller::control_plane(record.node.clone());
            let asked = machines.iter().filter(|at| {
                let node = name(state.machines[**at].name);
                **at == of || from.contains(&node)
            });
            for &at in &asked.copied().collect::<Vec<_>>() {
                let voter = &mut state.machines[at];
                let granted = voter::grant(&voter.memory, &model.spec, &[], &caller, &request);
                let Ok((next, grant)) = granted else { continue };
                voter.memory = next;
                let held = heard.entry(name(voter.name)).or_default();
                held.grant = Some((voter.memory.instance, grant));
            }
        }
        Verdict::Begin(next) => {
            state.machines[of].memory = *next;
            state.machines[of].cluster = u8::try_from(of).ok();
        }
        Verdict::Await(_) | Verdict::JoinOnly { .. } | Verdict::Stop(_) => {}
    }
}

/// The override of an operator who knows what is there: the youngest machine of each name counts, every other one is lost.
fn word(model: &Grants, state: &State) -> Override {
    let counts: BTreeSet<_> = newest(state).collect();
    let mut lost: BTreeMap<NodeName, BTreeSet<_>> = BTreeMap::new();
    for (at, machine) in state.machines.iter().enumerate() {
        if !counts.contains(&at) {
            let of = lost.entry(name(machine.name)).or_default();
            of.insert(machine.memory.instance);
        }
    }
    let one = |at: &usize| {
        let machine = &state.machines[*at];
        (name(machine.name), machine.memory.instance)
    };
    let epochs = state.machines.iter().map(|machine| machine.memory.epoch);
    let roster: BTreeMap<_, _> = counts.iter().map(one).collect();
    Override {
        cluster: cluster(),
        spec: model.hash,
        epoch: epochs.max().unwrap_or(0) + 1,
        candidate: roster.keys().next().cloned().unwrap_or(name(1)),
        roster,
        lost,
        reason: "recovery".to_owned(),
    }
}
