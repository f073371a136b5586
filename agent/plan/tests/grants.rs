//! The grant protocol, checked exhaustively: every order of messages, crashes, replaced machines and overrides within a
//! bound, run through the very functions that the agent runs.
//!
//! The network loses, doubles, delays and reorders: a request or a grant, once sent, may arrive at any time, any number of
//! times, or never. Answers about standing are courtesy and the model lies in all of them: the candidate hears of every
//! node what it would like to hear. A replaced machine is the worst kind of wiped disk: the old one runs on, cut off, with
//! all that it holds, while a new one takes its name. A crash drops what is in memory only.
//!
//! Each rule that the safety hangs on is also taken away, one at a time, and the checker has to find the two clusters.

#![allow(clippy::unwrap_used)]

mod grants {
    pub(super) mod model;
    pub(super) mod mutant;
    pub(super) mod operator;
    pub(super) mod protocol;
    pub(super) mod recovery;
    pub(super) mod scope;
    pub(super) mod state;
}

use std::collections::BTreeMap;

use grants::model::{Grants, Move, cluster, name};
use grants::mutant::Mutant;
use grants::scope::Scope;
use grants::state::{Request, State};
use hactl_proto::spec::GrantPolicy::{All, Majority};
use hactl_proto::standing::{InstanceId, Override};
use stateright::{Checker, Model};

/// Explores the whole scope: no counterexample, what must be reachable is, and it is not a small part only.
fn holds(scope: Scope, at_least: usize) {
    let checker = Grants::new(scope).checker().spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states >= at_least, "{states} states");
}

/// Explores until the two clusters are found.
fn bites(mutant: Mutant, scope: Scope) {
    let checker = Grants::new(Scope { mutant, ..scope })
        .checker()
        .spawn_bfs()
        .join();
    let found = checker.discovery("one cluster");
    println!("{} states", checker.unique_state_count());
    assert!(found.is_some(), "{mutant:?} was not caught");
}

fn three() -> Scope {
    Scope::new(3, All)
}

fn five(policy: hactl_proto::spec::GrantPolicy) -> Scope {
    Scope::new(5, policy)
}

#[test]
fn three_with_a_replaced_candidate_and_a_replaced_voter() {
    holds(three().replace(&[1, 2]), 700);
}

#[test]
fn three_with_two_overrides() {
    holds(three().overrides(2), 37_000);
}

#[test]
fn three_with_a_replaced_candidate_and_an_override() {
    holds(three().replace(&[1]).overrides(1), 12_000);
}

#[test]
fn three_with_a_replaced_voter_and_an_override() {
    holds(three().replace(&[2]).overrides(1), 6_000);
}

#[test]
fn three_with_an_override_by_an_operator_who_does_not_know_of_the_replaced_machine() {
    holds(three().replace(&[1]).overrides(1).unaware(), 8_000);
}

#[test]
fn five_by_all_with_a_replaced_candidate_and_a_replaced_voter() {
    holds(five(All).replace(&[1, 2]), 3_000);
}

#[test]
fn a_grant_that_is_answered_before_it_is_on_disk_is_caught() {
    bites(Mutant::AnswersBeforeDisk, three().replace(&[1]));
}

#[test]
fn a_grant_that_expires_is_caught() {
    bites(Mutant::GrantExpires, three().replace(&[1]));
}

#[test]
fn a_wiped_node_that_votes_again_is_caught() {
    bites(Mutant::InstanceReused, three().replace(&[1]));
}

#[test]
fn an_ignored_epoch_is_caught() {
    bites(Mutant::EpochIgnored, three().overrides(1));
}

#[test]
fn an_override_on_a_node_that_began_is_caught() {
    bites(Mutant::OverrideAnywhere, three().overrides(1));
}

#[test]
fn a_bare_majority_is_caught() {
    bites(
        Mutant::BareMajority,
        five(Majority).replace(&[1]).without_joins(),
    );
}

#[test]
fn five_by_all_with_an_override() {
    let scope = five(All).overrides(1).speaking_of(&[1, 2]);
    holds(scope.without_joins(), 5_000);
}

#[test]
fn five_by_majority_with_an_override() {
    let scope = five(Majority).overrides(1).speaking_of(&[1, 2]);
    holds(scope.without_joins(), 5_000);
}

#[test]
fn five_by_majority_with_a_replaced_candidate_and_a_replaced_voter() {
    holds(five(Majority).replace(&[1, 2]).without_joins(), 5_000);
}

#[test]
fn there_is_a_way_out_for_three_with_replaced_machines() {
    holds(three().replace(&[1, 2]).with_recovery(), 700);
}

#[test]
fn there_is_a_way_out_for_three_with_an_override() {
    holds(three().overrides(1).with_recovery(), 700);
}

/// Makes these moves; gives the state, or the first move that the protocol does not make.
fn play(model: &Grants, moves: Vec<Move>) -> Result<State, Box<Move>> {
    let mut state = model.init_states().remove(0);
    for made in moves {
        state = model
            .next_state(&state, made.clone())
            .ok_or_else(|| Box::new(made))?;
    }
    Ok(state)
}

/// The candidate asks these, all of them grant, and it begins.
fn boot(of: u8, epoch: u64, asked: &[(u8, u8)]) -> Vec<Move> {
    let roster: BTreeMap<u8, u8> = asked.iter().copied().collect();
    let name = if epoch == 0 { 1 } else { 3 };
    let mut full = roster.clone();
    full.insert(name, of);
    let request = Request {
        from: of,
        epoch,
        roster: full,
    };
    let grants = roster
        .values()
        .map(|to| Move::Deliver(request.clone(), *to));
    let mut moves: Vec<_> = grants.collect();
    moves.insert(0, Move::Ask(of, roster));
    moves.push(Move::Begin(of));
    moves
}

/// The bound that `majority` is documented with: two other disks lost unnoticed besides the candidate's are too many.
#[test]
fn five_by_majority_do_not_survive_two_voters_replaced_unnoticed() {
    let model = Grants::new(five(Majority).replace(&[1, 2, 3]));
    let mut moves = boot(0, 0, &[(2, 1), (3, 2), (4, 3)]);
    moves.extend([Move::Replace(1), Move::Replace(2), Move::Replace(3)]);
    moves.extend(boot(5, 0, &[(2, 6), (3, 7), (5, 4)]));
    assert_eq!(play(&model, moves).unwrap().serving(), 2);
}

/// cp1 made a cluster with cp2 and cp4 and burnt; cp2 and cp4 are cut off, and others have taken their names. An operator
/// who knows of none of that gives an override.
fn unaware(mutant: Mutant) -> Result<State, Box<Move>> {
    let model = Grants::new(Scope {
        mutant,
        ..five(All).unaware()
    });
    let mut moves = boot(0, 0, &[(2, 1), (3, 2), (4, 3), (5, 4)]);
    moves.extend([
        Move::Join(1, 0),
        Move::Join(3, 0),
        Move::Replace(2),
        Move::Replace(4),
    ]);
    let instance = |at: u8| InstanceId::from_bytes([at + 1; 16]);
    let counts = [(2, 5), (3, 2), (4, 6), (5, 4)];
    moves.push(Move::Overrule(Override {
        cluster: cluster(),
        spec: model.hash,
        epoch: 1,
        candidate: name(3),
        roster: counts
            .iter()
            .map(|(node, at)| (name(*node), instance(*at)))
            .collect(),
        lost: [(name(1), [instance(0)].into())].into(),
        reason: "cp1 burnt".to_owned(),
    }));
    moves.extend([4, 5, 6, 2].map(|at| Move::Take(at, 0)));
    moves.extend(boot(2, 1, &[(2, 5), (4, 6), (5, 4)]));
    play(&model, moves)
}

#[test]
fn a_voter_that_forgets_the_roster_is_caught() {
    assert_eq!(unaware(Mutant::None), Err(Box::new(Move::Take(4, 0))));
    assert_eq!(unaware(Mutant::RosterForgotten).unwrap().serving(), 2);
}
