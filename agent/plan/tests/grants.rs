//! The grant protocol, checked exhaustively: every order of messages, crashes, replaced machines and overrides within a
//! bound, run through the very functions that the agent runs.
//!
//! The network loses, doubles, delays and reorders: a request or a grant, once sent, may arrive at any time, any number of
//! times, or never. Answers about standing are courtesy and the model lies in all of them: the candidate hears of every
//! node what it would like to hear. A replaced machine is the worst kind of wiped disk: the old one runs on, cut off, with
//! all that it holds, while a new one takes its name. A crash drops what is in memory only.
//!
//! Each rule that the safety hangs on is also taken away, one at a time, and the checker has to find the two clusters.

mod grants {
    pub(super) mod model;
    pub(super) mod mutant;
    pub(super) mod recovery;
}

use grants::model::{Grants, Scope};
use grants::mutant::Mutant;
use hactl_proto::spec::GrantPolicy::{All, Majority};
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
